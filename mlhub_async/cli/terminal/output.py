"""Single lines for people (stderr) and programs (stdout), safe for terminals, lost streams and full disks."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from ...core import urls
from ...core.errors import MlhubError, StorageError

if TYPE_CHECKING:
    from ...core.ports import Buffer

_URL = r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"]+"
_MAX_MESSAGE_CHARS = 1000
_MAX_REASON_CHARS = 300

BROKEN_PIPE = 141
"""The exit code when the reader of stdout has gone, as shells report it (128 + SIGPIPE)."""
PATIENCE_SECONDS = 2.0
"""Messages wait so long for a reader of stderr; without one they are dropped, and the run goes on."""
ATOMIC_BYTES = min(getattr(select, "PIPE_BUF", 512), 4096)
"""A pipe that can be written takes so many bytes without making the writer wait."""


def safe_line(line: str) -> str:
    """One line without control characters but tabs. All text that is printed goes through here."""
    return "\t".join(map(urls.escape_controls, line.split("\t")))


GOOD, DOUBTFUL, BAD = "32", "33", "31"
"""Colours of outcomes: green, yellow, red (ECMA-48 SGR)."""
COLOUR_OF_EVENT = {"finish": GOOD, "retry": DOUBTFUL, "throttle": DOUBTFUL, "error": BAD}


def shows_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether outcomes are coloured on this stream: a terminal that can, without NO_COLOR (no-color.org)."""
    return stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")


def painted(line: str, colour: str) -> str:
    """A line that is safe already, in a colour."""
    return f"\x1b[{colour}m{line}\x1b[0m"


def print_message(line: str) -> None:
    """Print one line to stderr; a closed stderr is no error."""
    with ignore_lost_stderr():
        print(safe_line(line), file=sys.stderr, flush=True)


def print_lines(lines: Iterable[str]) -> None:
    """Print the result of a command to stdout. Raises `StorageError` if stdout is on a full disk."""
    with check_stdout():
        for line in lines:
            print(safe_line(line))


def announce(line: str) -> None:
    """Print a line of a program that runs on, at once."""
    print(safe_line(line), flush=True)


def print_error(message: str) -> None:
    one_line = " ".join(message.split())
    print_message(f"mlhub-async: error: {urls.term_safe(one_line, _MAX_MESSAGE_CHARS)}")


def print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print one warning to stderr. Replaces `warnings.showwarning`."""
    print_message(warning_line(message))


def warning_line(message: Warning | str) -> str:
    return f"mlhub-async: warning: {urls.term_safe(str(message), _MAX_MESSAGE_CHARS)}"


def print_traceback(kind: type[BaseException], failure: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback with URLs redacted. Replaces `sys.excepthook`.

    The message of an exception that another library raised may hold a URL with a secret.
    """
    import traceback

    for line in "".join(traceback.format_exception(kind, failure, trace)).rstrip().split("\n"):
        print_message(re.sub(_URL, lambda found: urls.redacted(found[0]), line))


def to_json_line(value: object) -> bytes:
    """JSON on one line, without characters that act on a terminal."""
    from ...core.json_text import dumps

    try:
        return urls.escape_json_controls(dumps(value, default=str))
    except TypeError:
        import json  # which escapes lone surrogates

        return urls.escape_json_controls(json.dumps(value, default=str).encode("ascii"))


def summary_event(exit_code: int, error: dict[str, object] | None = None) -> dict[str, object]:
    """The last event of a command that has no counts to report."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    event: dict[str, object] = {"event": "summary", "ts": now, "exit_code": exit_code}
    return event | ({"error": error} if error else {})


def error_fields(failure: MlhubError) -> dict[str, object]:
    """The value of "error" in an event."""
    return {"class": failure.kind, "message": failure.message, "retryable": failure.retryable}


def event_line(event: Mapping[str, object]) -> str:
    """An event on one line for people: its kind, the asset or URL, and the error message if it has one."""
    names = (event.get("collection"), event.get("item"), event.get("key"))
    subject = "/".join(urls.term_safe(name) for name in names if name)
    subject = subject or urls.term_safe(event.get("href") or "")
    error = event.get("error")
    reason = urls.term_safe(error.get("message", ""), _MAX_REASON_CHARS) if isinstance(error, dict) else ""
    return f"{event.get('event')}: " + ": ".join(part for part in (subject, reason) if part)


def discard(stream: TextIO) -> None:
    """Send what is still buffered for a broken stream to the null device; else it fails again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def prepare_streams() -> None:
    """Make stdout take any text, and open the null device for standard streams that are closed (`>&-`).

    Otherwise the next file that is opened would get the descriptor of stdout.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - stays open until exit
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout = patient(sys.stdout, PatientFile)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = patient(sys.stderr, ForgetfulFile)


@contextlib.contextmanager
def check_stdout() -> Iterator[None]:
    """Around writes to stdout, which may be a file on a full disk. Raises `StorageError` for an `OSError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        discard(sys.stdout)
        raise StorageError(f"stdout cannot be written: {failure.strerror}") from None


@contextlib.contextmanager
def ignore_lost_stderr() -> Iterator[None]:
    """Around writes to stderr: a terminal that has gone does not end the run."""
    try:
        yield
    except OSError:
        discard(sys.stderr)


class PatientFile(io.RawIOBase):
    """Waits until a descriptor can be written that does not block: node, ssh, CI runners and asyncio leave
    them so. The flag is not taken off: other processes share it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]  # typeshed has another name for it
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                wait_writable(self._fd, None)


class ForgetfulFile(PatientFile):
    """For messages: drops them where a pipe or socket is full and stays so, as under a supervisor that never
    reads. Later ones come through again as soon as there is room."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._patience = PATIENCE_SECONDS

    def write(self, data: Buffer, /) -> int:  # type: ignore[override]
        if not wait_writable(self._fd, self._patience):
            self._patience = 0.0
            return len(data)
        self._patience = PATIENCE_SECONDS
        try:
            return os.write(self._fd, memoryview(data)[:ATOMIC_BYTES])
        except BlockingIOError:
            return len(data)


def wait_writable(fd: int, seconds: float | None) -> bool:
    """Whether a descriptor can be written, after at most so many seconds; None: wait for ever."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


def patient(stream: TextIO, kind: type[PatientFile]) -> TextIO:
    """The same stream, written by such a file if it is a pipe or a socket."""
    if sys.platform == "win32":
        return stream
    try:
        mode = os.fstat(fd := stream.fileno()).st_mode
    except (OSError, ValueError):
        return stream
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return stream
    buffer = io.BufferedWriter(kind(fd))  # type: ignore[type-var]  # any RawIOBase will do
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=kind is ForgetfulFile)
