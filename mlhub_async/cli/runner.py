"""Runs one coroutine the way a program does: the faster loop, signals, a bounded time to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

GRACE = 5.0
"""seconds between the first request to stop and the moment when we stop whatever is still going on"""

FILES = 10240
"""open descriptors we ask the system for: the most that macOS gives"""

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """What may end a run early. The first request cancels the run, the second ends the process."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.code: int | None = None
        self._say = say
        self._task: asyncio.Task[Any] | None = None
        self._deadline: threading.Timer | None = None
        self._heard: list[int] = []

    def listen(self) -> None:
        """From now on signals cancel the current task."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                continue  # not on this system, or started by nohup
            try:
                loop.add_signal_handler(number, self._signalled, number)
            except (NotImplementedError, RuntimeError, ValueError):
                return  # Windows, or no main thread: Ctrl-C still arrives as KeyboardInterrupt
            self._heard.append(number)

    def _signalled(self, number: int) -> None:
        if self.code is not None:
            os._exit(128 + number)
        for other in self._heard:
            # Not through the loop: it hears nothing between two of its runs, and closing it takes several.
            signal.signal(other, _at_once)
        self._say(f"{signal.Signals(number).name}: stopping; a second one stops at once")
        self.request(128 + number)

    def request(self, code: int) -> None:
        """Cancel the run; it ends with this exit code."""
        if self.code is None and self._task is not None:
            self.code = code
            # A thread, since the loop itself may be what does not come to an end.
            self._deadline = threading.Timer(GRACE, _give_up, (code,))
            self._deadline.daemon = True
            self._deadline.start()
            self._task.cancel(code)  # the message tells the run which exit code its receipt should say

    def disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def _at_once(number: int, _: object) -> NoReturn:
    os._exit(128 + number)


def _give_up(code: int) -> NoReturn:
    os._exit(code)


def run(work: Callable[[], Awaitable[int | None]], stop: Stop) -> int:
    """The exit code of `work`, or of what stopped it."""

    async def stoppable() -> int:
        stop.listen()
        return await work() or 0

    _allow_more_files()
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            return runner.run(stoppable())
    except asyncio.CancelledError:
        if stop.code is None:
            raise
        return stop.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        stop.disarm()


def _allow_more_files() -> None:
    """Every transfer takes two descriptors, and some systems give a program only 256 unless it asks."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every system, and not needed to show help
    except ImportError:
        return None
    return uvloop.new_event_loop
