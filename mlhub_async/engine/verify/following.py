"""The ledger of a mirror for a program that runs on: opened again when mirror runs have changed it."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from ...core.errors import StorageError
from ...storage.layout import LEDGER_FILE, STATE_DIR, WRITE_AHEAD_LOG_FILES
from .snapshot import LEDGER, LedgerSnapshot, is_closed, open_mirror

MIN_AGE_SECONDS = 1.0
COST_FACTOR = 20
"""A copy of a ledger in use is kept for so many times the time that making it took."""

Result = TypeVar("Result")
Signature = tuple[tuple[int, int, int] | None, ...]


class FollowedLedger:
    """Answers questions about the mirror at `dest`, from any thread, one at a time. To be closed."""

    def __init__(self, dest: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._dest = dest
        self._clock = clock
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._snapshot: LedgerSnapshot | None = None
        self._signature: Signature = ()
        self._is_copy = False
        self._good_until = 0.0
        self.generation = 0
        """Grows whenever the answers may be others than before."""

    def ask(self, question: Callable[[LedgerSnapshot], Result]) -> Result:
        """Raises `UsageError` where there is no mirror (any more), `StorageError` for a broken ledger."""
        with self._lock:
            try:
                return question(self._current())
            except sqlite3.DatabaseError:
                # A run may have written to the file that was read: look at it as it is now.
                self._close()
            try:
                return question(self._current())
            except sqlite3.DatabaseError as error:
                self._close()
                raise StorageError(f"{LEDGER}: {error}; the next mirror run rebuilds it") from None

    def close(self) -> None:
        """Close the ledger; a later question opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._snapshot = None
        self._stack.close()

    def _current(self) -> LedgerSnapshot:
        """What can be read in place is opened again at any change; another copy is made after a while."""
        signature = self._look()
        if self._snapshot is not None and signature == self._signature:
            return self._snapshot
        needs_copy = not is_closed(self._dest / LEDGER)
        if self._snapshot is not None and self._is_copy and needs_copy and self._clock() < self._good_until:
            return self._snapshot
        self._close()
        started = self._clock()
        self._is_copy = needs_copy
        self._snapshot = self._stack.enter_context(open_mirror(self._dest))
        ended = self._clock()
        self._good_until = ended + max(MIN_AGE_SECONDS, COST_FACTOR * (ended - started))
        self._signature = signature
        self.generation += 1
        return self._snapshot

    def _look(self) -> Signature:
        return tuple(
            _stat(self._dest / STATE_DIR / name)
            for name in (LEDGER_FILE, f"{LEDGER_FILE}-wal", *WRITE_AHEAD_LOG_FILES)
        )


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
