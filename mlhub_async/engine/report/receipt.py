"""`Report`: the counts of a run, which must balance, its exit code, and the content of receipt.json."""

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from ... import __version__
from ...core.errors import CatalogError, MlhubError, NothingMatched
from ...core.model import AFTER_REFERENCE, REFERENCE_VIA, Concern, Flaw, Outcome, Proof, Status
from ...core.options import ASSET_CONDITIONS, ITEM_CONDITIONS
from ...core.telemetry import human_size
from ...core.urls import StoreAddress, term_safe
from ...storage.layout import ERRORS_FILE, RECEIPT_FILE, in_state, shard_state
from .completeness import Completeness
from .empty_selection import Offered, matches_nothing

_status_of, _received_of = attrgetter("status"), attrgetter("received")
_size_of, _proof_of = attrgetter("record.size"), attrgetter("record.proof")
_via_of = attrgetter("job.asset.via")
MAX_FAILURES = 1000
"""Failures that are kept in memory; all of them are in errors.jsonl."""
MAX_SHOWN_FAILURES = 10
"""In the table of a notebook."""
MAX_EXAMPLES = 5
INTERRUPTED_EXIT_CODE = 130
"""Of a run that was cancelled; a number given to `Task.cancel` as its message is the exit code instead."""


def exit_code_of(stopped: BaseException) -> int:
    """The exit code of a run that an exception has ended."""
    if isinstance(stopped, asyncio.CancelledError):
        signalled = stopped.args[:1]
        return signalled[0] if signalled and isinstance(signalled[0], int) else INTERRUPTED_EXIT_CODE
    return stopped.exit_code if isinstance(stopped, MlhubError) else 1


class Kept(enum.StrEnum):
    """Why `--prune` keeps a file that the run has not listed; the name of its count in the receipt."""

    NOT_LISTED = "kept_not_listed"
    """of a collection that was not listed completely, such as the scenes of a label that left"""
    NOT_SELECTED = "kept_not_selected"
    """of an item that was listed, without this asset by a selection of assets"""
    OTHER_SOURCE = "kept_of_other_sources"
    """of another source that has the same DEST"""


@dataclass(slots=True, eq=False, repr=False)
class Pruned:
    """What --prune removed, or why it removed nothing (`refused`).

    `kept` files were changed since they were written, so they were not removed; `examples` are paths of some.
    `kept_by_scope`: files that the run says nothing about.
    """

    assets: int = 0
    items: int = 0
    bytes: int = 0
    kept: int = 0
    examples: list[str] = field(default_factory=list)
    kept_by_scope: Counter[Kept] = field(default_factory=Counter)
    refused: str = ""

    def count(self, path: str, asset: bool, size: int, removed: bool | None) -> None:
        """Count one file. `removed` is False if it was kept, None if it did not exist."""
        if removed:
            self.assets += asset
            self.items += not asset
            self.bytes += size
        elif removed is False:
            self.kept += 1
            self.examples += [path] if len(self.examples) < MAX_EXAMPLES else []

    def receipt(self) -> dict[str, Any]:
        kept = {reason.value: self.kept_by_scope[reason] for reason in Kept}
        return {"assets": self.assets, "items": self.items, "bytes": self.bytes, "kept": self.kept, **kept}


@dataclass(slots=True, eq=False, repr=False)
class ReferenceCount:
    """What one reference gave to a run: `files`, and their `bytes`. `failed`: files that came from their
    origin as it could not give them, by the kind of its error."""

    files: int = 0
    bytes: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def receipt(self) -> dict[str, Any]:
        failed = {"failed": dict(self.failed)} if self.failed else {}
        return {"files": self.files, "bytes": self.bytes, **failed}


@dataclass(slots=True, eq=False, repr=False)
class Report:
    """The result of a mirror.

    `bytes` is the size of all files on disk, `received` counts the bytes read from the network, `seconds` is
    wall time. `failed` holds the failed outcomes (the first thousand), `failures` counts them all; `lasting`
    counts those that another run would not mend. `stopped` is the exception that ended the run early, if any.
    """

    source: str
    dest: Path | StoreAddress
    selection: dict[str, Any]
    started: str
    listing: Completeness = field(default_factory=Completeness)
    selected: int = 0
    fetched: int = 0
    skipped: int = 0
    failures: int = 0
    lasting: int = 0
    temporary: int = 0
    unmatched: int = 0
    allow_empty: bool = False
    offered: Offered = field(default_factory=Offered)
    filtered: int = 0
    duplicates: int = 0
    basis: dict[str, Any] = field(default_factory=dict)
    """with --full-every: whether the listing was a full one, why, or what a listing of changes relies on"""
    carried: int = 0
    """items that were taken over from the last complete listing, as they have not changed since"""
    absent: int = 0
    """files of Zarr stores that do not exist at their source, and need not: they are not selected"""
    bytes: int = 0
    received: int = 0
    seconds: float = 0.0
    finished: str = ""
    manifest_sha256: str = ""
    proofs: Counter[Proof] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    flaw_count: int = 0
    dangling: int = 0
    fetched_via: Counter[str] = field(default_factory=Counter)
    """files that this run fetched by another address than a plain href, by which one"""
    references: dict[str, ReferenceCount] = field(default_factory=dict)
    """what other mirrors gave to this run, by directory or address"""
    advice: Counter[str] = field(default_factory=Counter)
    """what the catalogue says that access to failed assets needs, and of how many"""
    pruned: Pruned = field(default_factory=Pruned)
    shard: dict[str, Any] = field(default_factory=dict)
    """of a run with --shard: which one it is, and what the whole listing is"""
    stopped: BaseException | None = None
    retries: int = 0
    throttles: int = 0
    """retries for which a host asked to wait"""
    waits: Mapping[str, float] = field(default_factory=dict)
    """what it waited for (`bottleneck.Cause`) as shares of the time, largest first; a short run: none"""
    slowest_host: tuple[str, float] | None = None
    """host:port with most of the time of all transfers, and its share; None: there was one host"""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Count the outcomes of jobs."""
        self.received += sum(map(_received_of, outcomes))
        there = [one for one in outcomes if one.record is not None and one.status is not Status.FAILED]
        statuses = list(map(_status_of, there))
        self.fetched += statuses.count(Status.FETCHED)
        self.skipped += statuses.count(Status.SKIPPED)
        self.bytes += sum(map(_size_of, there))
        self.proofs.update(map(_proof_of, there))
        for outcome in there if any(map(_via_of, there)) else ():
            if (via := outcome.job.asset.via) and outcome.status is Status.FETCHED:
                self._count_via(via, _size_of(outcome))
        for outcome in outcomes if len(there) < len(outcomes) else ():
            if outcome.record is None or outcome.status is Status.FAILED:
                self._add_missing(outcome)

    def _count_via(self, via: str, size: int) -> None:
        """Count a file that was fetched otherwise than from a plain href, or after a reference failed."""
        if via.startswith(REFERENCE_VIA):
            known = self.references.setdefault(via.removeprefix(REFERENCE_VIA), ReferenceCount())
            known.files += 1
            known.bytes += size
            return
        via, failed, named = via.partition(AFTER_REFERENCE)
        if failed:
            name, _, kind = named.rpartition(": ")
            self.references.setdefault(name, ReferenceCount()).failed[kind] += 1
        if via not in ("", "href"):
            self.fetched_via[via] += 1

    def _add_missing(self, outcome: Outcome) -> None:
        if outcome.status is Status.ABSENT:
            self.selected -= 1
            self.absent += 1
            return
        self.failures += 1
        self.lasting += not (outcome.error is not None and outcome.error.retryable)
        if (advice := getattr(outcome.error, "advice", "")) and len(self.advice) < MAX_FAILURES:
            self.advice[advice] += 1
        if len(self.failed) < MAX_FAILURES:
            self.failed.append(outcome)

    def add_unchanged(self, assets: int, size: int, proofs: Mapping[str, int], absent: int = 0) -> None:
        """Count assets of items that are as an earlier run left them; `size` is their bytes."""
        self.absent += absent
        self.selected += assets
        self.skipped += assets
        self.bytes += size
        self.proofs.update({Proof(proof): count for proof, count in proofs.items()})

    def add_flaw(self, flaw: Flaw) -> None:
        """Count a flaw. One of the catalogue makes the listing incomplete, unless it is benign."""
        self.flaw_count += not flaw.benign
        self.dangling += flaw.benign
        self.listing.add_flaw(flaw)
        if not flaw.benign and flaw.concern is Concern.MIRROR:
            self.lasting += not flaw.error.retryable
            self.temporary += flaw.error.retryable
        self.unmatched += flaw.concern is Concern.SELECTION
        if len(self.flaws) < MAX_FAILURES:
            self.flaws.append(flaw)

    @property
    def unfinished(self) -> int:
        """Selected assets without an outcome, because the run was stopped."""
        return self.selected - sum(self.proofs.values()) - self.failures

    @property
    def complete(self) -> bool:
        """The listing is complete and every selected asset is on disk: the receipt balances."""
        return self.listing.complete and self.selected == sum(self.proofs.values())

    @property
    def nothing_matched(self) -> bool:
        """A selection was given, and the catalogue has nothing of it: nothing was to be transferred."""
        if self.shard and self.listing.unique:
            return False  # the items may be of other shards
        return (
            self.listing.complete
            and not self.lasting
            and matches_nothing(
                self.selection,
                items=self.listing.unique + self.carried,
                selected=self.selected,
                filtered=self.filtered,
            )
        )

    @property
    def exit_code(self) -> int:
        """The first of: what stopped the run; 5, a listing that another run may complete; 4, what is wrong
        for good in the listing or with assets; 9, nothing matched; 5, others; 0."""
        if self.stopped is not None:
            return exit_code_of(self.stopped)
        if (code := self.listing.exit_code) != 0:
            return code
        if self.nothing_matched:
            return 0 if self.allow_empty else NothingMatched.exit_code
        if self.lasting or self.unmatched:
            return 4
        return 0 if self.complete and not self.temporary else 5

    @property
    def ok(self) -> bool:
        """The copy is complete and correct."""
        return self.exit_code == 0

    @property
    def receipt_path(self) -> Path | StoreAddress:
        return self.dest / self.in_state(RECEIPT_FILE)

    @property
    def errors_path(self) -> Path | StoreAddress:
        return self.dest / self.in_state(ERRORS_FILE)

    def in_state(self, name: str) -> str:
        """The path below DEST of a file of this run's state: that of its shard, if it is of one."""
        shard = self.shard
        return f"{shard_state(shard['number'], shard['of'])}/{name}" if shard else in_state(name)

    def __repr__(self) -> str:
        counts = (
            f"selected={self.selected} fetched={self.fetched} skipped={self.skipped} failed={self.failures}"
        )
        source, dest = term_safe(self.source, 120), term_safe(str(self.dest), 120)
        return f"<Report {source} to {dest}: exit code {self.exit_code}, {counts}, {self.bytes} bytes>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table, with all strings escaped."""
        from .notebook import html_table

        state = "complete and verified" if self.ok else f"not complete: exit code {self.exit_code}"
        return html_table(state, self._rows())

    def _rows(self) -> Iterator[tuple[str, str]]:
        by = self.proofs
        yield "source", self.source
        yield "copy", str(self.dest)
        yield "assets", f"{self.selected} selected, {self.fetched} fetched, {self.skipped} there already"
        counts = f"{by[Proof.CHECKSUM]} by checksum, {by[Proof.SIZE]} by size, {by[Proof.NONE]} unverifiable"
        yield "verified", counts
        received = f"{human_size(self.received)} received in {self.seconds:.1f} s"
        yield "size", f"{human_size(self.bytes)}, {received}"
        yield "receipt", str(self.receipt_path)
        if self.stopped is not None:
            yield "stopped", str(self.stopped) or type(self.stopped).__name__
        for reason in self.listing.reasons:
            yield "listing", reason
        if self.failures:
            yield "failed", f"{self.failures} assets, all of them in errors.jsonl"
        for outcome in self.failed[:MAX_SHOWN_FAILURES]:
            yield "/".join(filter(None, outcome.job.asset.identity)), str(outcome.error)

    def raise_for_failures(self) -> None:
        """Raise the first error of a run that is not complete. Does nothing if it is."""
        if self.stopped is not None:
            raise self.stopped
        if self.listing.error is not None:
            raise self.listing.error
        errors = [outcome.error for outcome in self.failed]
        errors += [flaw.error for flaw in self.flaws if not flaw.benign]
        if self.exit_code == NothingMatched.exit_code:
            raise NothingMatched("; ".join(self.offered_lines()))
        for error in filter(None, errors) if not self.nothing_matched else ():
            raise error
        if not self.complete:
            raise CatalogError("; ".join(self.listing.reasons) or "not every selected asset is on disk")

    def offered_lines(self) -> Iterator[str]:
        """What there is instead of what was asked for, where nothing matched."""
        return self.offered.lines(
            self.selection, self.source, self.listing.unique, self.filtered, self.listing.returned
        )

    def _decided(self) -> dict[str, Any]:
        """Who decided each condition of the selection: the source, this program, or both."""
        conditions = [name for name in (*ITEM_CONDITIONS, *ASSET_CONDITIONS) if name in self.selection]
        decided = self.listing.remarks.decided
        return {"decided": {name: decided.get(name, "here") for name in conditions}} if conditions else {}

    def _references(self) -> dict[str, Any]:
        return {name: count.receipt() for name, count in sorted(self.references.items())}

    def receipt(self) -> dict[str, Any]:
        """The content of receipt.json."""
        return {
            "tool": "mlhub-async",
            "version": __version__,
            "source": self.source,
            "selection": {**self.selection, **self._decided()},
            "started": self.started,
            "finished": self.finished,
            "listing": {**self.listing.receipt(), **self.basis, "dangling_source_links": self.dangling},
            "assets": {
                "selected": self.selected,
                "verified_checksum": self.proofs[Proof.CHECKSUM],
                "verified_size": self.proofs[Proof.SIZE],
                "unverifiable": self.proofs[Proof.NONE],
                "failed": self.failures,
                "unfinished": self.unfinished,
                "filtered": self.filtered,
                "duplicates": self.duplicates,
                "absent": self.absent,
            },
            **({"fetched_via": dict(self.fetched_via)} if self.fetched_via else {}),
            **({"references": self._references()} if self.references else {}),
            **({"authentication": dict(self.advice)} if self.advice else {}),
            "bytes": self.bytes,
            "pruned": self.pruned.receipt(),
            **({"shard": self.shard} if self.shard else {}),
            "manifest_sha256": self.manifest_sha256,
            "exit_code": self.exit_code,
        }

    def summary(self) -> dict[str, Any]:
        """The last event of every run: the receipt, and what this run did."""
        run = {
            "fetched": self.fetched,
            "skipped": self.skipped,
            "received": self.received,
            "seconds": round(self.seconds, 3),
            "retries": self.retries,
            "throttles": self.throttles,
            "waits": {cause: round(share, 2) for cause, share in self.waits.items()},
            "dest": str(self.dest),
        }
        return {"event": "summary", **self.receipt(), **run}
