"""The nouns: plain frozen values that every other module speaks in.

Those that are made for every file are named tuples, which cost a third of a frozen dataclass to make.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from . import urls
from .errors import MlhubError
from .urls import redacted

JsonObject = dict[str, Any]
NOTHING: Mapping[str, str] = MappingProxyType({})

NO_COLLECTION = "_no-collection"
"""The collection id given to items that name no collection."""
CATALOG_FILE = "catalog.json"
COLLECTION_FILE = "collection.json"
"""File names that the STAC best practices recommend: a mirror is written with them, a local SOURCE found by
them."""

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")


class Status(enum.Enum):
    """What became of a job."""

    FETCHED = "fetched"
    SKIPPED = "skipped"
    FAILED = "failed"


class Proof(enum.StrEnum):
    """How much is known about the bytes on disk, strongest first. Text: it is hashed and written per file."""

    CHECKSUM = "checksum"
    """they match a digest that catalogue or server published"""
    SIZE = "size"
    """their number matches Content-Length, Content-Range or file:size"""
    NONE = "none"
    """nothing was published to check them against, or it cannot be computed here"""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A published digest. `usable` is false where the algorithm is unknown: never "ok", never a failure."""

    algorithm: str
    digest: bytes

    @property
    def usable(self) -> bool:
        return bool(self.algorithm)


class Asset(NamedTuple):
    """One file of the catalogue. Identity is (collection, item, key), never href: hrefs expire.

    `item` is "" for an asset of the collection itself. `href` is absolute, or as bad as the catalogue
    wrote it; `size` is file:size in bytes. `stamp` changes when the catalogue says the content changed.
    """

    href: str
    key: str
    item: str
    collection: str
    media_type: str | None = None
    size: int | None = None
    checksum: Checksum | None = None
    stamp: str = ""
    date: str = ""
    """of its item, as the catalogue writes it"""

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.collection, self.item, self.key)

    @property
    def fields(self) -> Mapping[str, str]:
        """What a path template may ask for beyond the identity."""
        return TemplateFields(self.href, self.date)

    def __repr__(self) -> str:
        return f"<Asset {self.identity} {redacted(self.href)}>"


class Record(NamedTuple):
    """What the ledger knows of a file that is on disk. `path` is relative to DEST, with forward slashes."""

    path: str
    size: int
    sha256: str
    mtime_ns: int
    proof: Proof
    validator: str = ""


class Job(NamedTuple):
    """An asset and its path under DEST. `suffix_pending`: the suffix is still to come from a redirect.

    `previous` is the record of an earlier run whose file is still there: to be replaced if the server has
    another version of it, or, with `recheck`, if its bytes on disk no longer match the record.
    `known_url`: a finished file of an earlier run has this URL, under whatever name.
    """

    asset: Asset
    path: str
    suffix_pending: bool = False
    previous: Record | None = None
    recheck: bool = False
    known_url: bool = False


class Outcome(NamedTuple):
    """What became of one job. `size` is in bytes, `received` counts what crossed the wire for it."""

    job: Job
    status: Status
    record: Record | None = None
    error: MlhubError | None = None
    attempts: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """A STAC Item as the source gave it. `href` is where it was read: the base of its relative hrefs."""

    id: str
    collection: str
    body: JsonObject = field(repr=False)
    href: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Collection:
    """A STAC Collection document as the source gave it."""

    id: str
    body: JsonObject = field(repr=False)
    href: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing was read. `matched` is the server's total where it tells one."""

    matched: int | None = None
    listing: str = ""
    """which listing the total belongs to, where a run has several (one per collection)"""
    returned: int = 0
    """how many records the page had, wanted or not"""
    collection: str = ""
    """the collection that was asked for, where it is one"""
    slice_of: str = ""
    """the listing that `listing` is only a slice of: slices of one listing may have items in common"""
    repeatable: bool = False
    """`Source.list` reads this listing again if `only` names it"""


@dataclass(frozen=True, slots=True)
class Flaw:
    """One record of the catalogue that cannot be used: the listing goes on without it.

    A `benign` flaw (a source link that leads nowhere) is reported but does not make the copy incomplete.
    """

    where: str
    error: MlhubError
    benign: bool = False
    owner: tuple[str, ...] = ()
    """collection and id of the item that it is a flaw of, key and path of the asset; where there are such"""


@dataclass(frozen=True, slots=True)
class CollectionListed:
    """All that was asked for of a collection has been listed."""

    collection: str


@dataclass(frozen=True, slots=True)
class ListingTotal:
    """How many items a listing has that was read in slices: their own totals do not add up to it."""

    listing: str
    matched: int


@dataclass(frozen=True, slots=True)
class ListingRestarted:
    """The slices of a listing that were read may not be all of it: it is read as a whole next."""

    listing: str


@dataclass(frozen=True, slots=True)
class ListingRemarks:
    """What a source reports about the way in which it was listed. It replaces what was reported before."""

    receipt: JsonObject = field(default_factory=dict)
    """members of "listing" in receipt.json"""
    lines: tuple[str, ...] = ()
    """sentences for people, not yet safe for a terminal"""


Entry = Page | Collection | Item | Flaw | CollectionListed | ListingTotal | ListingRestarted | ListingRemarks


class Request(NamedTuple):
    """One HTTP request. Only http.py adds credentials, for the one origin they belong to."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = NOTHING
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {redacted(self.url)} {sorted(self.headers)}>"


class Head(NamedTuple):
    """The head of one response: status, header fields by lower-case name, the URL that answered."""

    status: int
    headers: Mapping[str, str]
    url: str

    def __repr__(self) -> str:
        return f"<Head {self.status} {redacted(self.url)} {sorted(self.headers)}>"


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document that was read whole. `url` is where it finally came from: base for relative hrefs."""

    body: Any = field(repr=False)
    url: str = field(repr=False)


_PARTS = {"year": 1, "month": 2, "day": 3}


class TemplateFields(Mapping[str, str]):
    """The file name in an asset's href, its item's date and the parts of it. Worked out when asked."""

    __slots__ = ("_date", "_href")

    def __init__(self, href: str, date: str) -> None:
        self._href = href
        self._date = date

    def __getitem__(self, name: str) -> str:
        if name == "filename" and (found := urls.filename(self._href)):
            return found
        if name == "datetime" and self._date:
            return self._date
        day = _DAY.match(self._date)
        if name in _PARTS and day:
            return day.group(_PARTS[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in ("filename", "datetime", *_PARTS) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
