"""`FilesSource`: a listing of files as a source. Items are emitted as soon as they are complete."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from ... import stac
from ...core.concurrency import gather_pair
from ...core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, UsageError
from ...core.model import Asset, Collection, CollectionListed, ListingRemarks, Page
from ...core.options import Selection
from ...core.ports import Emit
from ..items.documents import Batches, ItemsSource
from .listing import FileEntry, FileListing
from .paths import KeyGlob
from .pseudo_items.documents import collection_of, item_of
from .pseudo_items.grouping import FileGroup, Grouping

if TYPE_CHECKING:
    from ..api.split import SplitReport

_key_of, _size_of = attrgetter("key"), attrgetter("size")
_OF_PLACE_AND_TIME = ("bbox", "intersects", "datetime", "query", "filter", "classes")


_Sliced = list[FileGroup] | Exception | None
"""Groups of files; at the end None, or why there are no more."""


class FilesSource:
    """Lists files, groups them, and emits a collection and an item per group.

    `glob` chooses among the files. `is_rest`: other files of the place are read elsewhere, and where there
    are no others it is nothing. Raises `UsageError` for a selection by what files do not have.
    """

    reports_split = True

    def __init__(
        self,
        listing: FileListing,
        selection: Selection,
        glob: KeyGlob | None = None,
        *,
        is_rest: bool = False,
    ) -> None:
        refuse_place_and_time(selection, listing.where)
        self.name = listing.where
        self._listing = listing
        self._group_by = selection.group_by
        self._is_all = glob is None and selection.max_items is None
        self._glob = glob
        self._is_rest = is_rest
        self._admits = stac.CollectionChoice(selection.collections).admits
        self._items = ItemsSource(listing.where, self._batches, selection)
        self._emit: Emit | None = None
        self._has_collection = False
        self._split = selection.split
        self._sliced: Queue[_Sliced] | None = None
        """what the slices of a listing give, while it is read in such"""

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """There is one listing: to read it again is to read all of it."""
        self._emit, self._has_collection = emit, False
        if self._split == 1:
            await self._items.list(emit)
        else:
            await self._list_split(emit)
        if self._is_all and self._has_collection:
            await emit([CollectionListed(self._listing.collection)])

    async def _list_split(self, emit: Emit) -> None:
        """In slices beside each other, or as a whole where that is not possible, with a remark."""
        from ..api.split import SplitReport

        report = SplitReport()
        queue = self._sliced = Queue[_Sliced](self._split)
        await gather_pair(self._read_slices(queue, report), self._items.list(emit))
        await emit([report.remarks()])

    async def _read_slices(self, queue: Queue[_Sliced], report: SplitReport) -> None:
        from .stores.split_reading import CannotSplit, read_split

        end: _Sliced = None
        try:
            if not self._is_all:
                raise CannotSplit("a glob or --max-items takes a part of it")
            listing, begin = self._listing, partial(Grouping, self._group_by)
            report.add_split(
                self.name, await read_split(listing, self._split, begin, self._is_wanted, queue.put)
            )
        except CannotSplit as reason:
            report.add_whole(f"{self.name}: {reason}")
            end = reason
        except MlhubError as error:
            end = error
        await queue.put(end)

    async def _sliced_batches(self, queue: Queue[_Sliced]) -> Batches:
        """Raises `CannotSplit` before anything else."""
        while isinstance(found := await queue.get(), list):
            if not self._has_collection:
                await self._emit_collection()
            yield [self._item(group) for group in found], "", Page()
        if found is not None:
            raise found
        yield [], "", Page(is_last=True)

    async def refresh(self, asset: Asset) -> Asset | None:
        """The URLs of files do not expire."""
        return None

    async def _batches(self) -> Batches:
        if (queue := self._sliced) is not None:
            from .stores.split_reading import CannotSplit

            self._sliced = None
            try:
                async with aclosing(self._sliced_batches(queue)) as sliced:
                    async for batch in sliced:
                        yield batch
                return
            except CannotSplit:
                pass
        grouping, found = None, 0
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                files = page if self._wants_all(page) else list(filter(self._is_wanted, page))
                if grouping is None:
                    await self._emit_pinned()
                    grouping = Grouping(self._group_by, self._listing.prefix)
                if not self._has_collection and (files or not self._is_rest):
                    await self._emit_collection()
                found += len(files)
                yield [self._item(group) for group in grouping.add(files)], "", Page()
        if not found and not self._is_rest and (self._glob is not None or not self._listing.is_whole):
            raise SourceError(f"{self.name}: no file there: {self._nothing()}", kind="not-found")
        if grouping is not None:
            yield [self._item(group) for group in grouping.end()], "", Page(is_last=True)

    async def _emit_pinned(self) -> None:
        if self._emit is not None and self._listing.pinned:
            await self._emit([ListingRemarks(self._listing.pinned)])

    async def _emit_collection(self) -> None:
        self._has_collection = True
        if self._emit is not None and self._admits(self._listing.collection):
            body = collection_of(self._listing)
            await self._emit([Collection(self._listing.collection, body, "")])

    def _nothing(self) -> str:
        if self._glob is not None:
            return f"no name matches {self._glob.pattern}"
        return "check the name; it is a prefix of the names of files, and case counts"

    async def _pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        """The pages as they come; all of them, sorted, where the listing does not sort them itself."""
        files: list[FileEntry] = []
        broken: CatalogError | None = None
        async with aclosing(self._listing.pages()) as pages:
            try:
                async for page in pages:
                    if self._listing.is_sorted:
                        yield page
                    else:
                        files += page
            except CatalogError as error:
                broken = error
        if not self._listing.is_sorted:
            yield sorted(files, key=lambda file: file.key)
        if broken is not None:
            raise broken

    def _wants_all(self, page: Sequence[FileEntry]) -> bool:
        """Whether all files of a page are wanted, by what all of them have. Keys that begin alike come one
        after another: what the first and the last begin with, those between them do."""
        if self._glob is not None or not page or not (all(map(_key_of, page)) and all(map(_size_of, page))):
            return False
        prefix = self._listing.prefix
        return page[0].key.startswith(prefix) and page[-1].key.startswith(prefix)

    def _is_wanted(self, file: FileEntry) -> bool:
        if not file.key:
            raise CatalogDefect(f"{self.name}: the listing has a file without a name")
        if file.is_folder or not file.key.startswith(self._listing.prefix):
            return False
        return self._glob is None or bool(self._glob.matches(file.key[len(self._listing.prefix) :]))

    def _item(self, group: FileGroup) -> dict[str, object]:
        return item_of(group, self._listing)


def has_place_or_time(selection: Selection) -> bool:
    """Whether there are conditions on items that files cannot meet or miss."""
    return any(getattr(selection, name) not in (None, ()) for name in _OF_PLACE_AND_TIME)


def refuse_place_and_time(selection: Selection, where: str) -> None:
    """Raise `UsageError` for conditions on items that files cannot meet or miss."""
    for name in _OF_PLACE_AND_TIME:
        if getattr(selection, name) not in (None, ()):
            word = {"classes": "class"}.get(name, name)
            raise UsageError(
                f"--{word} cannot choose among the files of {where}, which say nothing of place, time or "
                "content: leave it out, or choose by --ids, -i and -x, or by a glob in SOURCE"
            )
