"""The names of the collections of an API: the ids of their documents, and aliases for these."""

from __future__ import annotations

from collections.abc import Iterable

from ...core import urls
from ...core.errors import CatalogError, TransferError, Transient
from ...core.model import NO_COLLECTION, Collection, Item, Request
from ...core.ports import Reader
from .endpoints import Endpoints

MAX_PROBED = 100
"""Collections that were not asked for, of which an item is looked up in those that were."""


class CollectionNames:
    """Servers answer for an alias, or for an id in other letters, with the collection's own id.

    Some know it by the alias only: their documents have a wrong id. So both are asked for, and what comes
    keeps the id that its own document has.
    """

    def __init__(self, reader: Reader, endpoints: Endpoints) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._asked: dict[str, list[str]] = {}
        self._served_as: dict[str, str] = {}
        self._others: dict[str, bool] = {}

    def add(self, asked: str, collection: Collection) -> bool:
        """Note the collection that a name stands for. False if it was known by another name."""
        new = collection.id not in self._asked
        names = self._asked.setdefault(collection.id, [])
        if asked != collection.id and asked not in names:
            names.append(asked)
        return new

    def of(self, collection: str) -> list[str]:
        """The names by which to ask for a collection, given its own id, which comes first."""
        return [collection, *self._asked.get(collection, ())]

    def all(self, asked: Iterable[str]) -> tuple[str, ...]:
        """The names that were asked for, and the ids of their collections."""
        ids = {name: one for one, names in self._asked.items() for name in names}
        return tuple(dict.fromkeys(n for one in asked for n in (one, ids.get(one, one))))

    def single(self, asked: Iterable[str]) -> str:
        """The id of the collection that was asked for, if it was one; else ""."""
        ids = {name: one for one, names in self._asked.items() for name in names}
        found = {ids.get(one, one) for one in asked}
        return found.pop() if len(found) == 1 else ""

    def note_served(self, collection: str, name: str) -> None:
        """The items of a collection, given by its own id, are served under this name."""
        if collection != name:
            self._served_as[collection] = name

    def document_url(self, collection: str, item: str) -> str:
        """The URL of an item, or where the item is "" of its collection."""
        return self._endpoints.document(self._served_as.get(collection, collection), item)

    async def admits(self, item: Item, chosen: frozenset[str]) -> bool:
        """Whether an item that a search brought is of one of the chosen collections.

        It may name none. One that names another is looked up in those: the server decides whether that is an
        alias, or its search has ignored what was asked for. Raises `CatalogError` if it cannot tell now.
        """
        name = item.collection
        if not chosen or name in chosen or name == NO_COLLECTION:
            return True
        if (known := self._others.get(name)) is None:
            if len(self._others) >= MAX_PROBED:
                return False
            known = self._others[name] = await self._is_in(item, chosen)
        return known

    async def _is_in(self, item: Item, chosen: Iterable[str]) -> bool:
        for name in sorted(chosen):
            url = self._endpoints.item(name, item.id)
            try:
                found = (await self._reader.read(Request(url))).body
            except Transient as error:
                raise CatalogError(f"{urls.redacted(url)} could not be read: {error.message}") from error
            except TransferError:
                continue
            if isinstance(found, dict) and str(found.get("id")) == item.id:
                self.note_served(item.collection, name)
                return True
        return False
