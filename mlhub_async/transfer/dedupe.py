"""Deduplication by URL: each is fetched once, however many assets name it, and a failure counts for all."""

from __future__ import annotations

import asyncio
import copy
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..core.concurrency import parked
from ..core.errors import TransferError, Transient
from ..core.model import Record

REMEMBERED_URLS = 4096
"""Finished URLs kept in memory, and at most twice as many. One that is asked for again stays."""
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


class AlreadyFetched(Exception):
    """A redirect leads to a URL whose bytes are on disk already, as `record` says."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.path)
        self.record = record


@dataclass(slots=True, eq=False, repr=False)
class InFlight:
    """A transfer under way. `urls`: those for which others wait for it, redirects among them.

    `stalled`: it waits for another transfer itself. `finished` is made when another one waits.
    """

    urls: tuple[str, ...] = ()
    finished: asyncio.Future[Record | None] | None = None
    stalled: bool = False


class UrlDedupe:
    """The URLs that are or were fetched in a run. `find` looks one up in earlier runs, if there are any.

    URLs are canonical ones (`urls.canonical`).
    """

    def __init__(self, find: Callable[[str], Awaitable[Record | None]] | None) -> None:
        self._find = find
        self._in_flight: dict[str, InFlight] = {}
        self._recent: dict[str, Record] = {}
        self._older: dict[str, Record] = {}
        self._failed: dict[str, tuple[TransferError, float]] = {}

    def knows(self, url: str, *, known_url: bool) -> bool:
        """Whether `existing` is worth a call: cheap, for the many URLs that only one asset names.

        `known_url`: an earlier run may have fetched it.
        """
        known = url in self._in_flight or url in self._recent or url in self._older or url in self._failed
        return known or (known_url and self._find is not None)

    async def existing(self, url: str, own: InFlight) -> Record | None:
        """The file that this URL was fetched to; waits for a transfer of it that is under way.

        `own` is the caller's transfer: while it waits no other one waits for it, so no cycle can form.
        Raises `TransferError` if the URL has failed in this run.
        """
        self.check_failed(url)
        if (record := self._recent.get(url) or self._older.get(url)) is not None:
            self._recent[url] = record
            return record
        other = self._in_flight.get(url)
        if other is not None and other is not own and not other.stalled:
            own.stalled = True
            try:
                with parked():
                    record = await asyncio.shield(_finished(other))
            finally:
                own.stalled = False
            if record is None:
                self.check_failed(url)
            return record
        return await self._find(url) if self._find is not None and other is None else None

    def check_failed(self, url: str) -> None:
        """Raise the error that this URL led to in this run, if there was one and it still counts."""
        if self._failed and (found := self._failed.get(url)) is not None:
            error, until = found
            if time.monotonic() < until:
                again = copy.copy(error).without_traceback()
                if isinstance(again, Transient):
                    again.final = True
                raise again

    def fail(self, url: str, error: TransferError) -> None:
        """Note the error of a URL after all attempts, if it is one that every asset with that URL meets."""
        if error.kind not in _OF_THE_URL:
            return
        if len(self._failed) >= REMEMBERED_URLS:
            del self._failed[next(iter(self._failed))]
        until = time.monotonic() + TEMPORARY_SECONDS if error.retryable else math.inf
        self._failed[url] = error.without_traceback(), until

    def begin_first(self, url: str, own: InFlight, *, known_url: bool) -> bool:
        """`begin`, unless something is known of the URL already (see `knows`): then False."""
        known = url in self._in_flight or url in self._recent or url in self._older or url in self._failed
        if known or (known_url and self._find is not None):
            return False
        self._in_flight[url] = own
        own.urls = (url,)
        return True

    def begin(self, url: str, own: InFlight) -> None:
        """Let others wait for this transfer from now on, unless one of the same URL is under way."""
        if self._in_flight.setdefault(url, own) is own:
            own.urls = (*own.urls, url)

    def withdraw(self, own: InFlight, kept: str) -> None:
        """Let nobody wait for this transfer by another URL than `kept`: they may lead others elsewhere."""
        if own.urls in ((), (kept,)):
            return
        for url in own.urls:
            if url != kept and self._in_flight.get(url) is own:
                del self._in_flight[url]
        own.urls = tuple(url for url in own.urls if url == kept)
        if own.finished is not None:
            own.finished.set_result(None)
            own.finished = None

    def end(self, own: InFlight, urls: Sequence[str], record: Record | None) -> None:
        """Tell those that wait that the transfer ended, with a file known by `urls` or without one."""
        for url in own.urls:
            if self._in_flight.get(url) is own:
                del self._in_flight[url]
        if record is not None:
            for url in urls:
                self._recent[url] = record
            if len(self._recent) >= REMEMBERED_URLS:
                self._older, self._recent = self._recent, {}
        if own.finished is not None:
            own.finished.set_result(record)

    def end_first(self, url: str, own: InFlight, record: Record) -> None:
        """`end` for what `begin_first` has begun, with a file that is known by this URL alone."""
        del self._in_flight[url]
        self._recent[url] = record
        if len(self._recent) >= REMEMBERED_URLS:
            self._older, self._recent = self._recent, {}
        if own.finished is not None:
            own.finished.set_result(record)


def _finished(transfer: InFlight) -> asyncio.Future[Record | None]:
    if transfer.finished is None:
        transfer.finished = asyncio.get_running_loop().create_future()
    return transfer.finished
