"""Cuts the listing of an object store into slices that are listed beside each other (`--split`).

A level, the keys up to the next slash, names its folders; each slice is a run of them, so that no folder, and
so no item, is in two slices. A key that is there all the time is in exactly one level or slice, whatever else
comes or goes meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import NamedTuple

from ....core.errors import CatalogDefect
from ..listing import FileEntry
from .store_listing import StoreListing, StorePage

SLICE_PAGES = 4
"""Pages that a slice should have at least: its first and last ones have keys of its neighbours."""
MIN_KEYS_PER_FOLDER = 3
"""With fewer the folders take about as many pages as their keys, and nothing is gained."""
MAX_DEPTH = 4
BEFORE_SLASH = ".~"
"""Sorts before a slash, and behind nearly all that may stand in the place of one."""


LevelFiles = Callable[[str, Sequence[FileEntry] | None], Awaitable[None]]


class Slice(NamedTuple):
    """The keys of the folders from `first` to `last` of the level `prefix`; all keys there if both are ''."""

    prefix: str
    first: str = ""
    last: str = ""


class Cutter:
    """Finds the slices of a listing for `workers` that list them. `level_files` takes pages of files that are
    in no slice, with the level's prefix; None at the end of a level."""

    def __init__(
        self,
        listing: StoreListing,
        workers: int,
        put: Callable[[Slice], Awaitable[None]],
        level_files: LevelFiles,
    ) -> None:
        self._listing = listing
        self._workers = workers
        self._put = put
        self._level_files = level_files
        self._density = float(listing.page_keys)
        self.slices = 0

    async def cut(self, asked: str, first: StorePage) -> None:
        """Put all slices. `first` is the first page of all keys. Raises `CatalogError`."""
        await self._cut_level(asked, first, 0)

    async def _cut_level(self, prefix: str, first: StorePage, depth: int) -> None:
        page = await self._listing.next_page(prefix, "", level=True)
        if len(page.files) > len(page.folders):
            await self._put_slice(Slice(prefix))
            return
        self._density = keys_per_folder(prefix, first.files) or self._density
        is_small = not page.following and len(page.folders) < 2 * self._workers
        goes_on = is_small and depth < MAX_DEPTH and self.slices < 4 * self._workers
        async with aclosing(self._listing.following_pages(prefix, page, level=True)) as pages:
            async for one in pages:
                await self._level_files(prefix, one.files)
                if goes_on:
                    for folder in one.folders:
                        await self._cut_level(folder, first, depth + 1)
                else:
                    await self._put_runs(prefix, sorted(one.folders), is_all=not page.following)
        await self._level_files(prefix, None)

    async def _put_runs(self, prefix: str, folders: Sequence[str], *, is_all: bool) -> None:
        size = math.ceil(SLICE_PAGES * self._listing.page_keys / self._density)
        if is_all:
            size = min(size, math.ceil(len(folders) / (2 * self._workers)))
        size = max(1, size) if self._listing.starts_after else 1
        for at in range(0, len(folders), size):
            run = folders[at : at + size]
            await self._put_slice(Slice(prefix, run[0], run[-1]))

    async def _put_slice(self, one: Slice) -> None:
        self.slices += 1
        await self._put(one)


def keys_per_folder(prefix: str, files: Sequence[FileEntry]) -> float:
    """How many keys of a page are in one folder of a level, on average; 0 where the page has none of them."""
    below = [one.key[len(prefix) :] for one in files if one.key.startswith(prefix)]
    folders = {path.partition("/")[0] for path in below if "/" in path}
    return sum("/" in path for path in below) / len(folders) if folders else 0.0


def not_worth_it(listing: StoreListing, asked: str, first: StorePage, workers: int) -> str:
    """Why a listing is better read as a whole, by the first page of its keys; "" if it is not."""
    if not first.following:
        return "it has but one page"
    density = keys_per_folder(asked, first.files)
    if not density:
        return "its first files are in no folders"
    if listing.starts_after and density < MIN_KEYS_PER_FOLDER:
        return "its folders have too few files each"
    if not listing.starts_after and density * workers < 2 * listing.page_keys:
        return "its folders have too few files for a request each"
    return ""


async def slice_pages(listing: StoreListing, one: Slice) -> AsyncGenerator[Sequence[FileEntry], None]:
    """The files of a slice, page by page. Raises `CatalogError`, also where the keys come in no order."""
    if one.first == one.last:
        prefix = one.first or one.prefix
        page = await listing.next_page(prefix, "")
        async with aclosing(listing.following_pages(prefix, page)) as pages:
            async for page in pages:
                yield page.files
        return
    after, latest = one.first[:-1] + BEFORE_SLASH, ""
    page = await listing.next_page(one.prefix, "", after=after)
    async with aclosing(listing.following_pages(one.prefix, page, after=after)) as pages:
        async for page in pages:
            keys = [latest, *(file.key for file in page.files)]
            if any(key >= following for key, following in pairwise(keys)):
                raise CatalogDefect(f"{listing.where}: the store gives keys in no order: leave --split out")
            latest = keys[-1]
            yield [file for file in page.files if _is_in(file.key, one)]
            if latest > one.last and not latest.startswith(one.last):
                return


def _is_in(key: str, one: Slice) -> bool:
    """Whether a key is of a folder of the slice: files of the level itself come with it."""
    return one.first <= key and (key < one.last or key.startswith(one.last)) and "/" in key[len(one.prefix) :]
