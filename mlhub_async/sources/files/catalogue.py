"""The source that reads files: by the STAC catalogue that they bring along, else by their listing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ... import stac
from ...core.errors import TransferError, Transient, UsageError
from ...core.model import CATALOG_FILE, COLLECTION_FILE, Document, Request
from ...stac import DocumentKind
from ..access import unreadable
from ..items.streams import RawReader
from .listing import FileListing, ListedVersion, version_number
from .paths import KeyGlob
from .source import FilesSource

if TYPE_CHECKING:
    from ...core.model import Head
    from ...core.options import Selection
    from ...core.ports import Sink, Source
    from ...core.ports.members import Members
    from ...http.resilience.retry import Retry
    from .archives.addresses import OpenArchive
    from .archives.workspace import Workspace

_CATALOGUES = (DocumentKind.CATALOG, DocumentKind.COLLECTION)


class AskedUrls:
    """A reader whose documents have the URLs that they were asked by, not those of redirects.

    A hub redirects to URLs that expire and have no folders: relative hrefs mean files beside the asked one.
    """

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader
        self.retry: Retry = reader.retry

    async def read(self, request: Request) -> Document:
        return (await self._reader.read(request))._replace(url=request.url)

    async def read_unless_data(self, request: Request) -> Document:
        return (await self._reader.read_unless_data(request))._replace(url=request.url)

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        return (await self._reader.read_bytes(request))[0], request.url

    async def get(self, request: Request, sink: Sink) -> Head:
        return await self._reader.get(request, sink)

    def mount(self, prefix: str, members: Members) -> None:
        self._reader.mount(prefix, members)


async def files_source(
    listing: FileListing,
    glob: KeyGlob | None,
    reader: AskedUrls,
    selection: Selection,
    open_root: Callable[[Document, str], Source],
    open_archive: OpenArchive,
    workspace: Workspace,
    version: ListedVersion,
) -> Source:
    """`open_root` and `open_archive` give the sources of a catalogue and of an archive in the listing."""
    await listing.begin()
    number = version_number(listing)
    may_have_catalogue = glob is None and not (number and number == version.before)
    if may_have_catalogue and (document := await catalogue_in(listing, reader)) is not None:
        if selection.open_archives:
            raise UsageError(
                f"{listing.where} has a catalogue, which says what its files are: leave --open-archives out"
            )
        found = open_root(document, listing.where)
        found.name = listing.where
        return found
    if not selection.open_archives:
        version.now, version.pinned = number, listing.pinned
        return FilesSource(listing, selection, glob)
    from .open_archives import OpenedArchives

    return OpenedArchives(listing, selection, open_archive, workspace, glob)


async def catalogue_in(listing: FileListing, reader: RawReader) -> Document | None:
    """The catalog.json or collection.json at the top of a listing that has begun, if it is STAC.

    It is asked for, not looked for in the listing: a bucket may let everybody read its objects and nobody
    list them. Raises `CatalogError` where it cannot be told now.
    """
    for name in (CATALOG_FILE, COLLECTION_FILE):
        url = listing.url_of(listing.prefix + name)
        if not url:
            continue
        try:
            document = await reader.read_unless_data(Request(url))
        except Transient as error:
            raise unreadable(error, url) from error
        except TransferError:
            continue
        if stac.kind_of(document.body) in _CATALOGUES:
            return document
    return None
