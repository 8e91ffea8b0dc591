"""What a run tells a program that listens: one plain dict per event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from .errors import error_json
from .model import Job, Outcome, Page, Status
from .urls import redacted

Listener = Callable[[dict[str, object]], None]
EVENT_OF_STATUS = {Status.FETCHED: "finish", Status.SKIPPED: "skip", Status.FAILED: "error"}


class Events:
    """Costs nothing while nobody listens."""

    def __init__(self, told: Listener | None) -> None:
        self._told = told

    @property
    def observed(self) -> bool:
        """Whether there is a listener."""
        return self._told is not None

    def emit(self, event: str, **fields: object) -> None:
        if self._told is not None:
            self._told({"event": event, "ts": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields})

    def job(self, event: str, job: Job, more: dict[str, Any] | None = None) -> None:
        if self._told is None:
            return
        asset = job.asset
        fields: dict[str, Any] = {
            "collection": asset.collection,
            "item": asset.item or None,
            "key": asset.key,
            "href": redacted(asset.href),
            "path": job.path,
            **(more or {}),
        }
        if fields.get("error") is not None:
            fields["error"] = orjson.loads(error_json(fields["error"]))
        self.emit(event, **fields)

    def outcome(self, outcome: Outcome) -> None:
        if self._told is None:
            return
        record, error = outcome.record, outcome.error
        more: dict[str, Any] = {"attempt": outcome.attempts, "bytes": outcome.received}
        if record is not None:
            more |= {"path": record.path, "total": record.size, "status": record.proof.value}
        if error is not None:
            more |= {"error": error, "status": getattr(error, "status", None)}
        self.job(EVENT_OF_STATUS[outcome.status], outcome.job, more)

    def page(self, page: Page) -> None:
        self.emit("page", collection=page.collection or None, total=page.matched)


_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(slots=True)
class Meter:
    """What has happened so far. Whoever does something adds to it; nothing here is ever taken back."""

    listed: int = 0
    """items read from the catalogue"""
    pages: int = 0
    selected: int = 0
    fetched: int = 0
    skipped: int = 0
    failed: int = 0
    filtered: int = 0
    duplicates: int = 0
    retries: int = 0
    restarts: int = 0
    """bodies that were begun anew although a part of them was here"""
    bytes: int = 0
    """committed to their final names"""
    received: int = 0
    """read from the wire, whatever became of it"""
    held: dict[str, float] = field(default_factory=dict)
    """origins that asked us to stay away, and until when (loop time)"""

    @property
    def done(self) -> int:
        return self.fetched + self.skipped + self.failed

    def confirm(self, assets: int, size: int) -> None:
        """Count assets of which nothing had to be done."""
        self.selected += assets
        self.skipped += assets
        self.bytes += size

    def settle(self, outcome: Outcome) -> None:
        """Count what became of one asset."""
        self.fetched += outcome.status is Status.FETCHED
        self.skipped += outcome.status is Status.SKIPPED
        self.failed += outcome.status is Status.FAILED
        if outcome.record is not None:
            self.bytes += outcome.record.size


def human(count: float) -> str:
    """A number of bytes for people: 1536 is '1.5 KiB'."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} B" if power == 0 else f"{count:.1f} {_UNITS[power]}"
