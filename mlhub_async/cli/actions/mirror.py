"""What `mirror` does, from `Options` to the last line on the screen."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...core.options import Options
from ...engine.mirror import mirror
from ..console import Screen
from .closing import closing_lines


def run_mirror(source: str, dest: str, options: Options, screen: Screen) -> int:
    return screen.run(lambda: copied(source, dest, options, screen, os.environ))


async def copied(source: str, dest: str, options: Options, screen: Screen, environ: Mapping[str, str]) -> int:
    """Mirror, and say what became of it. Returns the exit code."""
    report = await screen.watching(
        mirror(source, dest, options, meter=screen.meter, events=screen.listener, environ=environ)
    )
    for line in closing_lines(report):
        (screen.say if report.ok else screen.insist)(line)
    return report.exit_code
