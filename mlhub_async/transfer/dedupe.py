"""One URL is fetched once, however many assets name it: in flight, just finished, or finished before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..core.concurrency import parked
from ..core.model import Record

REMEMBERED = 4096
"""Finished URLs kept in memory, twice as many at most. One that is shared comes up again and so stays."""


@dataclass(slots=True)
class InFlight:
    """A transfer under way, with all `urls` it was sent to. `stalled`: it waits for another one itself."""

    urls: tuple[str, ...] = ()
    landed: asyncio.Future[Record | None] | None = None
    stalled: bool = False


class UrlDedupe:
    """`find` looks a URL up among the files of earlier runs, None if there are none."""

    def __init__(self, find: Callable[[str], Awaitable[Record | None]] | None) -> None:
        self._find = find
        self._flights: dict[str, InFlight] = {}
        self._recent: dict[str, Record] = {}
        self._older: dict[str, Record] = {}

    def knows(self, url: str, *, known_url: bool) -> bool:
        """Whether `existing` has anything to say: cheap, for the many URLs that nobody shares.

        `known_url`: an earlier run may have fetched it.
        """
        known = url in self._flights or url in self._recent or url in self._older
        return known or (known_url and self._find is not None)

    async def existing(self, url: str, waiting: InFlight | None = None) -> Record | None:
        """The file that this URL was fetched to, after waiting for a transfer of it that is under way.

        `waiting` is the caller's own flight: while it waits nobody waits for it, so no circle can form.
        """
        if (record := self._recent.get(url) or self._older.get(url)) is not None:
            self._remember(url, record)
            return record
        flight = self._flights.get(url)
        if flight is not None and flight is not waiting and not flight.stalled:
            if waiting is not None:
                waiting.stalled = True
            try:
                with parked():
                    return await asyncio.shield(_landing(flight))
            finally:
                if waiting is not None:
                    waiting.stalled = False
        return await self._find(url) if self._find is not None and flight is None else None

    def take_off(self, url: str, flight: InFlight) -> None:
        """From now on others wait for this flight instead of fetching the URL themselves."""
        if self._flights.setdefault(url, flight) is flight:
            flight.urls = (*flight.urls, url)

    def land(self, flight: InFlight, urls: list[str], record: Record | None) -> None:
        """The flight ended, with a file that is known by `urls` or without: tell those who wait."""
        for url in flight.urls:
            if self._flights.get(url) is flight:
                del self._flights[url]
        if record is not None:
            for url in urls:
                self._remember(url, record)
        if flight.landed is not None:
            flight.landed.set_result(record)

    def _remember(self, url: str, record: Record) -> None:
        self._recent[url] = record
        if len(self._recent) >= REMEMBERED:
            self._older, self._recent = self._recent, {}


def _landing(flight: InFlight) -> asyncio.Future[Record | None]:
    """Made when somebody waits: hardly ever."""
    if flight.landed is None:
        flight.landed = asyncio.get_running_loop().create_future()
    return flight.landed
