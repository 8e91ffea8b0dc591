"""A pool of worker processes on this machine, connected by pipes.

They are new interpreters, never forks, and import nothing of the program that called us: so it works in
notebooks and on every system. concurrent.futures has a pool as well, but that ends as a whole when one of its
processes does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO, cast

from ....core.errors import StorageError
from .frames import PIPE_BYTES, Message, MessageWriter, read_in_thread, write_message
from .pool import Coordinator
from .settings import WorkerSettings, pack_settings

STOP_SECONDS = 3.0
"""From the request to stop to the kill of what still runs."""
END_SECONDS = 30.0
"""The same at the end of a run, where a worker only closes its connections."""
ENDED_SECONDS = 1.0
"""So long the threads of a process that has ended may take to see that."""
MAX_STILLBORN = 3
"""So many processes in a row that ended before they said anything are the last."""
_PROGRAM = (
    "import json, os, sys\n"
    "line = b''\n"
    "while not line.endswith(b'\\n'):\n"
    "    line += os.read(0, 1) or sys.exit()\n"
    "sys.path[:] = json.loads(line)\n"
    "from mlhub_async.engine.executors.remote.process_main import main\n"
    "main()\n"
)
"""Modules are looked for where this program finds them; the path comes by the pipe."""

_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "SQLITE_TMPDIR"}
    | {"SSLKEYLOGFILE", "VIRTUAL_ENV", "CONDA_PREFIX", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC"}
    | {"PATHEXT", "USERPROFILE", "USERNAME", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA"}
)
_PREFIXES = ("PYTHON", "LC_", "LD_", "DYLD_", "MALLOC_", "SSL_CERT_", "OPENSSL_", "UV_")
"""What an interpreter and its libraries read. All other variables may be keys: they come by the pipe."""


def _environment() -> dict[str, str]:
    """The variables of a worker process."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _VARIABLES or name.upper().startswith(_PREFIXES)
    }


@contextlib.contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """What is started meanwhile is not interrupted by Ctrl-C in the terminal, not even while it begins."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerProcess:
    """One process and the pipes to it."""

    def __init__(self, settings: bytes) -> None:
        """Raises OSError."""
        with _ctrl_c_blocked():
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=PIPE_BYTES,
                env=_environment(),
            )
        self.has_spoken = False
        pipe = cast(BinaryIO, self.process.stdin)
        with contextlib.suppress(OSError):
            pipe.write(json.dumps(sys.path).encode() + b"\n")
            write_message(pipe, settings)
        self.writer = MessageWriter(pipe)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class ProcessPool:
    """See `pool.WorkerPool`. `number`: how many processes there are at a time."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._numbers = itertools.count(1)
        self._workers: dict[int, WorkerProcess] = {}
        self._stillborn = 0
        self._closing = False
        self._changed = asyncio.Event()

    async def start(self, settings: WorkerSettings, coordinator: Coordinator) -> None:
        self._settings, self._coordinator = pack_settings(settings), coordinator
        self._loop = asyncio.get_running_loop()
        for _ in range(self._number):
            self._start_one()

    def _start_one(self) -> None:
        number = next(self._numbers)
        try:
            worker = self._workers[number] = WorkerProcess(self._settings)
        except OSError as error:
            self._coordinator.failed(StorageError(f"no worker process can be started: {error.strerror}"))
            return
        self._coordinator.joined(number)
        pipe = cast(BinaryIO, worker.process.stdout)
        read_in_thread(
            pipe, partial(self._call, self._received, number), partial(self._call, self._ended, number)
        )

    def _call(self, call: object, *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call, *arguments)  # type: ignore[arg-type]

    def _received(self, number: int, message: Message) -> None:
        self._workers[number].has_spoken = True
        self._stillborn = 0
        self._coordinator.received(number, message)

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.process.pid for worker in self._workers.values()]

    def _ended(self, number: int) -> None:
        worker = self._workers.pop(number)
        worker.end()
        worker.writer.close(ENDED_SECONDS)
        self._changed.set()
        self._coordinator.lost(number)
        if self._closing:
            return
        self._stillborn += not worker.has_spoken
        if self._stillborn >= MAX_STILLBORN:
            code = worker.process.returncode
            message = f"worker processes end as soon as they begin (the last with {code})"
            self._coordinator.failed(StorageError(f"{message}; run without --processes"))
        else:
            self._start_one()

    def send(self, worker: int, message: Message) -> None:
        if (there := self._workers.get(worker)) is not None:
            there.writer.send(message)

    def give_up(self, worker: int) -> None:
        """Kill a process, which works also where it is stopped; the end of its pipe tells the rest."""
        if (there := self._workers.get(worker)) is not None:
            there.process.kill()

    async def close(self, *, stop: bool) -> None:
        self._closing = True
        for number in self._workers:
            self.send(number, ("stop",) if stop else ("end",))
        await self._ended_within(STOP_SECONDS if stop else END_SECONDS)
        for worker in self._workers.values():
            worker.end()
        await self._ended_within(ENDED_SECONDS)

    async def _ended_within(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._workers and (left := until - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
