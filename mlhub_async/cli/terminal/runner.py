"""Runs one coroutine as a program: event loop, signals, a bounded time to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from ...core.concurrency import (
    NO_THREADS,
    ThreadPool,
    is_thread_limit,
    loop_factory,
    raise_open_file_limit,
)
from ...core.errors import StorageError

STOP_SECONDS = 5.0
"""From the first request to stop to the end of the process, whatever is still running."""
ONE_STOP_SECONDS = 0.5
"""What comes sooner after the first request to stop is the same request: `timeout` signals its child and then
its group, a wrapper hands on what the terminal has sent to both, systemd sends SIGHUP after SIGTERM."""

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """Stops a run early: the first signal cancels it, the next one ends the process.

    `code` is the exit code of a run that was stopped, else None.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.code: int | None = None
        self.on_hangup: Callable[[], bool] | None = None
        """called at SIGHUP; True: it does not stop the run"""
        self._say = say
        self._task: asyncio.Task[Any] | None = None
        self._deadline: threading.Timer | None = None
        self._handled: list[int] = []
        self._stopped_at = 0.0

    def listen(self) -> None:
        """Let signals cancel the current task from now on."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                continue  # not on this system, or started by nohup
            try:
                loop.add_signal_handler(number, self._on_signal, number)
            except (NotImplementedError, RuntimeError, ValueError):
                return  # Windows, or not the main thread: Ctrl-C still arrives as KeyboardInterrupt
            self._handled.append(number)

    def _on_signal(self, number: int) -> None:
        if self.code is not None:
            return self._exit_at_once(number)
        if self.on_hangup is not None and number == getattr(signal, "SIGHUP", None) and self.on_hangup():
            return
        self._stopped_at = time.monotonic()
        for other in self._handled:
            # Not by the loop: it handles no signal while it is not running, and closing it runs it in steps.
            signal.signal(other, self._exit_at_once)
        self._say(f"{signal.Signals(number).name}: stopping; a second signal stops at once")
        self.request(128 + number)

    def _exit_at_once(self, number: int, _: object = None) -> None:
        if time.monotonic() - self._stopped_at > ONE_STOP_SECONDS:
            os._exit(128 + number)

    def request(self, code: int) -> None:
        """Cancel the run, which then ends with this exit code; end the process if it takes too long."""
        if self.code is None and self._task is not None:
            self.code = code
            # In a thread, since the loop itself may be blocked.
            self._deadline = threading.Timer(STOP_SECONDS, _exit_process, (code,))
            self._deadline.daemon = True
            with contextlib.suppress(RuntimeError):  # no more threads: then there is no deadline
                self._deadline.start()
            self._task.cancel(code)  # the receipt gets its exit code from this message

    def disarm(self) -> None:
        """The run has ended: do not end the process any more."""
        if self._deadline is not None:
            self._deadline.cancel()


def _exit_process(code: int) -> NoReturn:
    os._exit(code)


def run(work: Callable[[], Awaitable[int | None]], stop: Stop) -> int:
    """Run `work` to its end; returns its exit code, or that of the signal that stopped it."""

    ended: list[int] = []

    async def stoppable() -> int:
        stop.listen()
        asyncio.get_running_loop().set_default_executor(ThreadPool(thread_name_prefix="mlhub"))
        ended.append(await work() or 0)
        return ended[0]

    raise_open_file_limit()
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(stoppable())
    except RuntimeError as error:
        if not is_thread_limit(error):
            raise
        if not ended:
            raise StorageError(NO_THREADS) from None
        return ended[0]  # only the loop's own end wanted one more thread
    except asyncio.CancelledError:
        if stop.code is None:
            raise
        return stop.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        stop.disarm()
