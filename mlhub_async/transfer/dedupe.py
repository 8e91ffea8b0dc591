"""One URL is fetched once, however many assets name it: in flight, finished before, or failed."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..core.concurrency import parked
from ..core.errors import TransferError, Transient
from ..core.model import Record

REMEMBERED = 4096
"""Finished URLs kept in memory, twice as many at most. One that is shared comes up again and so stays."""

TEMPORARY_SECONDS = 300.0
"""So long a failure that may pass by itself counts for all assets with that URL."""
_OF_THE_URL = frozenset(
    {
        *("bad-request", "forbidden", "gone", "not-found", "refused", "server-error", "throttled"),
        *("unauthorized", "redirect-loop", "redirect-refused"),
        *("connection", "dns", "proxy", "timeout", "tls", "unreachable"),
    }
)
"""Kinds of errors that any asset with this URL would meet, whatever the catalogue says of it."""


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
        self._failed: dict[str, tuple[TransferError, float]] = {}

    def knows(self, url: str, *, known_url: bool) -> bool:
        """Whether `existing` has anything to say: cheap, for the many URLs that nobody shares.

        `known_url`: an earlier run may have fetched it.
        """
        known = url in self._flights or url in self._recent or url in self._older or url in self._failed
        return known or (known_url and self._find is not None)

    async def existing(self, url: str, waiting: InFlight | None = None) -> Record | None:
        """The file that this URL was fetched to, after waiting for a transfer of it that is under way.

        `waiting` is the caller's own flight: while it waits nobody waits for it, so no circle can form.
        Raises `TransferError` if the URL turned out to be of no use in this run.
        """
        self.check_failed(url)
        if (record := self._recent.get(url) or self._older.get(url)) is not None:
            self._remember(url, record)
            return record
        flight = self._flights.get(url)
        if flight is not None and flight is not waiting and not flight.stalled:
            if waiting is not None:
                waiting.stalled = True
            try:
                with parked():
                    record = await asyncio.shield(_landing(flight))
            finally:
                if waiting is not None:
                    waiting.stalled = False
            if record is None:
                self.check_failed(url)
            return record
        return await self._find(url) if self._find is not None and flight is None else None

    def check_failed(self, url: str) -> None:
        """Raise the error that this URL led to in this run, if it did and still counts."""
        if self._failed and (found := self._failed.get(url)) is not None:
            error, until = found
            if time.monotonic() < until:
                again = copy.copy(error).without_traceback()
                if isinstance(again, Transient):
                    again.final = True
                raise again

    def fail(self, url: str, error: TransferError) -> None:
        """A URL led to this error after all attempts. Other assets with that URL fail alike, if it is why."""
        if error.kind not in _OF_THE_URL:
            return
        if len(self._failed) >= REMEMBERED:
            del self._failed[next(iter(self._failed))]
        until = time.monotonic() + TEMPORARY_SECONDS if error.retryable else math.inf
        self._failed[url] = error.without_traceback(), until

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
