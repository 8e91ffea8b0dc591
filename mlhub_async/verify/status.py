"""What the ledger says of a mirror, per collection and per class of failure. No file is looked at."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..ledger.schema import DONE, FAILED
from ..progress import human
from ..urls import term_safe
from .reading import LEDGER, reading, receipt_of


@dataclass(slots=True)
class CollectionStatus:
    """Assets of one collection. `planned`: wanted, and nothing became of them yet."""

    done: int = 0
    failed: int = 0
    planned: int = 0
    bytes: int = 0


@dataclass(slots=True)
class StatusReport:
    """Collections and failures by name; `receipt` is that of the last run that wrote one."""

    collections: dict[str, CollectionStatus] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    receipt: dict[str, Any] | None = None

    def lines(self) -> Iterator[str]:
        for name, one in self.collections.items():
            counts = f"{one.done} done, {one.failed} failed, {one.planned} to do, {human(one.bytes)}"
            yield f"{term_safe(name)}: {counts}"
        for kind, count in self.failures.most_common():
            yield f"failed, {term_safe(kind)}: {count}"
        if self.interrupted:
            yield "the last run was interrupted or is still going on"
        elif self.receipt is not None:
            told = (self.receipt.get(name) for name in ("finished", "exit_code", "source"))
            yield "last run ended {} with exit code {}, source {}".format(*map(term_safe, told))

    def as_json(self) -> dict[str, Any]:
        """What `status --json` says."""
        collections = {
            name: {"done": one.done, "failed": one.failed, "planned": one.planned, "bytes": one.bytes}
            for name, one in self.collections.items()
        }
        rest = {"interrupted": self.interrupted, "receipt": self.receipt}
        return {"collections": collections, "failures": dict(self.failures), **rest}


def status(dest: Path) -> StatusReport:
    """Raises `UsageError` if there is no mirror at `dest`, `StorageError` if its ledger is broken."""
    report = StatusReport()
    try:
        with reading(dest) as past:
            report.interrupted = not past.ended
            for collection, state, kind, files, size in past.book.tally():
                _add(report, collection, state, kind, files, size)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{LEDGER} is broken ({error}); the next mirror run rebuilds it") from None
    try:
        report.receipt = receipt_of(dest)
    except ValueError:
        report.receipt = None
    return report


def _add(report: StatusReport, collection: str, state: int, kind: str, files: int, size: int) -> None:
    one = report.collections.setdefault(collection, CollectionStatus())
    if state == DONE:
        one.done += files
        one.bytes += size
    elif state == FAILED:
        one.failed += files
        report.failures[kind or "unknown"] += files
    else:
        one.planned += files
