"""Room on the disk: whether a full one ends the run or is waited for, and how one sees that there is room."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ...core.errors import DiskFull
from ..layout import PARTIAL_DIR, PROBE_FILE, STATE_DIR
from .directories import DISK_FULL_ERRNOS

CHECK_SECONDS = 3.0
"""Seconds between two looks at a disk that is full."""
REPORT_SECONDS = 30.0
"""Seconds between two words about it."""
PROBE = 1 << 20
"""Bytes that must fit before anybody goes on: only a write knows of quotas."""

T = TypeVar("T")
SpaceListener = Callable[[DiskFull, int], None]
WaitForSpace = Callable[[DiskFull], Awaitable[None]]
"""Returns when a full disk is worth another try, or raises what it was given."""


async def do_not_wait(full: DiskFull) -> None:
    raise full


def ignore(_full: DiskFull, _free: int) -> None:
    pass


class DiskSpace:
    """One for all that write under DEST. A patient one holds whoever met a full disk until there is room;
    one that is not ends the run with what they met. `told` hears now and then how many bytes are free."""

    def __init__(
        self,
        root: Path,
        *,
        patient: bool = False,
        told: SpaceListener = ignore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.full: DiskFull | None = None
        self._root = root
        self._patient = patient
        self._told, self._clock, self._sleep = told, clock, sleep
        self._say_at = 0.0
        self._found = 0
        self._looking = asyncio.Lock()

    async def wait(self, full: DiskFull) -> None:
        """Return when what met a full disk is worth trying again; raises `full` where nobody waits."""
        if not self._patient:
            raise full
        self.full = self.full or full
        await self.opened()

    async def opened(self) -> None:
        """Return when the disk is not full any more. One of those who wait looks for all."""
        found = self._found
        async with self._looking:
            while self.full is not None and self._found == found:
                if not self._patient:
                    raise self.full
                self._tell(self.full)
                await self._sleep(CHECK_SECONDS)
                if self._has_room():
                    self._found += 1
                    self.full = None

    def lose_patience(self) -> None:
        """The run ends, for whatever reason: from now on a full disk is told, not waited for."""
        self._patient = False

    def _tell(self, full: DiskFull) -> None:
        now = self._clock()
        if now >= self._say_at:
            self._say_at = now + REPORT_SECONDS
            self._told(full, free_bytes(self._root))

    def _has_room(self) -> bool:
        # In the directory of partial files a later run deletes what a killed one left.
        probe = self._root / STATE_DIR / PARTIAL_DIR / PROBE_FILE
        try:
            probe.write_bytes(os.urandom(PROBE))
        except OSError as error:
            return error.errno not in DISK_FULL_ERRNOS  # any other trouble is for those to meet who wait
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        return True


async def retry_when_space(wait: WaitForSpace, call: Callable[[], T]) -> T:
    """The result of `call`, made again after each wait: it does all or nothing."""
    while True:
        try:
            return call()
        except DiskFull as full:
            await wait(full)


def free_bytes(path: Path) -> int:
    """Bytes left on the disk that `path` is or would be on; 0 if nobody says how many."""
    try:
        while not path.exists() and path != path.parent:
            path = path.parent
        return shutil.disk_usage(path).free
    except OSError:
        return 0
