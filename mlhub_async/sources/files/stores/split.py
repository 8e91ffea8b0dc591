"""Cuts the listing of an object store into slices that are listed beside each other (`--split`).

A level, the keys up to the next slash, names its folders; each slice is a run of them, so that no folder, and
so no item, is in two slices. A key that is there all the time is in exactly one level or slice, whatever else
comes or goes meanwhile, and whether the level names its folder: stores leave some out (Ceph, versitygw). So
slices follow each other without a gap where a store can start at a key.
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
LevelFiles = Callable[[str, Sequence[FileEntry] | None], Awaitable[None]]


class Slice(NamedTuple):
    """The keys that begin with `prefix`, or of these only those in the folders of that level (`of_folders`),
    behind `after` and before `before`, "" for its beginning and its end."""

    prefix: str
    after: str = ""
    before: str = ""
    of_folders: bool = False


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
        done = ""
        async with aclosing(self._listing.following_pages(prefix, page, level=True)) as pages:
            async for one in pages:
                await self._level_files(prefix, one.files)
                folders = sorted(one.folders)
                if self._listing.starts_after and folders and folders[0] < done:
                    raise no_order(self._listing)
                if goes_on:
                    done = await self._cut_folders(prefix, folders, first, depth + 1)
                elif self._listing.starts_after:
                    done = await self._put_runs(prefix, folders, done, one)
                else:
                    for folder in folders:
                        await self._put_slice(Slice(folder))
        await self._level_files(prefix, None)

    async def _cut_folders(self, prefix: str, folders: Sequence[str], first: StorePage, depth: int) -> str:
        """Cut each folder of a level, and put what is between them, behind the last one too."""
        done = ""
        for folder in folders:
            await self._put_between(prefix, done, folder)
            await self._cut_level(folder, first, depth)
            done = _end_of(folder)
        await self._put_between(prefix, done, "")
        return done

    async def _put_between(self, prefix: str, after: str, before: str) -> None:
        if self._listing.starts_after:
            await self._put(Slice(prefix, after, before, of_folders=True))

    async def _put_runs(self, prefix: str, folders: Sequence[str], done: str, page: StorePage) -> str:
        """Put the folders of one page of a level, from the key `done` on; the last page ends with the level.
        Returns the end of the last folder."""
        size = math.ceil(SLICE_PAGES * self._listing.page_keys / self._density)
        if not page.following:
            size = min(size, math.ceil(len(folders) / (2 * self._workers)))
        size = max(1, size)
        for at in range(0, len(folders), size):
            end = _end_of(folders[at : at + size][-1])
            is_last = not page.following and at + size >= len(folders)
            await self._put_slice(Slice(prefix, done, "" if is_last else end, of_folders=True))
            done = end
        if not folders and not page.following:
            await self._put_between(prefix, done, "")
        return done

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
    if not one.of_folders:
        page = await listing.next_page(one.prefix, "")
        async with aclosing(listing.following_pages(one.prefix, page)) as pages:
            async for page in pages:
                yield page.files
        return
    latest = ""
    page = await listing.next_page(one.prefix, "", after=one.after)
    async with aclosing(listing.following_pages(one.prefix, page, after=one.after)) as pages:
        async for page in pages:
            keys = [latest, *(file.key for file in page.files)]
            if any(key >= following for key, following in pairwise(keys)):
                raise no_order(listing)
            latest = keys[-1]
            yield [file for file in page.files if _is_in(file.key, one)]
            if one.before and latest >= one.before:
                return


def no_order(listing: StoreListing) -> CatalogDefect:
    """The error for a listing that cannot be cut."""
    return CatalogDefect(f"{listing.where}: the store gives keys in no order: leave --split out")


def _end_of(folder: str) -> str:
    """The first key behind all keys in a folder, whose name ends in a slash."""
    return folder[:-1] + chr(ord("/") + 1)


def _is_in(key: str, one: Slice) -> bool:
    """Whether a key is of a folder of the slice: files of the level itself come with it."""
    is_before = not one.before or key < one.before
    return one.after < key and is_before and "/" in key[len(one.prefix) :]
