"""Reads one listing of a STAC API in several time slices at once (`--split`).

The server's own count proves that the slices are the listing: the distinct items of all slices must be as
many as the server says the whole has, before and after. Where they are not, the listing is read as a whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ... import stac
from ...core.concurrency import fan_out, gather_pair, prefetch_one
from ...core.errors import CatalogError, SourceError, TransferError
from ...core.model import ListingRemarks, ListingRestarted, ListingTotal, Request
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..items.item_limit import Entries
from .endpoints import PAGE_SIZE
from .slices import CannotSplit, Overlap, Slice, cut_slices, whole_slice

Accept = Callable[[list[Any]], bool]
"""Gets the records of each page; False if the page and those after it are not wanted."""

MAX_REASONS = 20
"""Reasons in the receipt why listings were read as a whole."""


def accept_all(_: list[Any]) -> bool:
    """Wants every page."""
    return True


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One listing of an API: a search, or the items of a collection. `name` is the one on its pages."""

    name: str
    span: Interval
    """its extent in time, as far as the catalogue declares it"""
    selection: Selection
    """what it is a listing of"""
    request: Callable[[Selection], Request]
    pages: Callable[[], AsyncIterator[Entries]]
    """all of it"""
    slice_pages: Callable[[Selection, str, Accept], AsyncIterator[Entries]]
    """a slice of it, by the slice's own selection and name"""


class SplitReport:
    """What became of `--split`, for the receipt and for people."""

    def __init__(self, *, is_asked_for: bool = True) -> None:
        self.is_asked_for = is_asked_for
        self._slices: dict[str, int] = {}
        self._reasons: list[str] = []

    def add_split(self, listing: str, slices: int) -> None:
        """A listing was read in so many slices."""
        self._slices[listing] = slices

    def add_whole(self, reason: str) -> None:
        """A listing, or the source, was read as a whole."""
        if len(self._reasons) < MAX_REASONS:
            self._reasons.append(reason)

    def remarks(self) -> ListingRemarks:
        """What there is to report so far: `split` in the receipt, a line for each reason."""
        if not self.is_asked_for:
            return ListingRemarks()
        lines = tuple(f"--split: listed as a whole, {reason}" for reason in self._reasons)
        return ListingRemarks({"split": {"parts": {**self._slices}, "whole": [*self._reasons]}}, lines)


class ListingReader:
    """Reads listings: each in as many time slices as `--split` asks for, or as a whole.

    `remarks` adds what there is to remark beside `--split`.
    """

    def __init__(
        self, reader: Reader, selection: Selection, remarks: Callable[[ListingRemarks], ListingRemarks]
    ) -> None:
        self._reader = reader
        self._add_remarks = remarks
        self._selection = selection
        self._splits = is_split(selection)
        self._bounds = stac.parse_interval(selection.datetime) if selection.datetime else (None, None)
        self._report = SplitReport(is_asked_for=self._splits)
        self._slices: dict[str, tuple[ListingQuery, Selection]] = {}
        self._emitted = ListingRemarks()

    async def begin(self, emit: Emit) -> None:
        """Start anew. To be called before the first listing."""
        self._report, self._slices = SplitReport(is_asked_for=self._splits), {}
        if self._splits and self._selection.ids:
            self._report.add_whole("the source: --ids names its items one by one")
        self._emitted = ListingRemarks()
        await self.end(emit)

    async def end(self, emit: Emit) -> None:
        """Emit the remarks if they have changed. To be called after the last listing, and after an error."""
        before = self._emitted
        if (remarks := self._remarks()) != before:
            await emit([remarks])

    def _remarks(self) -> ListingRemarks:
        self._emitted = self._add_remarks(self._report.remarks())
        return self._emitted

    async def read(self, query: ListingQuery, emit: Emit) -> None:
        """Emit all of a listing, in slices where that is possible.

        Raises what reading it as a whole raises.
        """
        if self._splits and not self._selection.ids:
            await self._read_split(query, emit)
        else:
            await prefetch_one(query.pages(), emit)

    def slice_again(self, name: str) -> AsyncIterator[Entries] | None:
        """The pages of a slice that was read before; None if `name` is none of a slice."""
        if name not in self._slices:
            return None
        query, chosen = self._slices[name]
        return query.slice_pages(chosen, name, accept_all)

    async def _read_split(self, query: ListingQuery, emit: Emit) -> None:
        try:
            matched, slices = await self._cut(query)
            overlap = await self._read_slices(query, slices, emit)
            now = await self._count(query, self._selection)
            if not matched == now == overlap.distinct:
                counts = f"{overlap.distinct} items where the whole has {matched}, later {now}"
                raise CannotSplit(f"its parts came to {counts}")
        except CannotSplit as error:
            self._report.add_whole(f"{query.name}: {error.message}")
            await emit([ListingRestarted(query.name), self._remarks()])
            await prefetch_one(query.pages(), emit)
        else:
            self._report.add_split(query.name, len(slices))
            await emit([ListingTotal(query.name, matched), self._remarks()])

    async def _cut(self, query: ListingQuery) -> tuple[int, list[Slice]]:
        """The server's count for the listing, and the slices to read it in."""
        if self._selection.max_items is not None:
            raise CannotSplit("--max-items takes the first ones of the whole")

        async def count(one: Interval, other: Interval) -> tuple[int, int]:
            return await gather_pair(
                self._count(query, self._within(one)), self._count(query, self._within(other))
            )

        matched = await self._count(query, self._selection)
        whole = whole_slice(self._bounds, query.span, matched)
        page_size = self._selection.limit or PAGE_SIZE
        return matched, await cut_slices(whole, self._selection.split, page_size, count)

    def _within(self, bounds: Interval) -> Selection:
        return replace(self._selection, datetime=stac.interval_text(bounds))

    async def _count(self, query: ListingQuery, selection: Selection) -> int:
        try:
            answer = await self._reader.read(query.request(replace(selection, limit=1)))
        except TransferError as error:
            raise CannotSplit(f"the server does not count its items: {error.message}") from error
        matched = stac.matched_of(answer.body) if isinstance(answer.body, dict) else None
        if matched is None:
            raise CannotSplit("the server gives no total")
        return matched

    async def _read_slices(self, query: ListingQuery, slices: list[Slice], emit: Emit) -> Overlap:
        """Read all slices at once.

        An error in one of them stops the others at their next page. They are not cancelled: the entries
        that they have emitted are still being taken in.
        """
        overlap, errors = Overlap(), list[CannotSplit | CatalogError]()

        async def produce(put: Callable[[Slice], Awaitable[None]]) -> None:
            for one in slices:
                await put(one)

        async def work(one: Slice) -> None:
            def accept(records: list[Any]) -> bool:
                try:
                    overlap.add(records, one)
                except CannotSplit as error:
                    errors.append(error)
                return not errors

            try:
                await prefetch_one(self._slice_pages(query, one, accept), emit)
            except CatalogError as error:
                errors.append(error)
            except SourceError as error:
                errors.append(CannotSplit(f"the server refuses a part of it: {error.message}"))

        await fan_out(produce, work, len(slices))
        for error in errors:
            raise error
        return overlap

    def _slice_pages(self, query: ListingQuery, one: Slice, accept: Accept) -> AsyncIterator[Entries]:
        text = stac.interval_text(one.bounds)
        name = f"{query.name} {text}"
        chosen = replace(query.selection, datetime=text)
        self._slices[name] = query, chosen
        return query.slice_pages(chosen, name, accept)


def is_split(selection: Selection) -> bool:
    """Whether listings are to be read in slices."""
    return selection.split > 1
