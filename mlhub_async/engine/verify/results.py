"""What a verification found, for people and for programs."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import StorageError
from ...core.telemetry import human_size
from ...core.urls import term_safe
from ...storage.ledger.schema import DONE, FAILED
from .snapshot import LEDGER, reading, receipt_of

DAMAGED, UNFINISHED = 6, 5


@dataclass(frozen=True, slots=True)
class Damage:
    """One path that is not what the ledger or the receipt promises.

    `reason` is one of missing, size, digest, structure, not a regular file, unreadable, not JSON, manifest,
    balance.
    """

    path: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{term_safe(self.path, 300)}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(slots=True)
class Verification:
    """The state of a mirror. `exit_code` is 0 only for a copy that is complete, whole and proven."""

    files: int = 0
    bytes: int = 0
    unhashed: int = 0
    """files whose digest the ledger does not know: only their size was compared"""
    damage: list[Damage] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """files that are not ours: no damage"""
    interrupted: bool = False
    """the last run came to no orderly end: run it again"""
    receipt: dict[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """6 for damage, 5 after an interrupted run, else that of the run which the receipt is of."""
        if self.damage:
            return DAMAGED
        return UNFINISHED if self.interrupted or self.receipt is None else int(self.receipt["exit_code"])

    @property
    def ok(self) -> bool:
        return self.exit_code == 0

    def lines(self) -> Iterator[str]:
        """One line for each damaged path, then what else there is to know."""
        yield from map(str, self.damage)
        if self.foreign:
            yield f"{len(self.foreign)} files are not of the mirror, e.g. {term_safe(self.foreign[0], 300)}"
        if self.unhashed:
            yield f"{self.unhashed} files were compared by size only: no digest of them is known"
        if self.interrupted:
            yield "the last run was interrupted or is still going on: run it again to complete the copy"
        elif not self.damage and self.exit_code:
            yield f"the last run was incomplete (exit code {self.exit_code}): what it did fetch is intact"
        verdict = f"{len(self.damage)} damaged" if self.damage else "no damage"
        yield f"{self.files} files, {human_size(self.bytes)} read: {verdict}"

    def as_json(self) -> dict[str, Any]:
        """What `verify --json` says in its last line."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "unhashed": self.unhashed,
            "damage": [{"path": d.path, "reason": d.reason, "detail": d.detail} for d in self.damage],
            "foreign": len(self.foreign),
            "interrupted": self.interrupted,
            "exit_code": self.exit_code,
        }


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
            counts = f"{one.done} done, {one.failed} failed, {one.planned} to do, {human_size(one.bytes)}"
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
            for collection, state, kind, files, size in past.book.count_assets():
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
