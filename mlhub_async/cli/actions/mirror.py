"""`mirror`: copies a catalogue and prints the summary of the run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...core.options import Options
from ...engine.mirror import mirror
from ..console import Console
from .summary import closing_lines


def run_mirror(source: str, dest: str, options: Options, console: Console) -> int:
    return console.run(lambda: mirror_and_summarise(source, dest, options, console, os.environ))


async def mirror_and_summarise(
    source: str, dest: str, options: Options, console: Console, environ: Mapping[str, str]
) -> int:
    """Mirror with progress, then print the closing lines. Returns the exit code."""
    report = await console.show_progress(
        mirror(source, dest, options, meter=console.meter, events=console.listener, environ=environ)
    )
    say = console.say if report.ok else console.warn
    for line in closing_lines(report):
        say(line)
    return report.exit_code
