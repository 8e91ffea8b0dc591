"""Gathers everything that the report of a mirror says, from a snapshot of its ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ....engine.verify.checks import receipt_damage
from ....engine.verify.snapshot import read_mirror
from .advice import NO_RECEIPT, Verdict, verdict_of
from .contents import Contents, read_contents
from .failures import Failures, read_failures
from .history import RunFacts, Throughput, read_runs, read_throughput


@dataclass(frozen=True, slots=True)
class MirrorFacts:
    """What a report says. `receipt`: of the last run, or {} where that run has written none.

    `manifest_matches`: whether the ledger has the files and counts of the receipt.
    """

    dest: Path
    made: datetime
    verdict: Verdict
    runs: list[RunFacts]
    receipt: dict[str, Any]
    manifest_matches: bool
    contents: Contents
    failures: Failures
    throughput: Throughput

    @property
    def last_run(self) -> RunFacts:
        return self.runs[0]


def gather(dest: Path) -> MirrorFacts:
    """Read the mirror at `dest`; a run may be going on. Reads each item's document, and no asset.

    Raises `UsageError` if there is no mirror, `StorageError` if its ledger is broken or cannot be read.
    """
    with read_mirror(dest) as snapshot:
        book, run = snapshot.statements, snapshot.run_id
        receipt, damage = receipt_damage(dest, snapshot) if snapshot.finished else (None, [])
        runs = read_runs(book)
        return MirrorFacts(
            dest=dest,
            made=datetime.now(UTC),
            verdict=_verdict(runs[0], receipt or {}),
            runs=runs,
            receipt=receipt or {},
            manifest_matches=not damage,
            contents=read_contents(dest, book),
            failures=read_failures(book, run),
            throughput=read_throughput(book, runs),
        )


def _verdict(run: RunFacts, receipt: dict[str, Any]) -> Verdict:
    if run.exit_code is None:
        return run.verdict
    code = receipt.get("exit_code")
    return verdict_of(code) if type(code) is int else NO_RECEIPT
