"""One level of a catalogue, as `ls` shows it: datasets, collections or items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..core.errors import TransferError
from ..core.model import Collection, Entry, Flaw, Item
from ..core.options import Selection
from ..core.ports import Reader
from .access import unreadable
from .api.source import ApiSource
from .files.archives.workspace import Workspace
from .items.streams import RawReader
from .mlhub import Datasets, api_root
from .recognise import SourceKind, SourceLocation, source_at, user_origins
from .static.source import StaticSource

_ABOUT_ITEMS = ("bbox", "intersects", "datetime", "query", "filter", "classes", "max_items")


@dataclass(frozen=True, slots=True)
class Branch:
    """A dataset or a collection: its id leads one level down. Both as the catalogue writes them."""

    id: object
    title: object


EmitLevel = Callable[[Sequence[Branch | Item | Flaw]], Awaitable[None]]


async def browse(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    emit: EmitLevel,
    allow_origins: Sequence[str] = (),
    workspace: Workspace | None = None,
) -> None:
    """Emit what is one level below the selection. Raises as `recognise` and `Source.list` do.

    1. A selection of items: these items.
    2. MLHub: its datasets, or the collections of the dataset that is named; where it knows no datasets,
       all of its collections.
    3. An API: its collections.
    4. A static catalogue: its collections, unless there is but one; then the items of that one.
    5. A list of items: the items.
    """
    is_mlhub = location.kind is SourceKind.MLHUB or (selection.dataset and location.folder is None)
    if is_mlhub and not selection.collections:
        async for branch in _mlhub_branches(reader, location.url, selection):
            await emit([branch])
        return
    source = await source_at(location, reader, selection, user_origins(allow_origins), workspace)
    if _asks_for_items(selection):
        await source.list(_ItemsOnly(emit).emit)
    elif isinstance(source, ApiSource):
        async for one in source.collections.all():
            await emit([_branch(one) if isinstance(one, Collection) else one])
    elif isinstance(source, StaticSource) or location.kind is SourceKind.ARCHIVE:
        with suppress(_LevelComplete):
            await source.list(_Branches(emit).emit)
    else:
        await source.list(_ItemsOnly(emit).emit)


def _asks_for_items(selection: Selection) -> bool:
    asked = (getattr(selection, name) for name in _ABOUT_ITEMS)
    return bool(selection.collections or selection.ids or any(one is not None and one != () for one in asked))


async def _mlhub_branches(reader: Reader, url: str, selection: Selection) -> AsyncIterator[Branch]:
    root, named = api_root(url), selection.dataset
    datasets = Datasets(reader, root)
    try:
        for one in await (datasets.collections_of(named) if named else datasets.all()):
            types = one.get("types")
            kinds = ",".join(map(str, types)) if isinstance(types, list) else ""
            yield Branch(one.get("id"), one.get("title") or kinds)
    except TransferError as error:
        if not error.absent:
            raise unreadable(error, f"{root}datasets") from error
        async for found in ApiSource(reader, root, {}, selection).collections.all():
            if isinstance(found, Collection):
                yield _branch(found)


def _branch(collection: Collection) -> Branch:
    return Branch(collection.id, collection.body.get("title"))


class _ItemsOnly:
    """Passes on items and flaws."""

    def __init__(self, emit: EmitLevel) -> None:
        self._emit = emit

    async def emit(self, entries: Sequence[Entry]) -> None:
        await self._emit([one for one in entries if isinstance(one, Item | Flaw)])


class _LevelComplete(Exception):
    """Everything of the level was emitted; the listing need not go on."""


class _Branches:
    """Passes on collections, once there are two of them; until then, items."""

    def __init__(self, emit: EmitLevel) -> None:
        self._emit = emit
        self._first: Branch | None = None
        self._several = False

    async def emit(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Collection):
                await self._collection(_branch(entry))
            elif isinstance(entry, Item) and self._several:
                raise _LevelComplete
            elif isinstance(entry, Item | Flaw):
                await self._emit([entry])

    async def _collection(self, branch: Branch) -> None:
        if self._first is None:
            self._first = branch
            return
        await self._emit([branch] if self._several else [self._first, branch])
        self._several = True
