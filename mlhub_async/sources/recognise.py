"""What a SOURCE means: where it is, how it is read, and which source class reads what is there.

Nothing else interprets the word, path, URL or Python object that the user gave.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from collections.abc import Collection as Some
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import stac
from ..core import urls
from ..core.errors import SourceError, TransferError, UsageError
from ..core.model import CATALOG_FILE, COLLECTION_FILE, Document, Request
from ..core.options import Selection
from ..core.ports import Source
from ..core.secret import Secret
from ..core.urls import StoreEndpoints
from ..stac import DocumentKind
from .access import unreadable
from .files.archives.addresses import is_archive
from .files.archives.workspace import Workspace
from .item_limit import ItemQuota
from .linked.failures import FirstTime
from .linked.local_files import LocalFiles
from .linked.source_links import FollowSources

if TYPE_CHECKING:
    from .api.source import ApiSource
    from .files.places import Place
    from .items.streams import RawReader

Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""

_NDJSON = (".ndjson", ".jsonl", ".geojsonl", ".ndgeojson")
_DOCUMENTS = (".json", ".geojson")
_PARQUET = (".parquet", ".geoparquet")
_may_name_files = re.compile(
    r"(?:s3a?|gs|az|azure|abfss?|hf)://|(?:source\.coop|mlhub-azure|zenodo|figshare|doi):|10\.\d+/"
    r"|https?://(?:(?:www\.|dx\.)?doi\.org/|[a-z]+\.google\.com/|[^/?]*/"
    r"(?:datasets/|(?:api/)?records?/|articles/|v2/articles/|dataset\.xhtml|.*persistentId=))",
    re.IGNORECASE,
).match
"""Cheap, as most sources are none of these: `files.places` decides."""
_names_archive = re.compile(r"https?://[^?]*/(?:archive|catalog)/[^/?.]+(?:\?|\Z)").match
_is_url = re.compile(r"https?:|file:|.*://", re.IGNORECASE | re.DOTALL).match


class SourceKind(enum.Enum):
    """How a SOURCE is read."""

    MLHUB = enum.auto()
    DOCUMENT = enum.auto()
    """a JSON document, which says itself what it is the root of"""
    NDJSON = enum.auto()
    ARCHIVE = enum.auto()
    PARQUET = enum.auto()
    """a file of Parquet, or a folder of such files"""
    STDIN = enum.auto()
    OBJECTS = enum.auto()
    FILES = enum.auto()
    """files that no STAC describes: see `files`"""


class Services(NamedTuple):
    """Where services are that a SOURCE names without their address, and the key of the hub."""

    endpoints: StoreEndpoints = StoreEndpoints()
    hub: str = "https://huggingface.co"
    hub_token: Callable[[], str] = str


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where a SOURCE is, as far as that is known before anything of it is read."""

    kind: SourceKind
    url: str = ""
    """http, https or file; "" for standard input and for Python objects"""
    folder: Path | None = None
    """the folder that local files may be read from; None for a SOURCE on the network"""
    objects: Any = None
    shared_access: Secret = field(default_factory=lambda: Secret(""))
    """the shared access signature that the user gave with the URL; it is no part of `url`"""
    place: Place | None = None
    """the store, data set or record of a SOURCE of files"""
    endpoints: StoreEndpoints | None = None
    """the object stores that hrefs name, where the user says where these are"""

    @property
    def credentials_url(self) -> str | None:
        """The URL whose origin the user's credentials belong to; None for a local SOURCE."""
        return self.url if self.folder is None else None

    @property
    def admits(self) -> Callable[[Path], bool] | None:
        """Whether a local file (a path without symbolic links) may be read; None for a SOURCE on the web.

        What an archive names is in it: no other file may be read.
        """
        if self.folder is not None and self.kind is SourceKind.ARCHIVE:
            return urls.to_path(self.url).resolve().__eq__
        return None if self.folder is None else LocalFiles(self.folder).admits

    @property
    def catalogue_folder(self) -> str:
        """The absolute folder of a catalogue on this machine; "" for one on the network.

        "" for Python objects too: nothing says that their files belong together; and for an archive.
        """
        if self.folder is None or self.kind in (SourceKind.OBJECTS, SourceKind.ARCHIVE):
            return ""
        return str(self.folder.resolve())


NO_SERVICES = Services()


def locate(given: Given, mlhub_root: str, services: Services = NO_SERVICES) -> SourceLocation:
    """Where the SOURCE that the user gave is; `mlhub_root` is the URL that the word `mlhub` stands for.

    Reads nothing but the names of local files. Raises `UsageError` for what is no address of a source, or
    of a kind that cannot be read, `SourceError` for a local path that is not there.
    """
    if not isinstance(given, str | os.PathLike):
        return SourceLocation(SourceKind.OBJECTS, folder=Path.cwd(), objects=given)
    text = os.fspath(given)
    if text == "mlhub":
        url, signature = urls.split_shared_access(user_url(mlhub_root, "MLHUB_ROOT_URL"))
        return SourceLocation(SourceKind.MLHUB, url, shared_access=Secret(signature))
    if text == "-":
        return SourceLocation(SourceKind.STDIN, folder=Path.cwd())
    if _may_name_files(text) and (found := _files_at(text, services)) is not None:
        return found
    url = user_url(text, "SOURCE") if _is_url(text) else urls.from_path(_existing(text))
    if url.startswith("file:"):
        path = urls.to_path(url)
        return SourceLocation(_kind_of(url), url, path if path.is_dir() else path.parent)
    url, signature = urls.split_shared_access(url)
    return SourceLocation(_kind_of(url), url, shared_access=Secret(signature))


def _files_at(text: str, services: Services) -> SourceLocation | None:
    """The location of files, or of a document among them that is named by its ending."""
    from .files.places import place_of

    hub = user_url(services.hub, "HF_ENDPOINT").rstrip("/")
    place = place_of(text, services.endpoints, hub, services.hub_token)
    if place is None:
        return None
    kind = _kind_of(place.url)
    is_json = place.url.partition("?")[0].lower().endswith(_DOCUMENTS)
    if place.glob is None and (is_json or kind is not SourceKind.DOCUMENT):
        return SourceLocation(kind, place.url)
    return SourceLocation(SourceKind.FILES, place.url, place=place)


def user_url(text: str, name: str) -> str:
    """A URL that the user gave as `name`, parsed. Raises `UsageError` for what is none."""
    if "://" not in text and not text.lower().startswith("file:"):
        raise UsageError(f"{name} {urls.redacted(text)}: write it as an address, with https://")
    try:
        parsed = urls.parse(text)
        urls.origin(parsed)
    except TransferError as error:
        reason = error.message.removeprefix("the href ")
        shown = "" if urls.redacted(text) in reason else f"{urls.redacted(text)} "
        raise UsageError(f"{name} {shown}{reason}") from None
    return parsed


def user_origins(given: Iterable[str]) -> frozenset[str]:
    """The origins that the user trusts (`--allow-origin`). Raises `UsageError`."""
    return frozenset(str(urls.origin(user_url(one, "--allow-origin"))) for one in given)


def is_ndjson(name: str) -> bool:
    """Whether a file of this name has one item per line."""
    return name.lower().endswith(_NDJSON)


async def recognise(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    *,
    allow_origins: Sequence[str] = (),
    first_time: FirstTime | None = None,
    workspace: Workspace | None = None,
) -> Source:
    """The source at a location, with everything that the selection asks of any source.

    Reads the root document, where there is one. Raises `UsageError` for a selection that this kind of
    source cannot have, `SourceError` for a root that is no catalogue, `CatalogError` where the network
    may do better next time.
    """
    allowed = user_origins(allow_origins)
    found = await source_at(location, reader, selection, allowed, workspace)
    found = _split(found, selection)
    if selection.follow_sources:
        found = FollowSources(found, reader, allowed, first_time, location.url, selection)
    if location.endpoints is not None:
        from .linked.store_endpoints import WithEndpoints

        found = WithEndpoints(found, location.endpoints)
    return found


def _split(found: Source, selection: Selection) -> Source:
    if selection.split == 1:
        return found
    from .api.source import ApiSource
    from .api.split import UnsplitSource
    from .mlhub import MlhubSource

    return found if isinstance(found, ApiSource | MlhubSource) else UnsplitSource(found)


async def source_at(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    allowed: Some[str] = frozenset(),
    workspace: Workspace | None = None,
) -> Source:
    """The source at a location and nothing around it. Raises as `recognise` does."""
    url = location.url
    match location.kind:
        case SourceKind.OBJECTS:
            from .items.objects import of_objects

            return of_objects(location.objects, selection, reader)
        case SourceKind.MLHUB:
            from .mlhub import MlhubSource

            return MlhubSource(reader, url, selection, allowed)
        case SourceKind.STDIN:
            from .items.documents import of_stdin

            found: Source = of_stdin(selection, reader)
        case SourceKind.NDJSON:
            from .items.documents import of_lines

            found = of_lines(reader, url, selection)
        case SourceKind.PARQUET:
            from .files.parquet.source import of_parquet

            found = of_parquet(reader, url, selection)
        case SourceKind.ARCHIVE:
            found = _archive_source(reader, url, selection, allowed, workspace or Workspace())
        case SourceKind.FILES if location.place is not None:
            found = await _files_source(location.place, reader, selection, allowed)
        case SourceKind.DOCUMENT:
            if (root := await _read_root(reader, url)) is None:
                found = _archive_source(reader, url, selection, allowed, workspace or Workspace())
            else:
                found = _source_of(root, reader, selection, allowed, urls.redacted(url))
    if selection.dataset:
        _refuse_unless_mlhub(found, urls.redacted(url) if url else "-")
    return found


def _refuse_unless_mlhub(found: Source, where: str) -> None:
    from .mlhub import MlhubSource

    if not isinstance(found, MlhubSource):
        raise UsageError(f"--dataset is for an MLHub, which {where} is not: use -c for collections")


def _archive_source(
    reader: RawReader, url: str, selection: Selection, allowed: Some[str], workspace: Workspace
) -> Source:
    from .files.archives.source import ArchiveSource

    def open_static(root: Document) -> Source:
        return _source_of(root, reader, selection, allowed, urls.redacted(url))

    return ArchiveSource(reader, url, selection, open_static, workspace)


async def _files_source(place: Place, reader: RawReader, selection: Selection, allowed: Some[str]) -> Source:
    """The files of a place; the STAC catalogue among them, where there is one."""
    from .files.catalogue import AskedUrls, catalogue_in
    from .files.source import FilesSource

    listing, asked = place.open(reader), AskedUrls(reader)
    if place.glob is None and (document := await catalogue_in(listing, asked)) is not None:
        found = _source_of(document, asked, selection, allowed, listing.where)
        found.name = listing.where
        return found
    return FilesSource(listing, selection, place.glob)


async def _read_root(reader: RawReader, url: str) -> Document | None:
    """None for an archive at an address that MLHub has for such: no name says what comes from there."""
    may_be_archive = _names_archive(url)
    try:
        if may_be_archive:
            return await reader.read_unless_data(Request(url))
        return await reader.read(Request(url))
    except TransferError as error:
        if may_be_archive and error.kind == "data":
            return None
        raise unreadable(error, url) from error


def _source_of(
    document: Document, reader: RawReader, selection: Selection, allowed: Some[str], where: str
) -> Source:
    """The source that reads a root document, by its kind.

    With --dataset an API is an MLHub: nothing else has datasets.
    """
    body, url = document.body, document.url

    def open_api(landing: Document, selection: Selection, quota: ItemQuota) -> ApiSource:
        from .api.source import ApiSource

        return ApiSource(reader, landing.url, landing.body, selection, allowed, quota)

    match stac.kind_of(body):
        case DocumentKind.ITEM:
            from .items.documents import of_document

            return of_document(reader, document, selection, allowed)
        case DocumentKind.FEATURES:
            from .items.documents import of_document

            features = body if isinstance(body, list) else body.get("features")
            whole = {**({} if isinstance(body, list) else body), "type": "FeatureCollection"}
            document = Document({**whole, "features": features}, url)
            return of_document(reader, document, selection, allowed)
        case DocumentKind.LANDING_PAGE:
            if selection.dataset:
                from .mlhub import MlhubSource

                return MlhubSource(reader, url, selection, allowed)
            from .api.source import ApiSource

            return ApiSource(reader, url, body, selection, allowed)
        case DocumentKind.NONE:
            raise SourceError(
                f"{where} is JSON, but neither a STAC API nor a catalogue, collection or item: it is "
                f"{stac.looks_like(body)}; give the address of one of these",
                kind="not-stac",
            )
        case _:
            from .static.source import StaticSource

            return StaticSource(reader, body, url, selection, allowed, open_api)


def _kind_of(url: str) -> SourceKind:
    """By the ending of its path."""
    path = url.partition("?")[0]
    is_folder = url.startswith("file:") and os.path.isdir(urls.to_path(url))
    if path.lower().endswith(_PARQUET) or is_folder:
        return SourceKind.PARQUET
    if is_archive(path):
        return SourceKind.ARCHIVE
    return SourceKind.NDJSON if is_ndjson(path) else SourceKind.DOCUMENT


def _existing(text: str) -> Path:
    """A local file; for a folder the catalogue in it, or the folder itself if there is Parquet in it."""
    if not text.strip():
        raise UsageError("SOURCE is empty: give the address or path of a catalogue")
    path = Path(text)
    if os.path.isdir(path):
        return _catalogue_in(path)
    if not os.path.exists(path):
        raise SourceError(f"{urls.term_safe(text, 300)} does not exist here, and is no URL", kind="not-found")
    return path


def _catalogue_in(folder: Path) -> Path:
    for name in (CATALOG_FILE, COLLECTION_FILE):
        if (folder / name).is_file():
            return folder / name
    if any(one.lower().endswith(_PARQUET) for _, _, files in os.walk(folder) for one in files):
        return folder
    entries = ", ".join(urls.term_safe(name) for name in sorted(os.listdir(folder))[:5]) or "nothing"
    raise SourceError(
        f"{urls.term_safe(str(folder), 300)} holds neither {CATALOG_FILE} nor {COLLECTION_FILE} "
        f"(but {entries}): name the catalogue's file",
        kind="not-found",
    )
