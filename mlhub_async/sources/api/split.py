"""Hides how several cursors page through one listing at once, and that they give what one of them would.

The server's own count is the proof: what the parts gave, without what came twice, is what it says that the
whole has, before and after. Where it is not, the listing is read as a whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ... import stac
from ...core.concurrency import both, fan_out, one_ahead
from ...core.errors import CatalogError, SourceError, TransferError
from ...core.model import Parts, Request
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ...stac.datetimes import Interval
from ..item_limit import Entries
from .endpoints import PAGE_SIZE
from .parts import Overlap, Part, Undivided, cut, whole

Take = Callable[[list[Any]], bool]
"""Is told of the records of every page; false if no more pages are wanted."""


def every(_: list[Any]) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Course:
    """One listing: how it is asked for, and how it is walked: as a whole ("") or as a part of this name."""

    name: str
    span: Interval
    ask: Callable[[Selection], Request]
    walk: Callable[[Request, str, Take], AsyncIterator[Entries]]


class Division:
    """Reads listings in as many parts as the selection says. `pieces`: how each part is asked for."""

    def __init__(self, reader: Reader, selection: Selection) -> None:
        self._reader = reader
        self._selection = selection
        self._bounds = stac.interval(selection.datetime) if selection.datetime else (None, None)
        self.pieces: dict[str, tuple[Course, Request]] = {}

    async def read(self, course: Course, emit: Emit) -> None:
        """All of a listing, in parts where that is possible. Raises what reading it as a whole raises."""
        try:
            matched, parts = await self._cut(course)
            overlap = await self._read(course, parts, emit)
            now = await self._count(course, self._selection)
            if not matched == now == overlap.distinct:
                counts = f"{overlap.distinct} items where the whole has {matched}, later {now}"
                raise Undivided(f"its parts came to {counts}")
        except Undivided as reason:
            await emit([Parts(course.name, refused=reason.message)])
            await one_ahead(course.walk(course.ask(self._selection), "", every), emit)
        else:
            await emit([Parts(course.name, matched)])

    def again(self, name: str) -> AsyncIterator[Entries]:
        """One of the parts once more."""
        course, request = self.pieces[name]
        return course.walk(request, name, every)

    async def _cut(self, course: Course) -> tuple[int, list[Part]]:
        if self._selection.max_items is not None:
            raise Undivided("--max-items takes the first ones of the whole")

        async def count(one: Interval, other: Interval) -> tuple[int, int]:
            return await both(
                self._count(course, self._within(one)), self._count(course, self._within(other))
            )

        matched = await self._count(course, self._selection)
        part = whole(self._bounds, course.span, matched)
        return matched, await cut(part, self._selection.split, self._selection.limit or PAGE_SIZE, count)

    def _within(self, bounds: Interval) -> Selection:
        return replace(self._selection, datetime=stac.written(bounds))

    async def _count(self, course: Course, selection: Selection) -> int:
        try:
            answer = await self._reader.read(course.ask(replace(selection, limit=1)))
        except TransferError as error:
            raise Undivided(f"the server does not count its items: {error.message}") from error
        matched = stac.matched_of(answer.body) if isinstance(answer.body, dict) else None
        if matched is None:
            raise Undivided("the server tells no total")
        return matched

    async def _read(self, course: Course, parts: list[Part], emit: Emit) -> Overlap:
        """What stops one part stops the others at their next page: they are not cancelled, since what they
        have given is being taken in."""
        overlap, stopped = Overlap(), list[Undivided | CatalogError]()

        async def produce(put: Callable[[Part], Awaitable[None]]) -> None:
            for part in parts:
                await put(part)

        async def work(part: Part) -> None:
            def take(records: list[Any]) -> bool:
                try:
                    overlap.take(records, part)
                except Undivided as reason:
                    stopped.append(reason)
                return not stopped

            try:
                await one_ahead(self._walk(course, part, take), emit)
            except CatalogError as error:
                stopped.append(error)
            except SourceError as error:
                stopped.append(Undivided(f"the server refuses a part of it: {error.message}"))

        await fan_out(produce, work, len(parts))
        for error in stopped:
            raise error
        return overlap

    def _walk(self, course: Course, part: Part, take: Take) -> AsyncIterator[Entries]:
        text = stac.written(part.bounds)
        name = f"{course.name} {text}"
        request = course.ask(replace(self._selection, datetime=text))
        self.pieces[name] = course, request
        return course.walk(request, name, take)
