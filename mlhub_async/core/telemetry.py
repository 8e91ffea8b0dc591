"""Counters of a run, and the events that it emits: to a listener, and what went wrong to the log.

The logger is "mlhub_async": retries are of level INFO, hosts that are held and failures of level WARNING.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from .errors import error_json
from .json_text import loads
from .model import Job, Outcome, Page, Status
from .urls import redacted

Listener = Callable[[dict[str, object]], None]
"""Takes one event: a JSON object whose "event" is its name. docs/events.md lists the members of each."""
LEVELS = {"retry": logging.INFO, "throttle": logging.WARNING, "error": logging.WARNING}
"""Of the events that are logged."""
_log = logging.getLogger("mlhub_async")
_log.addHandler(logging.NullHandler())
EVENT_OF_STATUS = {
    Status.FETCHED: "finish",
    Status.SKIPPED: "skip",
    Status.FAILED: "error",
    Status.ABSENT: "skip",
}


class Events:
    """Emits the events of a run to a listener, if there is one."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener

    @property
    def observed(self) -> bool:
        """Whether there is a listener."""
        return self._listener is not None

    def emit(self, event: str, **fields: object) -> None:
        """Emit an event with these members and the time ("ts", RFC 3339 in UTC)."""
        if (level := LEVELS.get(event)) is not None and _log.isEnabledFor(level):
            _log.log(level, "%s", _line(event, fields))
        if self._listener is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._listener({"event": event, "ts": now, **fields})

    def relay(self, event: dict[str, Any]) -> None:
        """Emit an event that another process of this run has made, with its time."""
        if (level := LEVELS.get(event["event"])) is not None and _log.isEnabledFor(level):
            fields = {name: value for name, value in event.items() if name not in ("event", "ts")}
            _log.log(level, "%s", _line(event["event"], fields))
        if self._listener is not None:
            self._listener(event)

    def job(self, event: str, job: Job, more: dict[str, Any] | None = None) -> None:
        """Emit an event about a job. `more` are further members; its "error" is a `MlhubError` or None."""
        if self._listener is None and event not in LEVELS:
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
            fields["error"] = loads(error_json(fields["error"]))
        self.emit(event, **fields)

    def outcome(self, outcome: Outcome) -> None:
        """Emit "finish", "skip" or "error", by the status of the outcome."""
        if self._listener is None and outcome.error is None:
            return
        record, error = outcome.record, outcome.error
        more: dict[str, Any] = {"attempt": outcome.attempts, "bytes": outcome.received}
        if record is not None:
            more |= {"path": record.path, "total": record.size, "status": record.proof.value}
        if outcome.status is Status.ABSENT:
            more |= {"status": outcome.status.value}
        if error is not None:
            more |= {"error": error, "status": getattr(error, "status", None)}
        self.job(EVENT_OF_STATUS[outcome.status], outcome.job, more)

    def page(self, page: Page) -> None:
        """Emit "page": a page of the listing was read."""
        self.emit("page", collection=page.collection or None, total=page.matched)


def _line(event: str, fields: dict[str, Any]) -> str:
    """An event in one line: which file, and the reason."""
    names = "/".join(str(fields[name]) for name in ("collection", "item", "key") if fields.get(name))
    attempt = f" (attempt {fields['attempt']})" if "attempt" in fields else ""
    reason = (fields.get("error") or {}).get("message", "")
    return f"{event}{attempt}: {names or fields.get('href') or 'DEST'}: {reason}"


_status_of = attrgetter("status")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(slots=True, eq=False, repr=False)
class Meter:
    """Counters of a run. They only grow; a display reads them by a timer."""

    listed: int = 0
    """items read from the catalogue"""
    selected: int = 0
    """assets that are wanted, of the items listed so far"""
    fetched: int = 0
    skipped: int = 0
    failed: int = 0
    retries: int = 0
    throttles: int = 0
    """retries for which a host asked to wait"""
    restarts: int = 0
    """bodies that were requested from the first byte again although a part of them was on disk"""
    bytes: int = 0
    """in files at their final paths"""
    received: int = 0
    """bytes read from the network, also those that were discarded"""
    announced: int = 0
    """items that the listings said they have, as far as they were read"""
    listing_ended: bool = False
    collection: str = ""
    """of the item that was listed last"""
    under_way: dict[str, None] = field(default_factory=dict)
    """paths of the assets that are transferred at present, oldest first, where a display asks for them"""
    failures: Counter[str] = field(default_factory=Counter)
    """failed assets and flaws of the catalogue, by the `kind` of their error"""
    held: dict[str, float] = field(default_factory=dict)
    """origins that are not requested for a while, and the end of that as loop time"""

    @property
    def done(self) -> int:
        """Assets that have an outcome."""
        return self.fetched + self.skipped + self.failed

    @property
    def expected(self) -> int:
        """Assets in all; before the end of the listing an estimate from the items that it has given."""
        if self.listing_ended or self.announced <= self.listed or not self.listed:
            return self.selected
        return round(self.selected * self.announced / self.listed)

    def add_unchanged(self, assets: int, size: int) -> None:
        """Count assets that are unchanged since an earlier run; `size` is in bytes."""
        self.selected += assets
        self.skipped += assets
        self.bytes += size

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Count the outcomes of assets."""
        statuses = list(map(_status_of, outcomes))
        fetched, failed = statuses.count(Status.FETCHED), statuses.count(Status.FAILED)
        self.fetched += fetched
        self.failed += failed
        self.skipped += len(statuses) - fetched - failed
        self.bytes += sum([one.record.size for one in outcomes if one.record is not None])
        for outcome in outcomes if failed else ():
            if outcome.status is Status.FAILED and outcome.error is not None:
                self.failures[outcome.error.kind] += 1


def human_size(count: float) -> str:
    """A number of bytes as text with a binary prefix: 1536 is '1.5 KiB'."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} B" if power == 0 else f"{count:.1f} {_UNITS[power]}"
