"""Finds the STAC catalogue that files bring along: then they are read by it, and not as a listing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ... import stac
from ...core.errors import TransferError, Transient
from ...core.model import CATALOG_FILE, COLLECTION_FILE, Document, Request
from ...stac import DocumentKind
from ..access import unreadable
from ..items.streams import RawReader
from .listing import FileListing

if TYPE_CHECKING:
    from ...core.model import Head
    from ...core.ports import Members, Sink
    from ...http.resilience.retry import Retry

_CATALOGUES = (DocumentKind.CATALOG, DocumentKind.COLLECTION)


class AskedUrls:
    """A reader whose documents have the URLs that they were asked by, not those of redirects.

    A hub redirects to URLs that expire and have no folders: relative hrefs mean files beside the asked one.
    """

    def __init__(self, reader: RawReader) -> None:
        self._reader = reader
        self.retry: Retry = reader.retry

    async def read(self, request: Request) -> Document:
        return replace(await self._reader.read(request), url=request.url)

    async def read_unless_data(self, request: Request) -> Document:
        return replace(await self._reader.read_unless_data(request), url=request.url)

    async def read_bytes(self, request: Request) -> tuple[bytes, str]:
        return (await self._reader.read_bytes(request))[0], request.url

    async def get(self, request: Request, sink: Sink) -> Head:
        return await self._reader.get(request, sink)

    def mount(self, prefix: str, members: Members) -> None:
        self._reader.mount(prefix, members)


async def catalogue_in(listing: FileListing, reader: RawReader) -> Document | None:
    """The catalog.json or collection.json at the top of a listing, if there is one and it is STAC.

    It is asked for, not looked for in the listing: a bucket may let everybody read its objects and nobody
    list them. Raises `CatalogError` where it cannot be told now.
    """
    await listing.begin()
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
