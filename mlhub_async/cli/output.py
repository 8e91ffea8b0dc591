"""Single lines for people and programs, and the options that say which of them are wanted."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO, TypeVar

import click
import orjson

from ..core.errors import MlhubError, StorageError
from ..core.urls import inert, inert_json, redacted, term_safe

C = TypeVar("C", bound=Callable[..., Any])

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'\"]+")

BROKEN_PIPE = 141
"""the exit code when nobody reads our stdout any more, as the shell has it"""


def output(command: C) -> C:
    """The options of every command that say how it talks; they arrive together as `screen`."""
    click.option("--json", "as_json", is_flag=True, help="JSON lines on stdout.")(command)
    click.option("-v", "--verbose", count=True, help="Say more: failures and retries, -vv every file.")(
        command
    )
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(command)
    return command


def plain(line: str) -> str:
    """What may stand on one line of a terminal; tabs may, being ours. Everything that is said passes here."""
    return "\t".join(map(inert, line.split("\t")))


def say(line: str) -> None:
    """One line to stderr; nobody has to be listening."""
    with for_whoever_reads():
        print(plain(line), file=sys.stderr, flush=True)


def show(lines: Iterable[str]) -> None:
    """The answer to a question, on stdout."""
    with somewhere_to_write():
        for line in lines:
            print(plain(line))


def summary(code: int, error: dict[str, object] | None = None) -> dict[str, object]:
    """The last event of a command that has nothing else to sum up."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"event": "summary", "ts": now, "exit_code": code} | ({"error": error} if error else {})


def error(message: str) -> None:
    say(f"mlhub-async: error: {term_safe(' '.join(message.split()), 1000)}")


def warning(message: Warning | str, *_: object, **__: object) -> None:
    """Stands in for `warnings.showwarning`."""
    say(warned(message))


def warned(message: Warning | str) -> str:
    return f"mlhub-async: warning: {term_safe(str(message), 1000)}"


def crash(kind: type[BaseException], failure: BaseException, trace: TracebackType | None) -> None:
    """Stands in for `sys.excepthook`: who knows what another library has put into its message."""
    for line in "".join(traceback.format_exception(kind, failure, trace)).rstrip().split("\n"):
        say(_URL.sub(lambda found: redacted(found[0]), line))


def encoded(value: object) -> bytes:
    """JSON on one line that does nothing to a terminal either."""
    try:
        return inert_json(orjson.dumps(value, default=str))
    except orjson.JSONEncodeError:  # text that is not Unicode, which the other encoder escapes
        return inert_json(json.dumps(value, default=str).encode("ascii"))


def abandon(stream: TextIO) -> None:
    """Let what is still to be written to a broken stream go nowhere, instead of failing at the very end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def prepare_streams() -> None:
    """Streams that take any text, and lead nowhere where they were closed (`>&-`): else the next file that
    is opened would be our stdout.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for as long as we run
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def somewhere_to_write() -> Iterator[None]:
    """Around what is written to stdout: it may be a file on a full disk."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as failure:
        abandon(sys.stdout)
        raise StorageError(f"stdout cannot be written: {failure.strerror}") from None


@contextlib.contextmanager
def for_whoever_reads() -> Iterator[None]:
    """Around what is written to stderr: a terminal that is gone must not end the run."""
    try:
        yield
    except OSError:
        abandon(sys.stderr)


def event_line(event: Mapping[str, object]) -> str:
    """An event on one line, safe for a terminal."""
    names = (event.get("collection"), event.get("item"), event.get("key"))
    where = "/".join(term_safe(name) for name in names if name) or term_safe(event.get("href") or "")
    error = event.get("error")
    why = term_safe(error.get("message", ""), 300) if isinstance(error, dict) else ""
    return f"{event.get('event')}: " + ": ".join(part for part in (where, why) if part)


def as_event(failure: MlhubError) -> dict[str, object]:
    """An error as events have it."""
    return {"class": failure.kind, "message": failure.message, "retryable": failure.retryable}
