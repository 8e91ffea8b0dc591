"""The results of `verify` and `status`, as lines of text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.telemetry import human_size
from ...core.urls import term_safe
from ...storage.ledger.schema import ABSENT, DONE, FAILED
from .snapshot import read_mirror, receipt_of

EXIT_DAMAGED, EXIT_UNFINISHED = 6, 5


@dataclass(frozen=True, slots=True)
class Damage:
    """One path that differs from the ledger or the receipt.

    `reason` is one of missing, size, digest, structure, not a regular file, unreadable, not JSON, manifest,
    balance. `path` is relative to DEST.
    """

    path: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{term_safe(self.path, 300)}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


@dataclass(slots=True)
class Verification:
    """The state of a mirror. `exit_code` is 0 only for a copy that is complete and undamaged."""

    files: int = 0
    bytes: int = 0
    unhashed: int = 0
    """files without a recorded digest: only their size was compared"""
    damage: list[Damage] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """files that are not part of the mirror: no damage"""
    interrupted: bool = False
    """the last run was killed or is still going on"""
    receipt: dict[str, Any] | None = None

    @property
    def exit_code(self) -> int:
        """6 for damage, 5 after an interrupted run, else that of the run which the receipt is of."""
        if self.damage:
            return EXIT_DAMAGED
        return EXIT_UNFINISHED if self.interrupted or self.receipt is None else int(self.receipt["exit_code"])

    @property
    def ok(self) -> bool:
        """Whether the copy is complete and undamaged."""
        return self.exit_code == 0

    def lines(self) -> Iterator[str]:
        """Lines for people: one for each damaged path, then warnings and the totals."""
        yield from map(str, self.damage)
        if self.foreign:
            example = term_safe(self.foreign[0], 300)
            yield f"{len(self.foreign)} files are not part of the mirror, e.g. {example}"
        if self.unhashed:
            yield f"{self.unhashed} files were compared by size only: no digest of them is recorded"
        if self.interrupted:
            yield "the last run was interrupted or is still going on: run it again to complete the copy"
        elif not self.damage and self.exit_code:
            yield f"the last run was incomplete (exit code {self.exit_code}): what it fetched is intact"
        verdict = f"{len(self.damage)} damaged" if self.damage else "no damage"
        yield f"{self.files} files, {human_size(self.bytes)} read: {verdict}"

    def as_json(self) -> dict[str, Any]:
        """The members of the last event of `verify --json`."""
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
    """Numbers of assets of one collection. `planned`: selected, without an outcome yet."""

    done: int = 0
    failed: int = 0
    planned: int = 0
    bytes: int = 0


@dataclass(slots=True)
class StatusReport:
    """Numbers of assets by collection, and of failures by kind. `receipt`: of the last run that wrote one."""

    collections: dict[str, CollectionStatus] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    receipt: dict[str, Any] | None = None

    def lines(self) -> Iterator[str]:
        """Lines for people: collections, failures, the last run."""
        for name, one in self.collections.items():
            counts = f"{one.done} done, {one.failed} failed, {one.planned} to do, {human_size(one.bytes)}"
            yield f"{term_safe(name)}: {counts}"
        for kind, count in self.failures.most_common():
            yield f"failed, {term_safe(kind)}: {count}"
        if self.interrupted:
            yield "the last run was interrupted or is still going on"
        elif self.receipt is not None:
            values = (self.receipt.get(name) for name in ("finished", "exit_code", "source"))
            yield "last run ended {} with exit code {}, source {}".format(*map(term_safe, values))

    def as_json(self) -> dict[str, Any]:
        """The JSON object that `status --json` prints."""
        collections = {
            name: {"done": one.done, "failed": one.failed, "planned": one.planned, "bytes": one.bytes}
            for name, one in self.collections.items()
        }
        rest = {"interrupted": self.interrupted, "receipt": self.receipt}
        return {"collections": collections, "failures": dict(self.failures), **rest}


def status(dest: Path) -> StatusReport:
    """The status of the mirror at `dest` by its ledger; no file is read.

    Raises `UsageError` if there is no mirror, `StorageError` if its ledger is broken.
    """
    report = StatusReport()
    with read_mirror(dest) as snapshot:
        report.interrupted = not snapshot.finished
        for collection, state, kind, files, size in snapshot.statements.count_assets():
            _add(report, collection, state, kind, files, size)
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
    elif state != ABSENT:
        one.planned += files
