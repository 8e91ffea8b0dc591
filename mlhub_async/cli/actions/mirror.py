"""`mirror`: copies a catalogue and prints the summary of the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ...core.errors import UsageError
from ...core.options import Options
from ...engine.mirror import mirror
from ..terminal.console import Console
from .summary import closing_lines

STDIN = "-"


def run_mirror(source: str, dest: str, options: Options, console: Console) -> int:
    return console.run(lambda: mirror_and_summarise(source, dest, options, console, os.environ))


def run_mirror_repeatedly(
    source: str,
    dest: str,
    options: Options,
    console: Console,
    every: float,
    reread: Callable[[], tuple[float | None, Options]],
) -> int:
    """Mirror again every so many seconds, until a signal; see `Repetition`."""
    from ..terminal.repetition import Repetition

    if source == STDIN:
        raise UsageError("--every cannot read stdin a second time: give a file as SOURCE")

    async def repeat() -> int:
        repetition = Repetition(console, every, options, reread)
        return await repetition.run(lambda now: mirror_and_summarise(source, dest, now, console, os.environ))

    return console.run(repeat)


async def mirror_and_summarise(
    source: str, dest: str, options: Options, console: Console, environ: Mapping[str, str]
) -> int:
    """Mirror with progress, then print the closing lines. Returns the exit code."""
    report = await console.show_progress(
        mirror(source, dest, options, meter=console.meter, events=console.listener, environ=environ)
    )
    console.conclude(closing_lines(report), good=report.ok)
    return report.exit_code
