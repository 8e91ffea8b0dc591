"""Chooses the items of one subset of a data set (`--subset`): for training, validation or tests.

The first of these that there is decides: a property of the item; documents that list its items, one for each
subset; roles of its assets; the id of its collection.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as Some
from typing import Any

from ... import stac
from ...core import urls
from ...core.errors import CatalogDefect, CatalogError, TransferError, Transient
from ...core.model import Asset, Collection, Entry, Item, JsonObject, ListingRemarks, Request
from ...core.options import Selection
from ...core.ports import Emit, Source
from ..items.item_limit import ItemQuota
from ..items.streams import RawReader

_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "validate", "validating", "val"),
    "test": ("test", "testing"),
}
_SUBSET_OF = {word: subset for subset, words in _WORDS.items() for word in words}
PROPERTIES = ("ml-aoi:split", "split")
"""Of an item; the first is that of the ML AOI extension of STAC, with the values train, test, validate."""
DOCUMENTS = {f"{subset}_split": subset for subset in _WORDS}
"""Keys of the assets that list the items of each subset, as MLHub had them (in `_common` of its archives)."""
_ROLE = "labels-"
"""The label extension has the roles labels-training and labels-testing."""
_tokens = re.compile(r"[^\s,;\"'\[\]{}]+").findall


class _Enough(Exception):
    """As many items as were asked for have been emitted."""


class SubsetSource:
    """The items of the subset of a selection, and no more of these than its `max_items`.

    A remark tells of how many items nothing says a subset. A document that lists the items is read once for
    each collection. One that cannot be read ends the listing: `CatalogError`, or `CatalogDefect` where it is
    wrong for good.
    """

    def __init__(self, inner: Source, reader: RawReader, selection: Selection) -> None:
        self.name = inner.name
        self._inner = inner
        self._reader = reader
        self._subset = selection.subset or ""
        self._selection = selection
        self._documents: dict[str, Mapping[str, Asset]] = {}
        """the documents that a collection has itself, by its id"""
        self._listed: dict[tuple[str, str], Some[str]] = {}
        """what a document lists, by collection and key"""
        self._reading = asyncio.Lock()
        self._counts = {"selected": 0, "left_out": 0, "undecided": 0}
        self._remarks = ListingRemarks()

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        quota = ItemQuota(self._selection)

        async def emit_chosen(entries: Sequence[Entry]) -> None:
            chosen: list[Entry] = []
            for one in entries:
                if not isinstance(one, Item):
                    chosen.append(self._noted(one))
                elif not quota.used_up and await self._is_chosen(one):
                    chosen += quota.admit([one])
            await emit(quota.admit(chosen))
            if quota.used_up:
                raise _Enough

        try:
            await self._inner.list(emit_chosen, only)
        except _Enough:
            pass
        finally:
            await emit([self._with_counts()])

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    def _noted(self, entry: Entry) -> Entry:
        if isinstance(entry, Collection):
            self._documents[entry.id] = _documents_among(stac.collection_assets(entry))
        elif isinstance(entry, ListingRemarks):
            self._remarks = entry
            return self._with_counts()
        return entry

    def _with_counts(self) -> ListingRemarks:
        """The remarks of the listing within, with what became of its items."""
        inner, lines = self._remarks, self._remarks.lines
        if undecided := self._counts["undecided"]:
            what = f"of {undecided} items nothing says in which subset they are: they were left out"
            lines = (*lines, f"--subset {self._subset}: {what}")
        return ListingRemarks({**inner.receipt, "subset": {**self._counts}}, lines, inner.decided)

    async def _is_chosen(self, item: Item) -> bool:
        found = await self._subsets_of(item)
        outcome = "undecided" if found is None else "selected" if self._subset in found else "left_out"
        self._counts[outcome] += 1
        return outcome == "selected"

    async def _subsets_of(self, item: Item) -> Some[str] | None:
        """The subsets that an item is in, as far as the wanted one needs it; None if nothing says that."""
        if declared := _declared(item.body):
            return declared
        own = self._documents.get(item.collection) or _documents_among(stac.assets_of(item))
        if own:
            listed = self._subset in own and item.id in await self._ids_in(own[self._subset])
            return {self._subset} if listed else frozenset()
        return _by_roles(item.body) or _in_words(item.collection) or None

    async def _ids_in(self, document: Asset) -> Some[str]:
        where = (document.collection, document.key)
        async with self._reading:
            if where not in self._listed:
                self._listed[where] = await self._read(document)
        return self._listed[where]

    async def _read(self, document: Asset) -> Some[str]:
        try:
            body, _ = await self._reader.read_bytes(Request(document.href))
        except TransferError as error:
            name = f"{urls.term_safe(document.collection)}/{urls.term_safe(document.key)}"
            message = f"{name}, which lists the items of --subset {self._subset}: {error.message}"
            raise (CatalogError if isinstance(error, Transient) else CatalogDefect)(message) from error
        return frozenset(_names_in(body.decode("utf-8", "replace")))


def _documents_among(assets: Sequence[Asset]) -> dict[str, Asset]:
    return {DOCUMENTS[one.key]: one for one in assets if one.key in DOCUMENTS}


def _names_in(text: str) -> Iterator[str]:
    """The words of a document in CSV, JSON or plain lines; of paths also each part, without its suffix."""
    for token in _tokens(text):
        yield token
        if "/" in token:
            for part in token.split("/"):
                yield from (part, part.partition(".")[0])


def _declared(body: JsonObject) -> Some[str]:
    properties = body.get("properties")
    known = properties if isinstance(properties, dict) else {}
    for name in PROPERTIES:
        value = known.get(name)
        if isinstance(value, str) and (subset := _SUBSET_OF.get(value.strip().casefold())):
            return {subset}
    return frozenset()


def _by_roles(body: JsonObject) -> Some[str]:
    assets = body.get("assets")
    listed = (one.get("roles") for one in _objects(assets.values() if isinstance(assets, dict) else ()))
    roles = (role for one in listed if isinstance(one, list) for role in one if isinstance(role, str))
    words = (role.removeprefix(_ROLE) for role in roles if role.startswith(_ROLE))
    return {_SUBSET_OF[word] for word in words if word in _SUBSET_OF}


def _objects(given: Any) -> Iterator[JsonObject]:
    return (one for one in given if isinstance(one, dict))


def _in_words(collection: str) -> Some[str]:
    """By one word of an id such as `nasa_tropical_storm_competition_train_labels`."""
    words = re.split(r"[^a-z0-9]+", collection.casefold())
    found = {_SUBSET_OF[word] for word in words if word in _SUBSET_OF}
    return found if len(found) == 1 else frozenset()
