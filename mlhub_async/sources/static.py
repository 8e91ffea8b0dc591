"""Hides a static catalogue: a tree (or a tangle) of JSON files, walked level by level."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Collection as Some
from dataclasses import dataclass
from typing import Any

from .. import stac
from ..core import urls
from ..core.concurrency import fan_out
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError
from ..core.model import (
    Asset,
    Collection,
    CollectionListed,
    Document,
    Entry,
    Flaw,
    Item,
    JsonObject,
    Page,
    Request,
)
from ..core.options import Selection
from ..core.ports import Emit, Reader
from .access import check_inside
from .api.collections import unknown_id
from .item_limit import Entries, ItemQuota

READERS = 16
DEEPEST = 64
REMEMBERED = 100_000
"""Items that are known again where another catalogue links to them too; of more, each link is a request."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One link to follow: where to, as what, and the collection it was met in."""

    url: str
    rel: str
    collection: str


Steps = list[_Step]


class StaticSource:
    """A Catalog or Collection document that was read from `url`, and all that it links to.

    Hrefs are relative to where a document was fetched from, whatever its `self` link says.
    """

    def __init__(
        self,
        reader: Reader,
        root: JsonObject,
        url: str,
        selection: Selection,
        allow_origins: Some[str] = frozenset(),
    ) -> None:
        self.name = urls.redacted(url)
        self._reader = reader
        self._root = Document(root, url)
        self._selection = selection
        self._allow = allow_origins
        self._admits = stac.admits(selection)
        self._begin()

    def _begin(self) -> None:
        self._tally = ItemQuota(self._selection)
        self._met: set[str] = set()
        self._seen = {urls.canonical(self._root.url)}
        self._next: Steps = []
        self._leaves: set[int] = set()

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """Files announce no totals that would make another crawl worth while: no page is repeatable."""
        self._begin()
        await self._visit(self._root, "", emit)
        for _ in range(DEEPEST):
            level, self._next = self._next, []
            await self._crawl(level, emit)
        if self._next and not self._tally.used_up:
            raise CatalogError(f"{self.name} is more than {DEEPEST} levels deep", kind="too-deep")
        if not self._tally.used_up:
            names = self._selection.collections or (*self._met, stac.NO_COLLECTION)
            await emit(
                [CollectionListed(name) for name in names if name in self._met or name == stac.NO_COLLECTION]
            )
        if missing := [*self._unmet(), *self._tally.missing(self.name)]:
            await emit(missing)

    async def refresh(self, asset: Asset) -> Asset | None:
        """There is no way from an asset back to its file; static hrefs do not expire."""
        return None

    async def _crawl(self, level: Steps, emit: Emit) -> None:
        async def produce(put: Callable[[_Step], Awaitable[None]]) -> None:
            for step in level:
                if self._tally.used_up:
                    return
                await put(step)

        async def work(step: _Step) -> None:
            if step.rel == "items":
                await self._pages(step, emit)
            else:
                await self._read(step, emit)

        await fan_out(produce, work, READERS)

    async def _read(self, step: _Step, emit: Emit) -> None:
        try:
            document = await self._reader.read(Request(step.url))
        except TransferError as error:
            await emit([Flaw(urls.redacted(step.url), error)])
        else:
            await self._visit(document, step.collection, emit)

    async def _pages(self, step: _Step, emit: Emit) -> None:
        """`rel=items`: the collection's items are one or more pages, as those of an API's collection are."""
        try:
            async for page in stac.pages(self._reader, Request(step.url), allow_origins=self._allow):
                told = Page(page.matched, step.collection, len(page.records), step.collection)
                found = stac.items_of(page.records, page.url, _named(step.collection))
                await self._items([told, *found], emit)
                if self._tally.used_up:
                    return
        except SourceError as error:
            raise CatalogError(error.message, kind=error.kind) from error

    async def _visit(self, document: Document, collection: str, emit: Emit) -> None:
        """One document, as what it says it is: links are often labelled wrongly."""
        body, url = document.body, document.url
        if self._tally.used_up:
            return
        if _is_branch(body):
            await emit(self._branch(body, url, collection))
        else:
            await self._items([stac.item_of(body, url, _named(collection))], emit)

    def _branch(self, body: JsonObject, url: str, collection: str) -> Entries:
        entries: Entries = [Page()]
        if _is_collection(body):
            found = stac.collection_of(body, url)
            if isinstance(found, Collection):
                collection = found.id
                self._met.add(collection)
            if self._wanted(collection):
                entries.append(found)
        return entries + self._follow(body, url, collection)

    def _follow(self, body: JsonObject, url: str, collection: str) -> Entries:
        """Notes what to read next; the links that may not be followed are returned as flaws."""
        flaws: Entries = []
        for rel in ("child", "item", "items") if self._wanted(collection) else ("child",):
            for link in stac.links_of(body, rel):
                try:
                    target = self._target(link["href"], url)
                except MlhubError as error:
                    flaws.append(Flaw(urls.redacted(url), error))
                    continue
                if self._is_new(rel, target, collection):
                    self._next.append(_Step(target, rel, collection))
        return flaws

    def _target(self, href: str, url: str) -> str:
        try:
            target = stac.followed(href, url, self._allow)
        except CatalogError as error:  # the rest is listed, and another run would refuse it again
            raise TransferError(error.message, kind=error.kind) from error
        if target.startswith("file:"):
            check_inside(target, self._root.url)
        return target

    def _is_new(self, rel: str, target: str, collection: str) -> bool:
        """Items are leaves: only what can lead in circles is remembered for good."""
        if rel == "item":
            leaf = hash((target.partition("#")[0], collection))  # which an item need not name itself
            if leaf in self._leaves:
                return False
            if len(self._leaves) < REMEMBERED:
                self._leaves.add(leaf)
            return True
        place = urls.canonical(target)
        new = place not in self._seen
        self._seen.add(place)
        return new

    async def _items(self, found: Iterable[Entry], emit: Emit) -> None:
        chosen = [one for one in found if not isinstance(one, Item) or self._admits(one)]
        if kept := self._tally.cut(chosen):
            await emit(kept)

    def _unmet(self) -> Entries:
        """Chosen collections that the catalogue does not have: an error if there is nothing else."""
        chosen = self._selection.collections
        missing = [name for name in chosen if name not in self._met] if not self._tally.used_up else []
        errors = [unknown_id(f"{self.name} has no collection", name, sorted(self._met)) for name in missing]
        if errors and len(errors) == len(chosen):
            raise errors[0]
        return [Flaw(self.name, error) for error in errors]

    def _wanted(self, collection: str) -> bool:
        chosen = self._selection.collections
        return not chosen or not collection or collection in chosen


def _named(collection: str) -> str:
    return collection or stac.NO_COLLECTION


def _is_branch(body: Any) -> bool:
    if not isinstance(body, dict) or body.get("type") == "Feature":
        return False
    return body.get("type") == "Catalog" or _is_collection(body) or "geometry" not in body


def _is_collection(body: JsonObject) -> bool:
    """Before STAC 1.0 collections had no type."""
    return body.get("type") == "Collection" or ("extent" in body and "license" in body)
