"""What became of a job, as one row of journal and table."""

from __future__ import annotations

import orjson

from ..errors import MlhubError
from ..model import Outcome, Status
from .book import Row
from .schema import DONE, FAILED


def row_of(outcome: Outcome, url: str) -> Row:
    asset, record, error = outcome.job.asset, outcome.record, outcome.error
    state = DONE if record is not None and outcome.status is not Status.FAILED else FAILED
    facts = (
        (record.size, record.mtime_ns, record.sha256, record.proof.value, record.validator)
        if (record is not None)
        else (0, 0, "", "none", "")
    )
    path = record.path if record is not None else outcome.job.path
    said = error_json(error) if error is not None else ""
    return (asset.collection, asset.item, 0, asset.key, path, state, *facts, asset.stamp, url, said)


def error_json(error: MlhubError) -> str:
    """An error as errors.jsonl and the events show it."""
    shown = {"class": error.kind, "message": error.message, "retryable": error.retryable}
    status = getattr(error, "status", None)
    return orjson.dumps(shown | ({"status": status} if status else {})).decode()
