"""What happens on a full disk: the run ends, or everything that writes waits until there is space again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ...core.errors import DiskFull
from ..file_systems import disk_free, existing_folder
from ..layout import PARTIAL_DIR, PROBE_FILE, STATE_DIR
from ..os_errors import DISK_FULL_ERRNOS, with_cause

CHECK_SECONDS = 3.0
"""Between two checks of a disk that is full."""
REPORT_SECONDS = 30.0
"""Between two reports that the disk is full."""
PROBE_BYTES = 1 << 20
"""Must be written before the wait ends: quotas show in a write only, not in the number of free bytes."""

T = TypeVar("T")
SpaceListener = Callable[[DiskFull, int], None]
"""Is called with the error and the number of free bytes."""
WaitForSpace = Callable[[DiskFull], Awaitable[None]]
"""Returns when what met a full disk can be tried again, or raises the error it was given."""


async def do_not_wait(full: DiskFull) -> None:
    raise full


def ignore(_full: DiskFull, _free: int) -> None:
    """The `SpaceListener` that does nothing."""


class DiskSpace:
    """One object for everything that writes under DEST.

    `waits`: `wait` holds its callers until there is space; otherwise it raises their error. `listener` is
    called every `REPORT_SECONDS` meanwhile.
    """

    def __init__(
        self,
        root: Path,
        *,
        waits: bool = False,
        listener: SpaceListener = ignore,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.full: DiskFull | None = None
        """the error by which it was noticed that the disk is full, while it is"""
        self._root = root
        self._waits = waits
        self._listener, self._clock, self._sleep = listener, clock, sleep
        self._report_at = 0.0
        self._ended_waits = 0
        self._checking = asyncio.Lock()

    async def wait(self, full: DiskFull) -> None:
        """Return when what met a full disk can be tried again; raises `full` if this does not wait."""
        full = with_cause(full, self._root)
        if not self._waits:
            raise full
        self.full = self.full or full
        await self.wait_until_free()

    async def wait_until_free(self) -> None:
        """Return when the disk is not full. One of the callers checks it for all of them.

        Raises the error in `full` after `stop_waiting`.
        """
        ended_waits = self._ended_waits
        async with self._checking:
            while self.full is not None and self._ended_waits == ended_waits:
                if not self._waits:
                    raise self.full
                self._report(self.full)
                await self._sleep(CHECK_SECONDS)
                if self._has_space():
                    self._ended_waits += 1
                    self.full = None

    def stop_waiting(self) -> None:
        """From now on a full disk is an error at once: the run ends."""
        self._waits = False

    def _report(self, full: DiskFull) -> None:
        now = self._clock()
        if now >= self._report_at:
            self._report_at = now + REPORT_SECONDS
            self._listener(full, free_bytes(self._root))

    def _has_space(self) -> bool:
        """Any other error than a full disk counts as space: those that wait will meet it themselves."""
        # In the directory of partial files a later run deletes what a killed one left.
        probe = self._root / STATE_DIR / PARTIAL_DIR / PROBE_FILE
        try:
            probe.write_bytes(os.urandom(PROBE_BYTES))
        except OSError as error:
            return error.errno not in DISK_FULL_ERRNOS
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
        return True


async def retry_when_space(wait: WaitForSpace, call: Callable[[], T]) -> T:
    """The result of `call`, which is made again after each wait: it does all or nothing."""
    while True:
        try:
            return call()
        except DiskFull as full:
            await wait(full)


def free_bytes(path: Path) -> int:
    """Free bytes of the disk that `path` is or would be on; 0 where they are not known."""
    try:
        return disk_free(existing_folder(path))
    except OSError:
        return 0
