"""`FilesSource`: a listing of files as a source. Items are emitted as soon as they are complete."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from ... import stac
from ...core.errors import CatalogError, SourceError, UsageError
from ...core.model import Asset, Collection, CollectionListed, ListingRemarks, Page
from ...core.options import Selection
from ...core.ports import Emit
from ..items.documents import Batches, ItemsSource
from .grouping import FileGroup, Grouping
from .listing import FileEntry, FileListing
from .paths import KeyGlob
from .pseudo_items import collection_of, item_of

_OF_PLACE_AND_TIME = ("bbox", "intersects", "datetime", "query", "filter", "classes")


class FilesSource:
    """Lists files, groups them, and emits a collection and an item per group.

    `glob` chooses among the files. Raises `UsageError` for a selection by what files do not have.
    """

    def __init__(self, listing: FileListing, selection: Selection, glob: KeyGlob | None = None) -> None:
        refuse_place_and_time(selection, listing.where)
        self.name = listing.where
        self._listing = listing
        self._group_by = selection.group_by
        self._is_all = glob is None and selection.max_items is None
        self._glob = glob
        self._admits = stac.CollectionChoice(selection.collections).admits
        self._items = ItemsSource(listing.where, self._batches, selection)
        self._emit: Emit | None = None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """There is one listing: to read it again is to read all of it."""
        self._emit = emit
        await self._items.list(emit)
        if self._is_all:
            await emit([CollectionListed(self._listing.collection)])

    async def refresh(self, asset: Asset) -> Asset | None:
        """The URLs of files do not expire."""
        return None

    async def _batches(self) -> Batches:
        grouping, found = None, 0
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                if grouping is None:
                    grouping = Grouping(self._group_by, self._listing.prefix)
                    await self._emit_collection()
                files = [file for file in page if self._is_wanted(file)]
                found += len(files)
                yield [self._item(group) for group in grouping.add(files)], "", Page()
        if not found and (self._glob is not None or not self._listing.is_whole):
            raise SourceError(f"{self.name}: no file there: {self._nothing()}", kind="not-found")
        if grouping is not None:
            yield [self._item(group) for group in grouping.end()], "", Page(is_last=True)

    async def _emit_collection(self) -> None:
        if self._emit is not None and self._listing.pinned:
            await self._emit([ListingRemarks(self._listing.pinned)])
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

    def _is_wanted(self, file: FileEntry) -> bool:
        if file.is_folder or not file.key.startswith(self._listing.prefix):
            return False
        return self._glob is None or bool(self._glob.matches(file.key[len(self._listing.prefix) :]))

    def _item(self, group: FileGroup) -> dict[str, object]:
        return item_of(group, self._listing)


def refuse_place_and_time(selection: Selection, where: str) -> None:
    """Raise `UsageError` for conditions on items that files cannot meet or miss."""
    for name in _OF_PLACE_AND_TIME:
        if getattr(selection, name) not in (None, ()):
            word = {"classes": "class"}.get(name, name)
            raise UsageError(
                f"--{word} cannot choose among the files of {where}, which say nothing of place, time or "
                "content: leave it out, or choose by --ids, -i and -x, or by a glob in SOURCE"
            )
