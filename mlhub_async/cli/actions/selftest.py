"""What `selftest` does: show each row of the table as it becomes known, and sum them up."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from ...core.errors import StorageError
from ...core.telemetry import Events
from ..console import Console
from ..output import say, show
from ..selftest.checks import Row, Verdict
from ..selftest.runner import examine

WIDTH = 26
MARKS = {Verdict.OK: "ok", Verdict.WARNING: "WARN", Verdict.FAILED: "FAIL"}


def run_selftest(directory: str, kills: int, screen: Console, *, quiet: bool) -> int:
    return screen.run(lambda: _examined(Path(directory), kills, screen, quiet))


async def _examined(directory: Path, kills: int, screen: Console, quiet: bool) -> int:
    events, rows = Events(screen.event), []
    async with aclosing(examine(directory, kills)) as found:
        async for row in found:
            rows.append(row)
            if screen.as_json:
                events.emit("check", **_as_json(row))
            elif not quiet or row.verdict is not Verdict.OK:
                show([_line(row)])
    failed = [row for row in rows if row.verdict is Verdict.FAILED]
    code = StorageError.exit_code if failed else 0
    events.emit("summary", exit_code=code, dir=str(directory), failed=[row.name for row in failed])
    if failed:
        say(f"mlhub-async: {directory} cannot hold a mirror: {failed[0].advice}")
    else:
        screen.say(f"{directory} can hold a mirror")
    return code


def _line(row: Row) -> str:
    advice = f"; {row.advice}" if row.advice else ""
    return f"{MARKS[row.verdict]:<5} {row.name:<{WIDTH}} {row.found}{advice}"


def _as_json(row: Row) -> dict[str, object]:
    seconds = round(row.seconds, 3)
    told = {"check": row.name, "verdict": row.verdict.value, "found": row.found}
    return {**told, "advice": row.advice or None, "seconds": seconds}
