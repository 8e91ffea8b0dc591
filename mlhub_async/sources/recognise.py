"""Which source class reads what is at a location, with everything that the selection asks of any source."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from .. import stac
from ..core import pattern_on_use, urls
from ..core.errors import SourceError, TransferError, UsageError
from ..core.model import Document, Request
from ..core.options import Selection
from ..stac import DocumentKind
from .access import unreadable, user_origins
from .files.archives.addresses import ArchiveFile
from .files.archives.workspace import Workspace
from .items.item_limit import ItemQuota
from .linked.failures import FirstTime
from .linked.source_links import FollowSources
from .location import ListedVersion, SourceKind, SourceLocation

if TYPE_CHECKING:
    from ..core.ports import Source
    from .api.source import ApiSource
    from .files.places import Place
    from .items.streams import RawReader
    from .linked.source_labels import SourceLabels

_ARCHIVE_ADDRESS = pattern_on_use(r"https?://[^?]*/(?:archive|catalog)/[^/?.]+(?:\?|\Z)")


async def recognise(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    *,
    allow_origins: Sequence[str] = (),
    first_time: FirstTime | None = None,
    workspace: Workspace | None = None,
    notes_labels: bool = False,
) -> Source:
    """The source at a location, with everything that the selection asks of any source.

    `notes_labels`: items of source imagery are to say whose they are.

    Reads the root document, where there is one. Raises `UsageError` for a selection that this kind of
    source cannot have, `SourceError` for a root that is no catalogue, `CatalogError` where the network
    may do better next time.
    """
    allowed = user_origins(allow_origins)
    if location.kind is SourceKind.MLHUB_RECORD:
        raise UsageError("Radiant MLHub closed in 2023: name a dataset of it with --dataset")
    found = await _source_there(location, reader, location.selection_there(selection), allowed, workspace)
    if location.moved is not None:
        from .mlhub.moved import MovedSource

        found = MovedSource(found, location.moved)
    if location.remark:
        from .files.parquet.remarked import RemarkedSource

        found = RemarkedSource(found, location.remark)
    if selection.split != 1 and not getattr(found, "reports_split", False):
        from .api.unsplit import UnsplitSource

        found = UnsplitSource(found)
    if selection.subset is not None:
        from .linked.subsets import SubsetSource

        found = SubsetSource(found, reader, selection)
    if selection.follow_sources and location.kind is not SourceKind.LOCKFILE:  # that names all files
        labels = _source_labels() if notes_labels else None
        found = FollowSources(found, reader, allowed, first_time, location.url, selection, labels)
    if location.endpoints is not None:
        from .linked.store_endpoints import WithEndpoints

        found = WithEndpoints(found, location.endpoints)
    if location.lockfile:
        from .items.lockfile.elsewhere import Elsewhere
        from .items.lockfile.source import LockfileSource

        found = LockfileSource(reader, location.lockfile, selection, Elsewhere(found))
    return found


async def _source_there(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    allowed: Some[str],
    workspace: Workspace | None,
) -> Source:
    """The source at a location; where the files of a lockfile are looked for, by the items that it has."""
    if location.lockfile and location.kind is SourceKind.FILES:
        from .items.lockfile.source import grouped_as_locked

        grouped = await grouped_as_locked(reader, location.lockfile, selection)
        try:
            return await source_at(location, reader, grouped, allowed, workspace)
        except UsageError:  # a catalogue is there, which says itself what the items are
            if not grouped.open_archives:
                raise
    return await source_at(location, reader, selection, allowed, workspace)


def _source_labels() -> SourceLabels:
    from .linked.source_labels import SourceLabels

    return SourceLabels()


async def source_at(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    allowed: Some[str] = frozenset(),
    workspace: Workspace | None = None,
) -> Source:
    """The source at a location and nothing around it. Raises as `recognise` does."""
    url, room = location.url, workspace or Workspace()
    match location.kind:
        case SourceKind.OBJECTS:
            from .items.objects import of_objects

            return of_objects(location.objects, selection, reader)
        case SourceKind.MLHUB:
            from .mlhub.source import MlhubSource

            return MlhubSource(reader, url, selection, allowed)
        case SourceKind.ARCHIVE:
            found: Source = _archive_source(reader, ArchiveFile.at(url), selection, allowed, room)
        case SourceKind.FILES if location.place is not None:
            found = await _files_source(location.place, location.version, reader, selection, allowed, room)
        case SourceKind.DOCUMENT:
            if (root := await _read_root(reader, url)) is None:
                found = _archive_source(reader, ArchiveFile.at(url), selection, allowed, room)
            else:
                found = _source_of(root, reader, selection, allowed, urls.redacted(url))
                use_conditions = getattr(found, "use_conditions", None)
                if use_conditions is not None and not location.catalogue_folder:
                    location.version.use_conditions = partial(use_conditions, reader)
        case _:
            found = _rows_source(location.kind, reader, url, selection)
    if selection.open_archives and location.kind not in (SourceKind.FILES, SourceKind.ARCHIVE):
        raise UsageError("--open-archives is for a SOURCE of files without STAC: leave it out")
    if selection.dataset:
        _refuse_unless_mlhub(found, urls.redacted(url) if url else "-")
    return found


def _rows_source(kind: SourceKind, reader: RawReader, url: str, selection: Selection) -> Source:
    """Items that are given one after another, without a root document."""
    if kind is SourceKind.PARQUET:
        from .files.parquet.source import of_parquet

        return of_parquet(reader, url, selection)
    if kind is SourceKind.LOCKFILE:
        from .items.lockfile.source import LockfileSource

        return LockfileSource(reader, url, selection)
    from .items.documents import of_lines, of_stdin

    return of_stdin(selection, reader) if kind is SourceKind.STDIN else of_lines(reader, url, selection)


def _refuse_unless_mlhub(found: Source, where: str) -> None:
    from .mlhub.source import MlhubSource

    if not isinstance(found, MlhubSource):
        raise UsageError(f"--dataset is for an MLHub, which {where} is not: use -c for collections")


def _archive_source(
    reader: RawReader, archive: ArchiveFile, selection: Selection, allowed: Some[str], workspace: Workspace
) -> Source:
    from .files.archives.source import ArchiveSource

    def open_static(root: Document) -> Source:
        return _source_of(root, reader, selection, allowed, urls.redacted(archive.url))

    return ArchiveSource(reader, archive, selection, open_static, workspace)


async def _files_source(
    place: Place,
    version: ListedVersion,
    reader: RawReader,
    selection: Selection,
    allowed: Some[str],
    room: Workspace,
) -> Source:
    from .files.catalogue import AskedUrls, files_source

    asked = AskedUrls(reader)

    def open_root(document: Document, where: str) -> Source:
        return _source_of(document, asked, selection, allowed, where)

    def open_archive(archive: ArchiveFile, selection: Selection, room: Workspace) -> Source:
        return _archive_source(asked, archive, selection, allowed, room)

    listing = place.open(reader)
    return await files_source(listing, place.glob, asked, selection, open_root, open_archive, room, version)


async def _read_root(reader: RawReader, url: str) -> Document | None:
    """None for an archive at an address that MLHub has for such: no name says what comes from there."""
    may_be_archive = _ARCHIVE_ADDRESS.match(url)
    read = reader.read_unless_data if may_be_archive else reader.read
    try:
        return await read(Request(url))
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
        case DocumentKind.ITEM | DocumentKind.FEATURES as kind:
            from .items.documents import of_document

            if kind is DocumentKind.FEATURES:
                whole = {"features": body} if isinstance(body, list) else body
                document = Document({**whole, "type": "FeatureCollection"}, url)
            return of_document(reader, document, selection, allowed)
        case DocumentKind.LANDING_PAGE:
            if selection.dataset:
                from .mlhub.source import MlhubSource

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
