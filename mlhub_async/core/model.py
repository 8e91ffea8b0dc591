"""The immutable values that modules exchange: assets, jobs, outcomes, entries of a listing, HTTP messages.

Those that are made for every file are named tuples: making one costs a third of what a frozen dataclass does.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from . import urls
from .errors import MlhubError, TransferError
from .urls import redacted

JsonObject = dict[str, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})
Version = tuple[str, int]  # of a file: a validator, and its size in bytes

NO_COLLECTION = "_no-collection"
"""The collection id given to items that name no collection."""
CATALOG_FILE = "catalog.json"
COLLECTION_FILE = "collection.json"
"""File names that the STAC best practices recommend: a mirror is written with them, a local SOURCE found by
them."""


class Status(enum.Enum):
    """How a job ended: the file was fetched, was already there, or could not be fetched.

    ABSENT: its source has no such file, and needs none: a chunk of a Zarr array that holds fill values only.
    """

    FETCHED = "fetched"
    SKIPPED = "skipped"
    FAILED = "failed"
    ABSENT = "absent"


class Proof(enum.StrEnum):
    """What a file on disk was checked against, strongest first. A str: it is hashed and written per file."""

    CHECKSUM = "checksum"
    """a digest that catalogue or server published"""
    SIZE = "size"
    """Content-Length, Content-Range or file:size"""
    NONE = "none"
    """nothing: neither a size nor a digest of a known algorithm was published"""


class Checksum(NamedTuple):
    """A published digest. One of an unknown algorithm is not `usable`: it proves and refutes nothing."""

    algorithm: str
    digest: bytes

    @property
    def usable(self) -> bool:
        return bool(self.algorithm)


REFERENCE_VIA = "reference "
"""Begins `Asset.via` of a file that came from a reference; its name follows."""
AFTER_REFERENCE = " after reference "
"""Stands in `Asset.via` of a file that a reference should have given: name and kind of the error follow."""


class Asset(NamedTuple):
    """One file of the catalogue. Its identity is (collection, item, key), never its href: hrefs expire.

    `item` is "" for an asset of the collection itself. `href` is absolute, or as the catalogue has it where
    it is invalid. `size` is file:size in bytes. `stamp` changes when the catalogue says that the content
    changed. `date` is the date of the item, as the catalogue writes it.

    `unavailable`: why it cannot be fetched, where that is known before it is asked for. `via` says which of
    its addresses `href` is, "" for the plain one; `others` are further ones, each with its own `via`.
    `auth` has the authentication schemes that the catalogue names: pairs of an address and a scheme, as in
    `Request.auth`.

    A file of an asset that is a directory has the key of that, a slash and its path in it as `key`, and both
    in `directory` and `member`. `optional`: it need not exist.
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
    unavailable: str = ""
    via: str = ""
    others: tuple[tuple[str, str], ...] = ()
    directory: str = ""
    member: str = ""
    optional: bool = False
    auth: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.collection, self.item, self.key)

    def schemes(self, href: str) -> tuple[str, ...]:
        """The authentication schemes of one of its addresses."""
        return tuple([scheme for address, scheme in self.auth if address == href])

    def __repr__(self) -> str:
        return f"<Asset {self.identity} {redacted(self.href)}>"


class Record(NamedTuple):
    """What the ledger has about a finished file. `path` is relative to DEST, with forward slashes.

    `size` is in bytes. `validator` is the ETag or Last-Modified of the response that it came from.
    """

    path: str
    size: int
    sha256: str
    mtime_ns: int
    proof: Proof
    validator: str = ""


class PartialHeader(NamedTuple):
    """The version of an asset that a partial file belongs to: only bytes of the same version may be added.

    `total` is the size of the whole in bytes; `published` the digest that came with the first answer, as a
    multihash, or ""; `urls` the canonical URLs by which the asset was requested and answered; `modified` its
    Last-Modified in seconds since 1970, 0 where that is unknown.
    """

    validator: str
    total: int
    published: str = ""
    urls: tuple[str, ...] = ()
    modified: float = 0


class FileState(NamedTuple):
    """Size in bytes and mtime in nanoseconds of a finished file: if they differ, the file was changed."""

    size: int
    mtime_ns: int


class Job(NamedTuple):
    """One asset to transfer, and its path under DEST.

    `suffix_pending`: the suffix of the path depends on where a redirect leads. `previous` is the record of
    the file that an earlier run left there: it is replaced if the server has another version of it, or, with
    `recheck`, if its bytes on disk no longer match the record. `known_url`: a finished file of an earlier
    run came from the same URL, under whatever path.
    """

    asset: Asset
    path: str
    suffix_pending: bool = False
    previous: Record | None = None
    recheck: bool = False
    known_url: bool = False


class Outcome(NamedTuple):
    """How one job ended. `received` counts the bytes that were read from the network for it.

    A failed job has an `error`; its `record`, if it has one, is that of the file that was there before.
    """

    job: Job
    status: Status
    record: Record | None = None
    error: MlhubError | None = None
    attempts: int = 0
    received: int = 0


class Member(NamedTuple):
    """A file of a directory: its path there, with forward slashes, and its size in bytes where it is known.

    `optional`: it need not exist. `checksum` is the digest that is published of it; `hrefs` are its
    addresses, the best first, each with its `Asset.via`, where that of the directory does not say them.
    """

    path: str
    media_type: str | None = None
    size: int | None = None
    optional: bool = False
    checksum: Checksum | None = None
    hrefs: tuple[tuple[str, str], ...] = ()


class Directory(NamedTuple):
    """An asset that is a directory, and its files. Without any it is fetched as if it were a file, or, with
    an `error`, fails. `digest` is another one if the files are others."""

    members: tuple[Member, ...] = ()
    digest: str = ""
    error: MlhubError | None = None


class Folder(NamedTuple):
    """Where an asset that is a directory is in DEST, complete."""

    path: str


Stored = Record | Folder
"""What DEST has of an asset."""
NO_DIRECTORIES: Mapping[str, Directory] = MappingProxyType({})


class Item(NamedTuple):
    """A STAC Item, unchanged. `href` is the URL that it was read from: the base of its relative hrefs."""

    id: str
    collection: str
    body: JsonObject
    href: str
    followed: bool = False
    """it was read because a label item names it as its source"""
    label: str = ""
    """the id of the first label item that names it as its source, where a path template asks for that"""
    addresses: tuple[str, ...] = ()
    """URLs of a document that is this item alone, before and after redirects"""
    endpoints: urls.StoreEndpoints | None = None
    """where the object stores are that its hrefs name; None: the services' own"""
    directories: Mapping[str, Directory] = NO_DIRECTORIES
    """those of its assets that are directories, by key"""
    paths: Mapping[str, str] = NOTHING
    """the paths in DEST that its assets must have, by key, whatever the path template"""
    versions: Mapping[str, Version] = NOTHING
    """of the files of its assets, by key, where they are known before any is asked for"""
    locations: Mapping[str, JsonObject] = NOTHING
    """`href` and `alternate` of assets, by key: where they are fetched from, in place of what `body` says"""

    def __repr__(self) -> str:
        return f"<Item {self.collection}/{self.id}>"

    def __reduce__(self) -> tuple[type[Item], tuple[Any, ...]]:
        """Mappings that cannot be changed cannot be pickled or copied."""
        return Item, tuple([dict(one) if isinstance(one, MappingProxyType) else one for one in self])


class Collection(NamedTuple):
    """A STAC Collection, unchanged. `href` is the URL that it was read from."""

    id: str
    body: JsonObject
    href: str
    followed: bool = False
    """it was read because a label item names it as its source"""
    endpoints: urls.StoreEndpoints | None = None
    directories: Mapping[str, Directory] = NO_DIRECTORIES
    paths: Mapping[str, str] = NOTHING
    versions: Mapping[str, Version] = NOTHING
    locations: Mapping[str, JsonObject] = NOTHING
    """these four: see `Item`"""

    def __repr__(self) -> str:
        return f"<Collection {self.id}>"


class Page(NamedTuple):
    """One page of a listing was read. `matched` is its numberMatched, None if it has none."""

    matched: int | None = None
    listing: str = ""
    """the listing that it is a page of, where a run has several (one per collection)"""
    returned: int = 0
    """how many items the page had, selected or not"""
    collection: str = ""
    """the collection that was requested, "" if there were several or none"""
    slice_of: str = ""
    """the listing that `listing` is only a slice of: slices of one listing may have items in common"""
    repeatable: bool = False
    """`Source.list` reads this listing again if `only` names it"""
    is_last: bool = False
    is_cut: bool = False
    """what it should have had, records or a link to the next page, is missing"""
    is_capped: bool = False
    """as many items came with it as were asked for: what would follow is not read"""


class Concern(enum.Enum):
    """What a flaw is a flaw of."""

    LISTING = enum.auto()
    """of the catalogue: what it should have named may be missing, so the listing is not complete"""
    SELECTION = enum.auto()
    """of the selection: the catalogue was listed, and does not have what was asked for"""
    ANSWER = enum.auto()
    """of an answer: it is no item, but what the link led to before may exist, so it must not be removed"""
    MIRROR = enum.auto()
    """of the copy: what was listed could not be written to DEST, or removed from it"""


class Flaw(NamedTuple):
    """An object of the catalogue that cannot be used: invalid or unreadable. The listing goes on without it.

    `where` names it for people. A `benign` flaw (a broken link to source imagery) is reported but does not
    make the copy incomplete.
    """

    where: str
    error: MlhubError
    benign: bool = False
    owner: tuple[str, ...] = ()
    """what it concerns: collection, item id, asset key and path, as many of these as are known"""
    concern: Concern = Concern.LISTING
    listing: str | None = None
    """the listing that ended there, before its last page"""


class CollectionListed(NamedTuple):
    """All selected items of a collection have been listed."""

    collection: str


class ListingTotal(NamedTuple):
    """The total of a listing that is read in time slices. The totals of its slices may add up to more."""

    listing: str
    matched: int


class ListingRestarted(NamedTuple):
    """The slices of a listing may have missed items: the listing is read again, undivided."""

    listing: str


class ListingRemarks(NamedTuple):
    """How a source was listed, for the receipt and for people. It replaces earlier remarks."""

    receipt: Mapping[str, Any] = NOTHING
    """members of "listing" in receipt.json"""
    lines: tuple[str, ...] = ()
    """sentences for people; control characters are not yet escaped"""
    decided: Mapping[str, Any] = NOTHING
    """who decided the conditions of the selection, as far as it was not this program alone"""


Entry = Page | Collection | Item | Flaw | CollectionListed | ListingTotal | ListingRestarted | ListingRemarks


class Request(NamedTuple):
    """One HTTP request, without credentials: only the HTTP client adds them, per origin."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = NOTHING
    body: bytes | None = None
    instead: Callable[[TransferError, int], Request | None] | None = None
    """after a failed attempt, and with so many attempts left: the request to send in place of this one"""
    fresh: bool = False
    """send it over a new connection"""
    begun: Any = None
    """a `ports.BegunRequest`: it was sent already, go on with that"""
    confidential: bool = False
    """it is made to get credentials: no signer adds others, and no redirect to another origin is followed"""
    auth: tuple[str, ...] = ()
    """the authentication schemes that the catalogue names for the URL, each as the JSON text of an array: the
    name and the Authentication Scheme Object, null where the catalogue describes none"""

    def __repr__(self) -> str:
        return f"<Request {self.method} {redacted(self.url)} {sorted(self.headers)}>"


SET_COOKIE = "set-cookie"
LINE_SEPARATOR = "\n"
"""Between the Set-Cookie lines of one response in `Head.headers`: they cannot be joined by commas."""


class Head(NamedTuple):
    """The head of one response: status, header fields by lower-case name, and the URL that answered."""

    status: int
    headers: Mapping[str, str]
    url: str

    def __repr__(self) -> str:
        return f"<Head {self.status} {redacted(self.url)} {sorted(self.headers)}>"


class Document(NamedTuple):
    """A JSON document. `url` is where it came from after redirects: the base of its relative hrefs."""

    body: Any
    url: str
    link_field: str = ""
    """the Link header field of the response (RFC 8288), by which some APIs name the next page"""

    def __repr__(self) -> str:
        return f"<Document {redacted(self.url)}>"
