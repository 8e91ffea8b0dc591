"""Hides how an API's collections are found, and what the user may have meant by one that is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Collection as Some
from difflib import get_close_matches

from ... import stac
from ...core import urls
from ...core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient
from ...core.model import Collection, Flaw, Request
from ...core.options import Selection
from ...core.ports import Reader
from ..item_limit import Names
from .endpoints import Endpoints

ENOUGH_TO_GUESS = 10_000


class CollectionIndex:
    """The collections of one API."""

    def __init__(self, reader: Reader, places: Endpoints, allow_origins: Some[str] = frozenset()) -> None:
        self._reader = reader
        self._places = places
        self._allow = allow_origins

    async def all(self) -> AsyncIterator[Collection | Flaw]:
        """Every collection, over all pages of /collections."""
        request = Request(self._places.collections)
        async for page in stac.pages(self._reader, request, member="collections", allow_origins=self._allow):
            for record in page.records:
                yield stac.collection_of(record, page.url)

    async def one(self, name: str) -> Collection:
        """Raises `SourceError`, with the nearest ids, if there is none of this name."""
        url = self._places.collection(name)
        try:
            document = await self._reader.read(Request(url))
        except Transient as error:
            raise CatalogError(f"collection {urls.term_safe(name)}: {error.message}") from error
        except TransferError as error:
            if error.status in (401, 403):
                raise stac.refused(url, error) from error
            ids = await self._ids()
            if not ids and await self._has_items(name):
                return Collection(name, {}, url)
            what = f"{urls.redacted(self._places.root)} has no collection"
            raise unknown_id(what, name, ids, error.message) from error
        found = stac.collection_of(document.body, document.url)
        if isinstance(found, Flaw):
            raise SourceError(f"{found.error.message}: it is no STAC collection", kind="not-stac")
        return found

    async def _has_items(self, name: str) -> bool:
        """Some servers list the items of a collection that they do not describe."""
        request = self._places.items(name, Selection())
        try:
            page = await self._reader.read(request)
        except TransferError as error:
            if error.status in (401, 403):
                raise stac.refused(request.url, error) from error
            return False
        return isinstance(page.body, dict) and bool(page.body.get("features"))

    async def _ids(self) -> Names:
        """As many ids as it takes to guess which one was meant."""
        ids: Names = []
        try:
            async for one in self.all():
                ids += [one.id] if isinstance(one, Collection) else []
                if len(ids) >= ENOUGH_TO_GUESS:
                    break
        except MlhubError:
            return []
        return ids


def unknown_id(what: str, name: str, ids: Names, why: str = "") -> SourceError:
    """`name` is none of `ids`; the message names those it resembles, or the nearest to it all the same."""
    folded = {one.casefold(): one for one in ids}

    def nearest(count: int, cutoff: float) -> str:
        found = get_close_matches(name.casefold(), folded, n=count, cutoff=cutoff)
        return ", ".join(urls.term_safe(folded[one]) for one in found)

    said = f" ({why})" if why else ""
    if close := nearest(5, 0.5):
        said = f"; did you mean {close}?"
    elif ids:
        said = f"; the nearest are {nearest(3, 0)}; mlhub-async ls lists what there is"
    return SourceError(f"{what} {urls.term_safe(name)!r}{said}", kind="not-found")
