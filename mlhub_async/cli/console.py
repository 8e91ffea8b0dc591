"""What people and programs see of a run while it runs: humans on stderr, JSON lines on stdout."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO, TypeVar

from ..api.progress import Display, display, watch
from ..core import concurrency
from ..core.errors import MlhubError, StorageError
from ..core.telemetry import Events, Meter
from .output import (
    BROKEN_PIPE,
    abandon,
    as_event,
    encoded,
    error,
    event_line,
    for_whoever_reads,
    plain,
    say,
    somewhere_to_write,
    warned,
    warning,
)
from .runner import Stop, run

T = TypeVar("T")

_LOUDNESS = {"error": 1, "retry": 1, "throttle": 1, "finish": 2, "skip": 2, "page": 2, "start": 3}
"""how many -v it takes to see an event"""


class JsonLines:
    """Writes each event as one line. When the reader has gone it says so once and writes no more."""

    def __init__(self, out: BinaryIO, gone: Callable[[], None]) -> None:
        self._out: BinaryIO | None = out
        self._gone = gone
        self.last: object = None

    def __call__(self, event: Mapping[str, object]) -> None:
        if self._out is None:
            return
        self.last = event.get("event")
        try:
            self._out.write(encoded(event) + b"\n")
            self._out.flush()
        except BrokenPipeError:
            self._out = None
            abandon(sys.stdout)
            self._gone()
        except OSError as failure:
            self._out = None
            abandon(sys.stdout)
            raise StorageError(f"stdout cannot be written: {failure.strerror}") from None


class Console:
    """How one command talks, and the way in which it can be told to stop."""

    def __init__(self, *, quiet: bool = False, verbose: int = 0, as_json: bool = False) -> None:
        self.meter = Meter()
        self.stop = Stop(self.say)
        self.as_json = as_json
        self._quiet, self._verbose = quiet, verbose
        self._display: Display = display(sys.stderr, os.environ, quiet=quiet)
        self._json = JsonLines(sys.stdout.buffer, lambda: self.stop.request(BROKEN_PIPE)) if as_json else None

    def say(self, line: str) -> None:
        """For people: not with -q."""
        if not self._quiet:
            with for_whoever_reads():
                self._display.say(plain(line))

    def warn(self, line: str) -> None:
        """For people: also with -q, since something went wrong."""
        if self._quiet:
            say(line)
        else:
            self.say(line)

    def warning(self, message: Warning | str, *_: object, **__: object) -> None:
        """Stands in for `warnings.showwarning`: beside the bar, and also with -q."""
        if self._quiet:
            warning(message)
        else:
            self.say(warned(message))

    def event(self, event: Mapping[str, object]) -> None:
        """For programs, and for people who asked for it with -v."""
        if self._json is not None:
            self._json(event)
        if self._verbose >= _LOUDNESS.get(str(event.get("event")), 9):
            self.say(event_line(event))

    @property
    def listener(self) -> Callable[[Mapping[str, object]], None] | None:
        """`event` if anybody listens: an event for every asset costs as much as a tenth of its transfer."""
        return self.event if self._json is not None or self._verbose else None

    def run(self, work: Callable[[], Awaitable[int]]) -> int:
        """The exit code of `work`, with an early end told to people and programs."""
        warnings.showwarning = self.warning
        try:
            code = run(work, self.stop)
        except MlhubError as failure:
            error(failure.message)
            self._summary(failure.exit_code, error=as_event(failure))
            return failure.exit_code
        except BaseException as bug:
            self._summary(1, error={"class": "bug", "message": type(bug).__name__, "retryable": False})
            raise
        if self.stop.code not in (None, BROKEN_PIPE):
            self.say("interrupted: what is finished is kept, the same command goes on from there")
        self._summary(code)
        return code

    def _summary(self, code: int, **more: object) -> None:
        """The last line is always a summary, also when the run had no time to write one."""
        if self._json is not None and self._json.last != "summary":
            with somewhere_to_write():
                sys.stdout.flush()  # rows that were printed come before it
            Events(self._json).emit("summary", exit_code=code, **more)

    async def watching(self, work: Awaitable[T]) -> T:
        """The result of `work`, with the meter drawn meanwhile."""
        try:
            async with concurrency.FirstErrorGroup() as group:
                timer = group.create_task(watch(self.meter, self._display.draw, self._display.every))
                try:
                    return await work
                finally:
                    timer.cancel()
        finally:
            self._display.close()


def console_of(given: dict[str, Any]) -> Console:
    """The screen that the `output` options ask for, which are taken out of what was given."""
    return Console(**{name: given.pop(name) for name in ("quiet", "verbose", "as_json")})
