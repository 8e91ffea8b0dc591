"""`lock`, and `diff` of two lockfiles."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....core.errors import UsageError
from ....core.options import Options
from ....core.telemetry import Events
from ....core.urls import term_safe
from ....engine.planning.lock_check import CheckedFile, Found, check_lockfile
from ....engine.planning.locked_changes import LockedChange, locked_changes
from ....engine.planning.lockfile import lock, lock_lines
from ...terminal.console import Console
from ...terminal.output import check_stdout, print_lines

STDOUT = "-"
_MARKS = {"added": "+", "removed": "-", "changed": "~"}


def run_lock(dest: str, output: str, console: Console) -> int:
    """Write the lockfile of `dest` to a file, or to stdout for "-".

    Raises `UsageError` for a mirror that is not there or not complete, `StorageError` where a disk refuses.
    """
    if output == STDOUT:
        if console.as_json:
            raise UsageError("-o - and --json both write to stdout: give a file with -o, or leave out --json")
        with check_stdout():
            sys.stdout.buffer.writelines(lock_lines(Path(dest)))
            sys.stdout.buffer.flush()
        return 0
    lock(dest, output)
    if console.as_json:
        Events(console.emit).emit("summary", path=output, exit_code=0)
    return 0


def run_lock_check(path: str, options: Options, console: Console) -> int:
    """Print which files of a lockfile are not the same any more where they come from.

    Exit code 0 if all are, 4 if some are not, 5 if some could not be asked for at present. Raises
    `UsageError` for what is no local file.
    """
    if not Path(path).is_file():
        raise UsageError(f"--check needs a lockfile on this machine, not {term_safe(path, 300)}")
    return console.run(lambda: _check(path, options, console))


async def _check(path: str, options: Options, console: Console) -> int:
    events = Events(console.emit)

    def show(checked: CheckedFile) -> None:
        if console.as_json:
            events.emit("upstream", **_about(checked))
        else:
            print_lines([_checked_line(checked)])

    found = await check_lockfile(Path(path), options, os.environ, show)
    counts = {kind.value: found.found[kind] for kind in Found}
    if console.as_json:
        same = {"decided": dict(found.decided), "received": found.received}
        events.emit("summary", **counts, **same, exit_code=found.exit_code)
        return found.exit_code
    others = ", ".join(f"{n} {_FOUND[kind]}" for kind, n in found.found.items() if kind is not Found.SAME)
    how = ", ".join(f"{found.decided[by]} {words}" for by, words in _DECIDED.items() if found.decided[by])
    print_lines([f"{found.found[Found.SAME]} files are the same" + (f" ({how})" if how else "")])
    print_lines([others] if others else [])
    return found.exit_code


_FOUND = {
    Found.GONE: "are gone",
    Found.SIZE: "have another size",
    Found.DIGEST: "have other bytes",
    Found.REFUSED: "may not be read",
    Found.UNKNOWN: "cannot be asked for",
    Found.FAILED: "could not be asked for at present: check again",
}
_DECIDED = {
    "listing": "by what the catalogue publishes",
    "request": "by a conditional request",
    "head": "by a digest in the head of an answer",
    "body": "by their bytes, which were read",
}


def _checked_line(checked: CheckedFile) -> str:
    mark = {Found.GONE: "-", Found.SIZE: "~", Found.DIGEST: "~"}.get(checked.found, "!")
    why = f": {checked.why}" if checked.why else ""
    return term_safe(f"{mark} {checked.row.path} ({checked.found.value}{why})", 1000)


def _about(checked: CheckedFile) -> dict[str, Any]:
    row = checked.row
    named = {"collection": row.collection, "item": row.item or None, "key": row.key, "path": row.path}
    return {**named, "found": checked.found.value, "by": checked.by or None, "why": checked.why or None}


def run_lock_diff(one: str, other: str, console: Console, *, fails: bool) -> int:
    """Print what differs between two lockfiles. `fails`: end with exit code 4 if something does."""
    counts: Counter[str] = Counter()

    def lines() -> Iterator[str]:
        for change in locked_changes(Path(one), Path(other)):
            counts[change.kind] += 1
            yield _line(change)

    if console.as_json:
        events = Events(console.emit)
        for change in locked_changes(Path(one), Path(other)):
            counts[change.kind] += 1
            events.emit("diff", **_members(change))
        events.emit("summary", **{kind: counts[kind] for kind in _MARKS}, exit_code=_code(counts, fails))
    else:
        print_lines(lines())
        print_lines(
            [", ".join(f"{counts[kind]} {kind}" for kind in _MARKS if counts[kind]) or "no difference"]
        )
    return _code(counts, fails)


def _code(counts: Counter[str], fails: bool) -> int:
    return 4 if fails and counts else 0


def _line(change: LockedChange) -> str:
    return f"{_MARKS[change.kind]} {term_safe(change.path, 1000)}"


def _members(change: LockedChange) -> dict[str, Any]:
    return {"change": change.kind, "path": change.path, "collection": change.collection, "item": change.item}
