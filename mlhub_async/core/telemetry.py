"""What a run tells a program that listens: one plain dict per event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from .errors import error_json
from .model import Job, Outcome, Page, Status
from .urls import redacted

Told = Callable[[dict[str, object]], None]
NAMES = {Status.FETCHED: "finish", Status.SKIPPED: "skip", Status.FAILED: "error"}


class Events:
    """Costs nothing while nobody listens."""

    def __init__(self, told: Told | None) -> None:
        self._told = told

    def tell(self, event: str, **fields: object) -> None:
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
        self.tell(event, **fields)

    def outcome(self, outcome: Outcome) -> None:
        if self._told is None:
            return
        record, error = outcome.record, outcome.error
        more: dict[str, Any] = {"attempt": outcome.attempts, "bytes": outcome.received}
        if record is not None:
            more |= {"path": record.path, "total": record.size, "status": record.proof.value}
        if error is not None:
            more |= {"error": error, "status": getattr(error, "status", None)}
        self.job(NAMES[outcome.status], outcome.job, more)

    def page(self, page: Page) -> None:
        self.tell("page", collection=page.collection or None, total=page.matched)
