"""`verify`: checks a mirror offline and names what is damaged."""

from __future__ import annotations

from pathlib import Path

from ...core.telemetry import Events
from ...engine.verify import verify
from ..console import Console
from ..output import print_message


def run_verify(dest: str, workers: int | None, console: Console, *, deep: bool) -> int:
    return console.run(lambda: _verify(Path(dest), workers, console, deep))


async def _verify(dest: Path, workers: int | None, console: Console, deep: bool) -> int:
    found = await console.show_progress(verify(dest, workers=workers, meter=console.meter, deep=deep))
    Events(console.emit).emit("summary", **found.as_json())
    lines = list(found.lines())
    damage_lines, closing_lines = lines[: len(found.damage)], lines[len(found.damage) :]
    for line in damage_lines:
        print_message(line)  # also with -q: it is the result of the command
    say = console.say if found.ok or found.damage else console.warn
    for line in closing_lines:
        say(line)
    return found.exit_code
