"""The collections of a STAC API: all of them, or one by its id, with suggestions for a misspelt id."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from collections.abc import Collection as Some
from typing import Any

from ... import stac
from ...core import urls
from ...core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError, Transient
from ...core.model import Collection, Flaw, Request
from ...core.options import Selection
from ...core.ports import Reader
from ...stac import DocumentKind
from ..access import DAMAGED, ENOUGH_IDS, unknown_id
from .endpoints import Endpoints


class CollectionIndex:
    """The collections of one API."""

    def __init__(self, reader: Reader, endpoints: Endpoints, allow_origins: Some[str] = frozenset()) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._allow = allow_origins
        self.known: dict[str, Collection] = {}
        """those that a list of all of them has given, where one was read to look for globs"""

    async def all(self) -> AsyncIterator[Collection | Flaw]:
        """Every collection, over all pages of /collections.

        Raises as `stac.pages` does, and `CatalogError` at the end if they are fewer than announced.
        """
        await self._choose_data_link()
        first = Request(self._endpoints.collections)
        pages = stac.pages(
            self._reader, first, member="collections", allow_origins=self._allow, must_reach_total=True
        )
        async for page in pages:
            for record in page.records:
                yield stac.collection_of(record, page.url)

    async def one(self, name: str) -> Collection:
        """The collection with this id. Raises `SourceError`, with the nearest ids, if there is none.

        Raises `CatalogError` if the API cannot answer now, `CatalogDefect` if its answer is broken for good.
        """
        if name in self.known:
            return self.known[name]
        await self._choose_data_link()
        url = self._endpoints.collection(name)
        try:
            document = await self._reader.read(Request(url))
        except Transient as error:
            raise CatalogError(f"collection {urls.term_safe(name)}: {error.message}") from error
        except TransferError as error:
            if error.denied:
                raise stac.access_error(url, error) from error
            if error.kind in DAMAGED:
                raise CatalogDefect(f"collection {urls.term_safe(name)}: {error.message}") from error
            ids = await self._ids()
            if not ids and await self._has_items(name):
                return Collection(name, {}, url)
            what = f"{urls.redacted(self._endpoints.root)} has no collection"
            raise unknown_id(what, name, ids, error.message) from error
        return _described(document.body, document.url)

    async def having(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the names that are collections here, each with the collection's own id.

        Raises as `one` does, but not for a name that is none.
        """
        found: dict[str, str] = {}
        if stac.has_globs(names):
            await self._remember_all()
        for name in stac.CollectionChoice(names).expanded(self.known):
            try:
                found[name] = (await self.one(name)).id
            except SourceError as error:
                if error.kind != "not-found":
                    raise
        return found

    async def matching(self, names: Sequence[str]) -> list[str]:
        """The names, with the ids that it matches in place of each glob.

        Raises `SourceError` for a glob that matches none, and as `all` does.
        """
        choice = stac.CollectionChoice(names)
        if stac.has_globs(names):
            await self._remember_all()
        for name in choice.unmatched(self.known):
            if stac.has_globs([name]):
                what = f"{urls.redacted(self._endpoints.root)} has no collection that matches"
                raise unknown_id(what, name, [*self.known])
        return choice.expanded(self.known)

    async def _remember_all(self) -> None:
        """A record that is no collection might be one that a glob matches: it raises `CatalogDefect`."""
        async for one in self.all():
            if isinstance(one, Flaw):
                raise CatalogDefect(f"the list of collections: {one.error.message}", kind=one.error.kind)
            self.known[one.id] = one

    async def _choose_data_link(self) -> None:
        """Of several data links that declare no other format: the first that leads to collections."""
        candidates, self._endpoints.data_urls = list(dict.fromkeys(self._endpoints.data_urls)), []
        for url in candidates if len(candidates) > 1 else ():
            with contextlib.suppress(TransferError):
                document = await self._reader.read(Request(url))
                if stac.kind_of(document.body) is DocumentKind.COLLECTIONS:
                    self._endpoints.collections = url
                    return

    async def _has_items(self, name: str) -> bool:
        """Some servers list the items of a collection that they do not describe."""
        request = self._endpoints.items(name, Selection())
        try:
            page = await self._reader.read(request)
        except TransferError as error:
            if error.denied:
                raise stac.access_error(request.url, error) from error
            return False
        return isinstance(page.body, dict) and bool(page.body.get("features"))

    async def _ids(self) -> list[str]:
        """Ids to choose suggestions from, as far as the API lists its collections."""
        ids: list[str] = []
        try:
            async for one in self.all():
                ids += [one.id] if isinstance(one, Collection) else []
                if len(ids) >= ENOUGH_IDS:
                    break
        except MlhubError:
            return ids
        return ids


def _described(body: Any, url: str) -> Collection:
    """The collection in a document. Raises `SourceError` for anything else, such as an error under 200."""
    found = stac.collection_of(body, url)
    if isinstance(found, Flaw):
        raise SourceError(f"{found.error.message}: it is no STAC collection", kind="not-stac")
    if stac.kind_of(body) not in (DocumentKind.COLLECTION, DocumentKind.CATALOG):
        what = stac.looks_like(body)
        raise SourceError(f"{urls.redacted(url)} is no STAC collection, but {what}", kind="not-stac")
    return found
