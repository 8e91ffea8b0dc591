"""One level of a catalogue, as `ls` shows it: datasets, collections or items."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ..core.errors import TransferError, UsageError
from ..core.model import Collection, Entry, Flaw, Item, ListingRemarks
from ..core.options import Selection
from ..core.ports import Reader
from .access import unreadable, user_origins
from .api.source import ApiSource
from .files.archives.workspace import Workspace
from .items.streams import RawReader
from .location import SourceKind, SourceLocation
from .mlhub.datasets import Datasets, api_root
from .recognise import source_at
from .static.source import StaticSource

_ABOUT_ITEMS = ("bbox", "intersects", "datetime", "query", "filter", "classes", "subset", "max_items")


@dataclass(frozen=True, slots=True)
class Branch:
    """A dataset or a collection: its id leads one level down. Both as the catalogue writes them."""

    id: object
    title: object


@dataclass(frozen=True, slots=True)
class MovedBranch:
    """A dataset of the closed MLHub: the place of its data, "" if it is not known, and its size in bytes."""

    id: str
    title: str | None
    address: str
    size: int | None


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """Which datasets of an MLHub: those with all tags that match all phrases."""

    tags: tuple[str, ...] = ()
    text: tuple[str, ...] = ()


ALL_DATASETS = DatasetFilter()
LevelEntry = Branch | MovedBranch | Item | Flaw | ListingRemarks
"""Remarks: sentences about the level, for people."""
EmitLevel = Callable[[Sequence[LevelEntry]], Awaitable[None]]


async def browse(
    location: SourceLocation,
    reader: RawReader,
    selection: Selection,
    emit: EmitLevel,
    allow_origins: Sequence[str] = (),
    workspace: Workspace | None = None,
    datasets: DatasetFilter = ALL_DATASETS,
) -> None:
    """Emit what is one level below the selection. Raises as `recognise` and `Source.list` do.

    1. A selection of items: these items.
    2. MLHub: its datasets, or the collections of the dataset that is named; where it knows no datasets,
       all of its collections. After its end: the datasets that are recorded.
    3. An API: its collections.
    4. A static catalogue: its collections, unless there is but one; then the items of that one.
    5. A list of items: the items.
    """
    if location.kind is SourceKind.MLHUB_RECORD:
        await emit(_recorded(datasets))
        return
    listed = location.selection_there(selection)
    is_mlhub = location.kind is SourceKind.MLHUB or (listed.dataset and location.folder is None)
    if datasets != ALL_DATASETS and (not is_mlhub or listed.dataset or selection.collections):
        raise UsageError("--tags and --text choose among all datasets of an MLHub: leave --dataset, -c out")
    if is_mlhub and not selection.collections:
        async for branch in _mlhub_branches(reader, location.url, selection, datasets):
            await emit([branch])
        return
    source = await source_at(location, reader, listed, user_origins(allow_origins), workspace)
    if location.remark:
        await emit([ListingRemarks(lines=(location.remark,))])
    if selection.subset is not None:
        from .linked.subsets import SubsetSource

        source = SubsetSource(source, reader, selection)
    if _asks_for_items(selection):
        await source.list(_ItemsOnly(emit).emit)
    elif selection.open_archives and location.kind is SourceKind.FILES:
        several = _BranchesOrItems(emit)
        await source.list(several.emit)
        await several.end()
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


def _recorded(datasets: DatasetFilter) -> Sequence[LevelEntry]:
    """The datasets of the record, after a remark that says what it is."""
    from .mlhub.record import the_record

    record = the_record()
    found = record.matching(datasets.tags, datasets.text)
    rows = [
        MovedBranch(one.id, one.title, one.places[0].address if one.places else "", one.size) for one in found
    ]
    return [ListingRemarks(lines=(record.caveat,)), *rows]


async def _mlhub_branches(
    reader: Reader, url: str, selection: Selection, wanted: DatasetFilter
) -> AsyncIterator[Branch]:
    root, named = api_root(url), selection.dataset
    datasets = Datasets(reader, root)
    try:
        for one in await (
            datasets.collections_of(named) if named else datasets.all(wanted.tags, wanted.text)
        ):
            types = one.get("types")
            kinds = ",".join(map(str, types)) if isinstance(types, list) else ""
            yield Branch(one.get("id"), one.get("title") or kinds)
    except TransferError as error:
        if not error.absent or wanted != ALL_DATASETS:
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


class _BranchesOrItems:
    """Passes on the collections, or the items if there is but one, where items come before the last
    collection: items are held until then."""

    def __init__(self, emit: EmitLevel) -> None:
        self._emit = emit
        self._branches: dict[object, Branch] = {}
        self._items: list[Item] = []

    async def emit(self, entries: Sequence[Entry]) -> None:
        await self._emit([one for one in entries if isinstance(one, Flaw)])
        found = [_branch(one) for one in entries if isinstance(one, Collection)]
        self._branches.update((one.id, one) for one in found)
        self._items += [one for one in entries if isinstance(one, Item)]
        if len(self._branches) > 1:
            self._items = []

    async def end(self) -> None:
        await self._emit([*self._branches.values()] if len(self._branches) > 1 else self._items)


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
