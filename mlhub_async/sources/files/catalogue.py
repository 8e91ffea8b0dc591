"""Finds the STAC catalogue that files bring along: then they are read by it, and not as a listing."""

from __future__ import annotations

from ... import stac
from ...core.errors import TransferError, Transient
from ...core.model import CATALOG_FILE, COLLECTION_FILE, Document, Request
from ...stac import DocumentKind
from ..access import unreadable
from ..items.streams import RawReader
from .listing import FileListing

_CATALOGUES = (DocumentKind.CATALOG, DocumentKind.COLLECTION)


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
