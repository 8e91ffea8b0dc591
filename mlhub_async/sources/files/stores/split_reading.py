"""Reads a listing of an object store in slices: each groups its own files, as no group is in two of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ....core.concurrency import fan_out, prefetch_one
from ..listing import FileEntry, FileListing
from ..pseudo_items.grouping import FileGroup, Grouping
from .split import Cutter, Slice, not_worth_it, slice_pages
from .store_listing import StoreListing

Take = Callable[[list[FileGroup]], Awaitable[None]]


class CannotSplit(Exception):
    """The listing is to be read as a whole. The message says why."""


async def read_split(
    listing: FileListing,
    workers: int,
    grouping_of: Callable[[str], Grouping],
    wanted: Callable[[FileEntry], bool],
    take: Take,
) -> int:
    """Give the groups of all files that are wanted; return when all slices came to their end: their number.

    `grouping_of` gives a new grouping for the prefix of the listing.

    Raises `CannotSplit` before anything is given, and what listings raise.
    """
    if not isinstance(listing, StoreListing):
        raise CannotSplit("only the listings of object stores can be cut")
    asked, first = await listing.first_page()
    if reason := not_worth_it(listing, asked, first, workers):
        raise CannotSplit(reason)
    levels: dict[str, Grouping] = {}
    cut = 0

    async def level_files(prefix: str, files: Sequence[FileEntry] | None) -> None:
        if files is None:
            if (ended := levels.pop(prefix, None)) is not None:
                await take([*ended.end()])
        elif chosen := list(filter(wanted, files)):
            await take([*levels.setdefault(prefix, grouping_of(listing.prefix)).add(chosen)])

    async def produce(put: Callable[[Slice], Awaitable[None]]) -> None:
        nonlocal cut
        cutter = Cutter(listing, workers, put, level_files)
        await cutter.cut(asked, first)
        cut = cutter.slices

    async def work(one: Slice) -> None:
        grouping = grouping_of(listing.prefix)

        async def consume(files: Sequence[FileEntry]) -> None:
            await take([*grouping.add(filter(wanted, files))])

        await prefetch_one(slice_pages(listing, one), consume)
        await take([*grouping.end()])

    await fan_out(produce, work, workers)
    return cut
