"""Where the ledger's statements run: brief ones in the event loop, all others in a thread of their own."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from ...core.concurrency import ThreadPool
from ..inline import DiskWork, InlineWork
from .schema import BUSY_CODES

T = TypeVar("T")

LOCK_TIMEOUT_MS = 5000
"""Milliseconds that a statement in the thread waits for another process that has locked the database."""


class StatementExecutor:
    """Runs calls one at a time and in order. `close` it; nothing may be submitted afterwards.

    A hand-over to the thread and back costs more than a brief statement does: SQLite releases and takes the
    GIL for each row. The loop takes over after `allow_inline`, until the statements turn out to be slow, and
    not while `disk` is slow.
    """

    def __init__(self, disk: DiskWork | None = None) -> None:
        self._disk = disk
        self._thread = ThreadPool(1, thread_name_prefix="mlhub-ledger")
        self._database: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._in_thread = 0
        """calls that wait for the thread or are in it: while there are some, none runs in the loop"""
        self._inline = InlineWork()
        self._lock_timeout: int | None = None

    def allow_inline(self, database: sqlite3.Connection) -> None:
        """Run brief calls in the event loop from now on: a commit does not wait for the disk."""
        self._database = database

    def submit(self, call: Callable[[], T], *, brief: bool = False) -> asyncio.Future[T]:
        """Run `call`, which does all or nothing: a brief one may be repeated if the database is locked.

        The future of a call in the loop is done already. Raises nothing itself.
        """
        loop = asyncio.get_running_loop()
        if brief and self._runs_here:
            done: asyncio.Future[T] = loop.create_future()
            try:
                done.set_result(self._call_here(call))
                return done
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in BUSY_CODES:
                    done.set_exception(error)
                    return done
            except Exception as error:
                done.set_exception(error)
                return done
        return asyncio.wrap_future(self._start_in_thread(call))

    @property
    def _runs_here(self) -> bool:
        allowed = self._inline.allowed and (self._disk is None or self._disk.fast)
        return allowed and self._database is not None and not self._in_thread

    def start(self, call: Callable[[], object]) -> None:
        """Run a call in the thread, after those that wait; nobody learns how it ends."""
        self._start_in_thread(call)

    def _start_in_thread(self, call: Callable[[], T]) -> Future[T]:
        with self._lock:
            self._in_thread += 1
        waiting = self._thread.submit(self._call_patiently, call)
        waiting.add_done_callback(self._leave_thread)
        return waiting

    def _call_here(self, call: Callable[[], T]) -> T:
        self._wait_for_lock(0)
        with self._inline.timed():
            return call()

    def _call_patiently(self, call: Callable[[], T]) -> T:
        """In the thread, where waiting for a lock holds up nobody else."""
        self._wait_for_lock(LOCK_TIMEOUT_MS)
        return call()

    def _wait_for_lock(self, timeout: int) -> None:
        if self._database is not None and timeout != self._lock_timeout:
            self._database.execute(f"PRAGMA busy_timeout={timeout}")
            self._lock_timeout = timeout

    def _leave_thread(self, _: object) -> None:
        """The call has ended, or was cancelled before it began: not when its caller stopped waiting."""
        with self._lock:
            self._in_thread -= 1

    def close(self) -> None:
        """Return when the calls that wait for the thread have ended, and the thread with them."""
        self._thread.shutdown()
