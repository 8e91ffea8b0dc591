"""What `verify` and `status` do: look at a mirror that is there, without a network."""

from __future__ import annotations

from pathlib import Path

from ...core.telemetry import Events
from ...engine.verify import status, verify
from ..console import Console
from ..output import say, show


def run_verify(dest: str, workers: int | None, screen: Console, *, deep: bool) -> int:
    return screen.run(lambda: _verified(Path(dest), workers, screen, deep))


async def _verified(dest: Path, workers: int | None, screen: Console, deep: bool) -> int:
    found = await screen.watching(verify(dest, workers=workers, meter=screen.meter, deep=deep))
    Events(screen.event).emit("summary", **found.as_json())
    lines = list(found.lines())
    for line in lines[: len(found.damage)]:
        say(line)  # also with -q: this is what it was asked
    quietly = found.ok or found.damage
    for line in lines[len(found.damage) :]:
        (screen.say if quietly else screen.warn)(line)
    return found.exit_code


def run_status(dest: str, screen: Console) -> int:
    report = status(Path(dest))
    if screen.as_json:
        Events(screen.event).emit("summary", **report.as_json())
    else:
        show(report.lines())
    return 0
