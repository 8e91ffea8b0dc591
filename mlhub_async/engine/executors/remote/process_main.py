"""The program of a worker process. Messages come by standard input, and go to standard output.

The settings come by the pipe too, so that no secret is in a command line, a file or the environment. When the
coordinator dies the pipe ends, and the process ends at once: the next run must find nobody at work in DEST.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import TextIO

from ....core.concurrency import ThreadPool, loop_factory, raise_open_file_limit
from ....core.errors import ReferenceWarning
from .frames import PIPE_BYTES, Message, MessageWriter, read_in_thread, read_message
from .settings import unpack_settings
from .worker import run_worker

STOPPING = ("SIGTERM", "SIGHUP")
"""May be sent to all processes of a run at once: what is under way is kept."""
CLOSE_SECONDS = 2.0
GC_THRESHOLD = 50_000
"""As in the coordinator: jobs and outcomes have no reference cycles."""
ORPHANED = 70
"""The exit code of a worker whose coordinator has gone."""


def main() -> None:
    """Be a worker until the coordinator says that it is over."""
    given = os.fdopen(os.dup(0), "rb", PIPE_BYTES)
    sent = os.fdopen(os.dup(1), "wb", PIPE_BYTES)
    os.dup2(2, 1)  # what a library prints is no message
    with contextlib.suppress(ValueError, AttributeError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the coordinator, who decides
    raise_open_file_limit()
    try:
        settings = unpack_settings(read_message(given))
    except EOFError:
        return
    writer = MessageWriter(sent)
    _send_warnings(writer)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPool(thread_name_prefix="mlhub"))

        def listen(receive: Callable[[Message], None]) -> None:
            def received(message: Message) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(receive, message)

            for name in STOPPING:
                with contextlib.suppress(NotImplementedError, AttributeError):  # Windows
                    loop.add_signal_handler(getattr(signal, name), receive, ("stop",))
            read_in_thread(given, received, lambda: os._exit(ORPHANED))

        await run_worker(settings, writer.send, listen)

    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(work())
    writer.close(CLOSE_SECONDS)
    sys.stderr.flush()
    os._exit(0)  # the reading thread waits for a pipe that may stay open


def _send_warnings(writer: MessageWriter) -> None:
    """Give warnings to the coordinator, which prints them, or leaves them to the caller of the library."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        writer.send(("warning", issubclass(category, ReferenceWarning), str(message)))

    warnings.showwarning = show
    warnings.simplefilter("always", ReferenceWarning)
