"""Jobs, outcomes and errors as plain tuples, which are sent from process to process.

Pickling a named tuple or an exception costs several times as much as the values in it.
"""

from __future__ import annotations

from typing import Any

from ....core import errors
from ....core.errors import MlhubError
from ....core.model import Asset, Checksum, Job, Outcome, Proof, Record, Status

_CHECKSUM = Asset._fields.index("checksum")
_PROOF = Record._fields.index("proof")
_STATUSES = {status.value: status for status in Status}
_PROOFS = {proof.value: proof for proof in Proof}

Plain = tuple[Any, ...]


def pack_asset(asset: Asset) -> Plain:
    if (checksum := asset.checksum) is None:
        return tuple(asset)
    fields: list[Any] = list(asset)
    fields[_CHECKSUM] = (checksum.algorithm, checksum.digest)
    return tuple(fields)


def unpack_asset(fields: Plain) -> Asset:
    if (checksum := fields[_CHECKSUM]) is None:
        return Asset._make(fields)
    return Asset._make((*fields[:_CHECKSUM], Checksum(*checksum), *fields[_CHECKSUM + 1 :]))


def pack_record(record: Record | None, path: str = "") -> Plain | None:
    """`path`: one that the other side knows; it is not sent."""
    if record is None:
        return None
    own, size, sha256, mtime_ns, proof, validator = record
    return ("" if own == path else own, size, sha256, mtime_ns, proof._value_, validator)


def unpack_record(fields: Plain | None, path: str = "") -> Record | None:
    if fields is None:
        return None
    own, size, sha256, mtime_ns, proof, validator = fields
    return Record(own or path, size, sha256, mtime_ns, _PROOFS[proof], validator)


def pack_job(number: int, job: Job, partial: str = "") -> Plain:
    """`number` stands for the job in the outcome; `partial`: the name of a partial file of the asset."""
    asset, path, suffix_pending, previous, recheck, known_url = job
    kept = None if previous is None else pack_record(previous)
    return (number, pack_asset(asset), path, suffix_pending, kept, recheck, known_url, partial)


def unpack_job(fields: Plain) -> tuple[int, Job, str]:
    number, asset, path, suffix_pending, previous, recheck, known_url, partial = fields
    record = None if previous is None else unpack_record(previous)
    return number, Job(unpack_asset(asset), path, suffix_pending, record, recheck, known_url), partial


def pack_outcome(number: int, outcome: Outcome, url: str) -> Plain:
    """The outcome of a job, which the other side knows."""
    job, status, record, error, attempts, received = outcome
    return (
        number,
        status._value_,
        pack_record(record, job.path),
        None if error is None else pack_error(error),
        attempts,
        received,
        job.asset.via,
        job.previous is not None,
        "" if url == job.asset.href else url,
    )


def unpack_outcome(fields: Plain, job: Job) -> tuple[Outcome, str]:
    _, status, record, error, attempts, received, via, has_previous, url = fields
    url = url or job.asset.href
    if via != job.asset.via:
        job = job._replace(asset=job.asset._replace(via=via))
    if job.previous is not None and not has_previous:
        job = job._replace(previous=None)
    failure = None if error is None else unpack_error(error)
    outcome = Outcome(job, _STATUSES[status], unpack_record(record, job.path), failure, attempts, received)
    return outcome, url


def pack_error(error: MlhubError) -> Plain:
    """An error without traceback and cause."""
    known = next(kind for kind in type(error).__mro__ if getattr(errors, kind.__name__, None) is kind)
    return (known.__name__, error.message, dict(vars(error)))


def unpack_error(fields: Plain) -> MlhubError:
    name, message, attributes = fields
    kind = getattr(errors, name)
    error: MlhubError = kind.__new__(kind)
    Exception.__init__(error, message)
    vars(error).update(attributes)
    return error
