"""The output of one command: messages and progress on stderr, events as JSON lines on stdout."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, BinaryIO, TypeVar

import click

from ...api.progress import Display, choose_display, watch
from ...core import concurrency
from ...core.errors import MlhubError, StorageError, UsageError
from ...core.telemetry import Events, Meter
from .output import (
    BAD,
    BROKEN_PIPE,
    COLOUR_OF_EVENT,
    GOOD,
    check_stdout,
    discard,
    error_fields,
    event_line,
    ignore_lost_stderr,
    painted,
    print_error,
    print_message,
    print_warning,
    safe_line,
    shows_colour,
    to_json_line,
    warning_line,
)
from .runner import Stop, run

T = TypeVar("T")

_VERBOSITY = {"error": 1, "retry": 1, "throttle": 1, "finish": 2, "skip": 2, "page": 2, "start": 3}
"""The number of -v from which on an event is shown."""
_NEVER = 9


class JsonLines:
    """Writes each event as one line of JSON. When the reader has gone it calls `on_lost` once and stops."""

    def __init__(self, out: BinaryIO, on_lost: Callable[[], None]) -> None:
        self._out: BinaryIO | None = out
        self._on_lost = on_lost
        self.last_kind: object = None

    def __call__(self, event: Mapping[str, object]) -> None:
        """Raises `StorageError` if stdout cannot be written for another reason."""
        if self._out is None:
            return
        self.last_kind = event.get("event")
        try:
            self._out.write(to_json_line(event) + b"\n")
            self._out.flush()
        except BrokenPipeError:
            self._out = None
            discard(sys.stdout)
            self._on_lost()
        except OSError as failure:
            self._out = None
            discard(sys.stdout)
            raise StorageError(f"stdout cannot be written: {failure.strerror}") from None


class Console:
    """What one command prints, and the signal handling of its run."""

    def __init__(self, *, quiet: bool = False, verbose: int = 0, as_json: bool = False) -> None:
        self.meter = Meter()
        self.stop = Stop(self.say)
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self._display: Display = choose_display(sys.stderr, os.environ, quiet=quiet)
        self._coloured = shows_colour(sys.stderr, os.environ)
        self._json = JsonLines(sys.stdout.buffer, lambda: self.stop.request(BROKEN_PIPE)) if as_json else None

    def say(self, line: str, colour: str = "") -> None:
        """Print a message unless -q is given; on a terminal in this colour."""
        if not self.quiet:
            line = safe_line(line)
            with ignore_lost_stderr():
                self._display.say(painted(line, colour) if colour and self._coloured else line)

    def warn(self, line: str, colour: str = "") -> None:
        """Print a message about something that went wrong, also with -q."""
        if self.quiet:
            print_message(line)
        else:
            self.say(line, colour)

    def conclude(self, lines: Iterable[str], *, good: bool) -> None:
        """Print the result of a command, the first line coloured; what is not good also with -q."""
        say = self.say if good else self.warn
        for number, line in enumerate(lines):
            say(line, "" if number else GOOD if good else BAD)

    def show_warning(self, message: Warning | str, *_: object, **__: object) -> None:
        """Print a warning above the progress bar, also with -q. Replaces `warnings.showwarning`."""
        if self.quiet:
            print_warning(message)
        else:
            self.say(warning_line(message))

    def emit(self, event: Mapping[str, object]) -> None:
        """Print an event as JSON with --json, and as a message if -v asks for its kind."""
        if self._json is not None:
            self._json(event)
        kind = str(event.get("event"))
        if kind == "start":
            self.meter.under_way[str(event.get("path"))] = None
        elif kind in ("finish", "skip", "error"):
            self.meter.under_way.pop(str(event.get("path")), None)
        if self.verbose >= _VERBOSITY.get(kind, _NEVER):
            self.say(event_line(event), COLOUR_OF_EVENT.get(kind, ""))

    @property
    def listener(self) -> Callable[[Mapping[str, object]], None] | None:
        """`emit`, or None if no event is shown: one event per asset costs a tenth of a small transfer."""
        return self.emit if self._json is not None or self.verbose else None

    def run(self, work: Callable[[], Awaitable[int]]) -> int:
        """Run `work` and return its exit code; failures and signals are reported here."""
        warnings.showwarning = self.show_warning
        try:
            code = run(work, self.stop)
        except MlhubError as failure:
            return self.fail(failure)
        except BaseException as bug:
            self.fail_by_bug(bug)
            raise
        if self.stop.code not in (None, BROKEN_PIPE):
            self.say("interrupted: finished files are kept; run the same command again to continue")
        self._end_with_summary(code)
        return code

    def fail(self, failure: MlhubError) -> int:
        """Print why a run came to no result; returns its exit code."""
        if isinstance(failure, UsageError):
            from ..settings.precedence import with_origins

            failure.message = with_origins(failure.message, click.get_current_context())
        print_error(failure.message)
        self._end_with_summary(failure.exit_code, error=error_fields(failure))
        return failure.exit_code

    def fail_by_bug(self, bug: BaseException) -> int:
        """Emit the summary of a run that ended by a bug, whose traceback is printed elsewhere."""
        error = {"class": "bug", "message": type(bug).__name__, "retryable": False}
        self._end_with_summary(1, error=error)
        return 1

    def rest(self) -> None:
        """Between two runs of one process: the next one counts anew, and what ends this wait is summed up."""
        self.meter = Meter()
        self._display = choose_display(sys.stderr, os.environ, quiet=self.quiet)
        if self._json is not None:
            self._json.last_kind = None

    def _end_with_summary(self, code: int, **more: object) -> None:
        """Make the last line a summary, also when the run could not write one."""
        if self._json is not None and self._json.last_kind != "summary":
            with check_stdout():
                sys.stdout.flush()  # rows that were printed come before it
            Events(self._json).emit("summary", exit_code=code, **more)

    async def show_progress(self, work: Awaitable[T]) -> T:
        """Await `work` with the progress display drawn meanwhile; returns its result."""
        try:
            async with concurrency.FirstErrorGroup() as group:
                timer = group.create_task(watch(self.meter, self._display.draw, self._display.every))
                try:
                    return await work
                finally:
                    timer.cancel()
        finally:
            self._display.close()


def console_from(given: dict[str, Any]) -> Console:
    """The console that the output options ask for; takes these options out of `given`.

    With -v it first says which options are set elsewhere than on the command line.
    """
    console = Console(**{name: given.pop(name) for name in ("quiet", "verbose", "as_json")})
    if console.verbose:
        from ..settings.precedence import settings_in_effect

        for line in settings_in_effect(click.get_current_context()):
            console.say(f"set: {line}")
    return console
