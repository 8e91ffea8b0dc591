"""`status`: prints the counts of a mirror's ledger."""

from __future__ import annotations

from pathlib import Path

from ...core.telemetry import Events
from ...engine.verify import status
from ..console import Console
from ..output import print_lines


def run_status(dest: str, console: Console) -> int:
    """Raises `UsageError` if there is no mirror at `dest`."""
    report = status(Path(dest))
    if console.as_json:
        Events(console.emit).emit("summary", **report.as_json())
    else:
        print_lines(report.lines())
    return 0
