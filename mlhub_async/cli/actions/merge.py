"""`merge`: joins the shards of a mirror, or says which of them has to be run again."""

from __future__ import annotations

from ...core.telemetry import Events
from ...engine.mirror import merge
from ...engine.report.receipt import Report
from ..terminal.console import Console
from ..terminal.output import BAD, GOOD


def run_merge(dest: str, console: Console) -> int:
    return console.run(lambda: _merge(dest, console))


async def _merge(dest: str, console: Console) -> int:
    report = await merge(dest)
    Events(console.emit).emit(**report.summary())
    say = console.say if report.ok else console.warn
    say(_line(report), GOOD if report.ok else BAD)
    return report.exit_code


def _line(report: Report) -> str:
    shards, unique = report.listing.remarks.receipt["joined"], report.listing.unique
    there = sum(report.proofs.values())
    state = "complete" if report.ok else f"not complete (exit code {report.exit_code}, see errors.jsonl)"
    counts = f"{unique} items, {there} of {report.selected} assets"
    return f"{shards} shards joined: {counts}; the mirror is {state}"
