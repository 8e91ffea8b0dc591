"""The last step of a transfer: checked bytes, or those of another file, get the asset's final name."""

from __future__ import annotations

from pathlib import PurePosixPath

from ..core.model import Head, Job, Proof, Record
from ..core.urls import suffix
from .context import TransferContext
from .expectations import Expectations
from .receiver import Receiver


async def commit_body(receiver: Receiver, head: Head, context: TransferContext) -> Record:
    """Make all checks of a whole body, then give it its final name: in this order, always.

    Raises `Corrupt` or `Transient` for a body that does not pass, `StorageError` where the disk refuses.
    """
    digests, proof = await receiver.complete()
    deep, sha256, body = context.existing.checks.structure, digests["sha256"], receiver.partial.body
    if deep or proof is Proof.NONE or receiver.expectations.needs_its_format:
        await receiver.expectations.check_structure(body, sha256, receiver.total, always=deep)
    job = receiver.job
    path = await final_path(job, suffix(head.url), context) if job.suffix_pending else job.path
    mtime = await receiver.partial.commit(path)
    return Record(path, body.offset, sha256.hex(), mtime, proof, receiver.validator)


async def link_file(job: Job, existing: Record, context: TransferContext) -> Record:
    """Give the bytes of another file the final name of this asset as well. Raises `StorageError`."""
    path = await final_path(job, PurePosixPath(existing.path).suffix, context)
    mtime = await context.store.link(existing.path, path)
    expectations = Expectations(job, digests=context.existing.checks.digests)
    return existing._replace(path=path, mtime_ns=mtime, proof=expectations.proof(existing.proof))


async def final_path(job: Job, suffix: str, context: TransferContext) -> str:
    """The job's path; with the suffix of where the bytes came from if its own was not known until now."""
    if not job.suffix_pending or not suffix:
        return job.path
    return await context.move(job.asset.identity, job.path + suffix)
