"""Where a SOURCE is, as the word, path, URL or Python objects that the user gave say it.

Nothing else interprets these. What is there is read later: see `recognise`.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import urls
from ..core.errors import UsageError
from ..core.model import JsonObject
from ..core.options import Options, Selection
from ..core.secret import Secret
from ..core.urls import StoreEndpoints
from ..http.auth.schemes import HUB
from .access import user_url
from .files.archives.addresses import is_archive
from .linked.local_files import LocalFiles, catalogue_at, existing_path

if TYPE_CHECKING:
    from ..core.ports.known_items import KnownItems
    from .files.places import Place
    from .mlhub.moved import Moved

Given = str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]
"""A SOURCE of the command line, or STAC items: dicts or objects with `to_dict`, pystac's for example."""

PARQUET = (".parquet", ".geoparquet")
NDJSON = (".ndjson", ".jsonl", ".geojsonl", ".ndgeojson")
_DOCUMENTS = (".json", ".geojson")
_may_name_files = re.compile(
    r"(?:s3a?|gs|az|azure|abfss?|hf)://|(?:source\.coop|mlhub-azure|zenodo|figshare|doi):|10\.\d+/"
    r"|https?://(?:(?:www\.|dx\.)?doi\.org/|[a-z]+\.google\.com/|[^/?]*/"
    r"(?:datasets/|doi/|(?:api/)?records?/|articles/|v2/articles/|dataset\.xhtml|.*persistentId=))",
    re.IGNORECASE,
).match
"""Cheap, as most are none of these: `files.places` decides."""
MLHUB_ROOT = "https://api.radiant.earth/mlhub/v1"
_is_url = re.compile(r"https?:|file:|.*://", re.IGNORECASE | re.DOTALL).match


class SourceKind(enum.Enum):
    """How a SOURCE is read."""

    MLHUB = enum.auto()
    MLHUB_RECORD = enum.auto()
    """the record of where the datasets of the former service are"""
    DOCUMENT = enum.auto()
    """a JSON document, which says itself what it is the root of"""
    NDJSON = enum.auto()
    LOCKFILE = enum.auto()
    ARCHIVE = enum.auto()
    PARQUET = enum.auto()
    """a file of Parquet, or a folder of such files"""
    STDIN = enum.auto()
    OBJECTS = enum.auto()
    FILES = enum.auto()
    """files that no STAC describes: see `files`"""


@dataclass(slots=True, eq=False, repr=False)
class ListedVersion:
    """The version of the files that a run lists, as a number that stands for a place and its content.

    `now`: 0 where nothing determines the content. `before`: that of a complete listing of an earlier run,
    which had no catalogue among its files.
    """

    before: int = 0
    now: int = 0
    pinned: JsonObject = field(default_factory=dict)
    """what the receipt says about it"""
    use_conditions: Callable[[KnownItems], bool] | None = None
    """of a static catalogue: how it is told to ask for documents only if they have changed"""


class Services(NamedTuple):
    """Where services are that a SOURCE names without their address, and whether the hub has a key."""

    endpoints: StoreEndpoints = StoreEndpoints()
    hub: str = "https://huggingface.co"
    hub_has_token: Callable[[], bool] = bool


@dataclass(slots=True, eq=False, repr=False)
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
    moved: Moved | None = None
    """the dataset of MLHub whose data is here now"""
    remark: str = ""
    """a line for people on why it is read as it is"""
    lockfile: str = ""
    """the URL of the lockfile whose files are wanted from here; "" for everything that is here"""
    version: ListedVersion = field(default_factory=ListedVersion)
    """of a SOURCE of files: is filled in when it is recognised"""

    @property
    def credentials_url(self) -> str | None:
        """The URL whose origin the user's credentials belong to; None for a local SOURCE, and for the place
        of a dataset that moved: what was given for MLHub is not for that."""
        return self.url if self.folder is None and self.moved is None else None

    def selection_there(self, selection: Selection) -> Selection:
        """The selection for what is here. The place of a dataset knows no datasets; only items of a subset
        count for `max_items`, which is left to `SubsetSource`."""
        chosen = selection if self.moved is None else replace(selection, dataset=None)
        return chosen if selection.subset is None else replace(chosen, max_items=None)

    @property
    def admits(self) -> Callable[[Path], bool] | None:
        """Whether a local file (a path without symbolic links) may be read; None for a SOURCE on the web.

        What an archive names is in it: no other file may be read. A lockfile on this machine may name files
        of its own folder, wherever else its files are looked for.
        """
        own = self._admits_here
        if not self.lockfile.startswith("file:"):
            return own
        beside = LocalFiles(urls.to_path(self.lockfile).parent).admits
        return beside if own is None else lambda path: beside(path) or own(path)

    @property
    def _admits_here(self) -> Callable[[Path], bool] | None:
        if self.folder is not None and self.kind is SourceKind.ARCHIVE:
            return urls.to_path(self.url).resolve().__eq__
        return None if self.folder is None else LocalFiles(self.folder).admits

    @property
    def listed_folder(self) -> Path | None:
        """The folder on this machine all files of which are listed; None for every other SOURCE."""
        return self.folder if self.kind is SourceKind.FILES else None

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

    Reads only names of local files, and what Parquet says of itself. Raises `UsageError` for what is no
    address of a source, or of a kind that cannot be read, `SourceError` for a local path that is not there.
    """
    if not isinstance(given, str | os.PathLike):
        return SourceLocation(SourceKind.OBJECTS, folder=Path.cwd(), objects=given)
    text = os.fspath(given)
    if text == "mlhub" and not mlhub_root:
        return SourceLocation(SourceKind.MLHUB_RECORD)
    if text == "mlhub":
        url, signature = urls.split_shared_access(user_url(mlhub_root, "MLHUB_ROOT_URL"))
        return SourceLocation(SourceKind.MLHUB, url, shared_access=Secret(signature))
    if text == "-":
        return SourceLocation(SourceKind.STDIN, folder=Path.cwd())
    if _may_name_files(text) and (found := _files_at(text, services)) is not None:
        return found
    url = user_url(text, "SOURCE") if _is_url(text) else urls.from_path(existing_path(text))
    if url.startswith("file:"):
        return _at_path(urls.from_path(urls.to_path(url)))
    url, signature = urls.split_shared_access(urls.normalised(url))
    return SourceLocation(_kind_of(url), url, shared_access=Secret(signature))


def _at_path(url: str) -> SourceLocation:
    """The location of a local file; of a folder: its catalogue, else its stac-geoparquet, else its files."""
    path = urls.to_path(url)
    if not path.is_dir():
        return SourceLocation(_kind_of(url), url, path.parent)
    if (catalogue := catalogue_at(path)) is not None:
        return SourceLocation(SourceKind.DOCUMENT, urls.from_path(catalogue), path)
    from .files.parquet.detection import parquet_below

    if (tables := parquet_below(path)).is_stac:
        return SourceLocation(SourceKind.PARQUET, url, path, remark=tables.remark)
    from .files.places import FolderPlace

    return SourceLocation(SourceKind.FILES, url, path, place=FolderPlace(path), remark=tables.remark)


def _files_at(text: str, services: Services) -> SourceLocation | None:
    from .files.places import place_of

    hub = user_url(services.hub, "HF_ENDPOINT").rstrip("/")
    place = place_of(text, services.endpoints, hub, services.hub_has_token)
    if place is None:
        return None
    kind = _kind_of(place.url)
    is_json = place.url.partition("?")[0].lower().endswith(_DOCUMENTS)
    if place.glob is None and (is_json or kind is not SourceKind.DOCUMENT):
        return SourceLocation(kind, place.url)
    return SourceLocation(SourceKind.FILES, place.url, place=place)


def location_of(source: Given, environ: Mapping[str, str], options: Options | None = None) -> SourceLocation:
    """Where a SOURCE is; of a lockfile, where `--from` says that its files are. Raises as `locate` does."""
    if options is not None and options.from_source is not None:
        locked = location_of(source, environ)
        if locked.kind is not SourceKind.LOCKFILE:
            raise UsageError("--from is for a lockfile as SOURCE, such as data.lock: leave it out")
        elsewhere = location_of(options.from_source, environ, replace(options, from_source=None))
        return replace(elsewhere, lockfile=locked.url)
    hub = environ.get("HF_ENDPOINT") or HUB
    endpoints = store_endpoints(options, environ)
    services = Services(endpoints, hub, partial(_hub_has_token, environ))
    root, moved = mlhub_root(environ), None
    if source == "mlhub" and not environ.get("MLHUB_ROOT_URL"):
        from .mlhub.record import moved_to

        moved = moved_to((options or Options()).selection)
        root, source = "", source if moved is None else moved.address
    location = replace(locate(source, root, services), moved=moved)
    return replace(location, endpoints=endpoints) if any(endpoints) else location


def _hub_has_token(environ: Mapping[str, str]) -> bool:
    from ..http.auth.signers.hugging_face import hub_token

    return bool(hub_token(environ)[0])


def store_endpoints(options: Options | None, environ: Mapping[str, str]) -> StoreEndpoints:
    """Where object stores are: at `--endpoint-url`, or of S3 where the variables of AWS tools say so."""
    if options is not None and options.endpoint_url:
        given = user_url(options.endpoint_url, "--endpoint-url").rstrip("/")
        return StoreEndpoints(given, given, given, given)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if environ.get(name):
            return StoreEndpoints(user_url(environ[name], name).rstrip("/"))
    return StoreEndpoints()


def mlhub_root(environ: Mapping[str, str]) -> str:
    """The root URL of the MLHub API, as MLHUB_ROOT_URL has it."""
    return environ.get("MLHUB_ROOT_URL") or MLHUB_ROOT


def is_lockfile(name: str) -> bool:
    """Whether a path is that of a lockfile, by its ending."""
    return name.lower().endswith(".lock")


def _kind_of(url: str) -> SourceKind:
    """By the ending of its path."""
    path = url.partition("?")[0]
    if is_lockfile(path):
        return SourceKind.LOCKFILE
    if path.lower().endswith(PARQUET):
        return SourceKind.PARQUET
    if is_archive(path):
        return SourceKind.ARCHIVE
    return SourceKind.NDJSON if path.lower().endswith(NDJSON) else SourceKind.DOCUMENT
