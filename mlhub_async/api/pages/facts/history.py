"""The runs of a mirror: what each was asked for, how it ended, and how fast files came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from ....core.json_text import loads
from ....core.urls import redacted
from ....stac.datetimes import parse_instant
from ....storage.ledger.database import Statements
from ....storage.ledger.lookups.overview import RunRow, finished_between, last_runs, last_written_ns
from .advice import UNFINISHED, Verdict, verdict_of

MAX_RUNS = 20
STEPS = 60
"""Steps of time of one run."""
SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
CLOCK_STEP_NS = 10_000_000
"""How far the time of a file can lie behind the clock. Kernels may take it from a clock that moves 100 times
a second.
"""


@dataclass(slots=True)
class RunFacts:
    """One run. `exit_code` and `finished` are None for one that was killed or is still going on."""

    number: int
    source: str
    """without secrets"""
    selection: dict[str, Any]
    started: datetime | None
    finished: datetime | None
    exit_code: int | None

    @property
    def verdict(self) -> Verdict:
        return UNFINISHED if self.exit_code is None else verdict_of(self.exit_code)

    @property
    def seconds(self) -> float | None:
        if self.started is None or self.finished is None:
            return None
        return (self.finished - self.started).total_seconds()


@dataclass(slots=True)
class Throughput:
    """What a run brought in each step of its time. `run`: None where no run has brought a file."""

    run: RunFacts | None = None
    step_seconds: float = 0.0
    files: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)


def read_runs(book: Statements) -> list[RunFacts]:
    """The last runs, the newest first."""
    return [_run(row) for row in last_runs(book.database, MAX_RUNS)]


def _run(row: RunRow) -> RunFacts:
    try:
        selection = loads(row.selection)
    except ValueError:
        selection = {}
    finished = parse_instant(row.finished)
    return RunFacts(
        row.number,
        redacted(row.source),
        selection if isinstance(selection, dict) else {},
        parse_instant(row.started),
        finished,
        row.exit_code,
    )


def read_throughput(book: Statements, runs: list[RunFacts]) -> Throughput:
    """That of the last run that has brought files, by the times when these were written.

    It needs no record but the ledger's. A file counts when it is complete.
    """
    newest = last_written_ns(book.database)
    for run, before in pairwise([*runs, None]) if newest is not None else ():
        if run is None or run.started is None:
            continue
        first = _nanoseconds(run.started)
        last = newest if run.finished is None else _end(run.finished)
        step = max((last or 0) - first, STEPS) // STEPS + 1
        ended = 0 if before is None or before.finished is None else _end(before.finished)
        earliest = max(first - CLOCK_STEP_NS, min(ended, first))
        if rows := finished_between(book.database, earliest, first, step, STEPS):
            found = Throughput(run, step / SECOND_NS, [0] * STEPS, [0] * STEPS)
            for number, files, size in rows:
                found.files[number], found.bytes[number] = files, size
            return found
    return Throughput()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) * MILLISECOND_NS


def _end(moment: datetime) -> int:
    """The end of the millisecond that `moment` names: the ledger keeps no finer times."""
    return _nanoseconds(moment) + MILLISECOND_NS
