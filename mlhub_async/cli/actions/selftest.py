"""`selftest`: prints each check of the disk as it is done, then whether the disk can hold a mirror."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from ...core.errors import StorageError
from ...core.telemetry import Events
from ..selftest.checks import Row, Verdict
from ..selftest.runner import run_checks
from ..terminal.console import Console
from ..terminal.output import print_lines, print_message

NAME_WIDTH = 26
MARKS = {Verdict.OK: "ok", Verdict.WARNING: "WARN", Verdict.FAILED: "FAIL"}


def run_selftest(directory: str, kills: int, console: Console) -> int:
    return console.run(lambda: _selftest(Path(directory), kills, console))


async def _selftest(directory: Path, kills: int, console: Console) -> int:
    events, rows = Events(console.emit), []
    async with aclosing(run_checks(directory, kills)) as results:
        async for row in results:
            rows.append(row)
            if console.as_json:
                events.emit("check", **_as_json(row))
            elif not console.quiet or row.verdict is not Verdict.OK:
                print_lines([_line(row)])
    failed = [row for row in rows if row.verdict is Verdict.FAILED]
    code = StorageError.exit_code if failed else 0
    events.emit("summary", exit_code=code, dir=str(directory), failed=[row.name for row in failed])
    if failed:
        print_message(f"mlhub-async: {directory} cannot hold a mirror: {failed[0].advice}")
    else:
        console.say(f"{directory} can hold a mirror")
    return code


def _line(row: Row) -> str:
    advice = f"; {row.advice}" if row.advice else ""
    return f"{MARKS[row.verdict]:<5} {row.name:<{NAME_WIDTH}} {row.found}{advice}"


def _as_json(row: Row) -> dict[str, object]:
    return {
        "check": row.name,
        "verdict": row.verdict.value,
        "found": row.found,
        "advice": row.advice or None,
        "seconds": round(row.seconds, 3),
    }
