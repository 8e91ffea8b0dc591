"""The references of a run, asked one after the other for each file before its origin is."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ....core.errors import (
    LocalShortage,
    PartialLost,
    ReferenceWarning,
    StorageError,
    TransferError,
)
from ....core.model import Job, Proof, Record, Status
from ....core.ports import AskOrigin, Brought
from ....transfer.commit import final_path
from ....transfer.expectations import Expectations
from .found import FoundFile, Reference

if TYPE_CHECKING:
    from ....core.ports import PartialFile
    from ....transfer.context import TransferContext

MAX_TROUBLES = 3
"""A reference that failed so often in a row is not asked any more in this run."""
NO_ANSWER_KINDS = frozenset({"connection", "dns", "host-down", "no-mirror", "timeout", "tls", "unreachable"})
"""Nobody answers there."""
MAX_UNANSWERED = 2


class ReferenceMirrors:
    """See `ports.References`. `context` is that of the transfers; the caller closes `mirrors`."""

    def __init__(self, mirrors: Iterable[Reference], context: TransferContext) -> None:
        self._mirrors = list(mirrors)
        self._context = context
        self._troubles: Counter[str] = Counter()
        """in a row, by the name of the reference"""
        self._told: set[tuple[str, str]] = set()

    def may_have(self, job: Job) -> bool:
        return bool(self._mirrors) and job.previous is None

    async def bring(self, job: Job, ask: AskOrigin) -> Brought:
        trouble, confirmed = "", ("", "")
        for mirror in [*self._mirrors]:
            try:
                if (found := await mirror.find(job)) is None:
                    continue
                if not found.is_promised(job.asset):
                    if not found.can_be_confirmed:
                        continue
                    if (found.validator, found.url) != confirmed:
                        status, record, url = await self._asked(ask, found.record(job))
                        if status is not Status.SKIPPED:
                            return Brought(status, record, trouble=trouble)
                        confirmed = found.validator, url
                    if found.url != confirmed[1]:
                        continue  # an ETag says nothing of another URL
                record, received = await self._copied(mirror, found, job)
            except _OriginError as wrong:
                raise wrong.error from None
            except (LocalShortage, PartialLost):
                continue  # it is no fault of the reference: the transfer from the origin knows what to do
            except TransferError as error:
                if not error.absent:
                    trouble = trouble or f"{mirror.name}: {error.kind}"
                    self._note(mirror, error)
                continue
            self._troubles[mirror.name] = 0
            return Brought(Status.FETCHED, record, mirror.name, received, trouble)
        return Brought(trouble=trouble)

    async def _asked(self, ask: AskOrigin, record: Record) -> tuple[Status, Record, str]:
        try:
            return await ask(record)
        except TransferError as error:
            raise _OriginError(error) from None

    async def _copied(self, mirror: Reference, found: FoundFile, job: Job) -> tuple[Record, int]:
        """Raises `TransferError` for bytes that are not as promised, `StorageError` for our own disk."""
        store = self._context.store
        while True:
            collection, item, key = job.asset.identity
            partial = store.open_partial((collection, item, f"{key}\0reference"))
            try:
                done = await self._copied_once(mirror, found, job, partial)
            except StorageError as error:
                await store.recover(error)
                continue
            finally:
                await partial.drop()
            if store.has_partial(job.asset.identity):  # what an earlier run left of it
                await store.open_partial(job.asset.identity).drop()
            return done

    async def _copied_once(
        self, mirror: Reference, found: FoundFile, job: Job, partial: PartialFile
    ) -> tuple[Record, int]:
        context, asset, body = self._context, job.asset, partial.body
        expected = Expectations(job, digests=context.existing.checks.digests)
        usable = asset.checksum is not None and asset.checksum.usable
        algorithms = [asset.checksum.algorithm] if asset.checksum is not None and usable else []
        received = await mirror.fill(found, job, body, algorithms)
        context.meter.received += received
        digests = await body.complete()
        found.check(asset, body.offset, digests, mirror.name)
        if context.existing.checks.structure:
            await expected.check_structure(body, digests["sha256"], body.offset, always=True)
        path, mtime_ns = await self._committed(found, job, partial)
        proof = expected.proof(Proof.SIZE if usable or found.proof is not Proof.NONE else Proof.NONE)
        sha256 = digests["sha256"].hex()
        return Record(path, body.offset, sha256, mtime_ns, proof, found.validator), received

    async def _committed(self, found: FoundFile, job: Job, partial: PartialFile) -> tuple[str, int]:
        """What is in the way in DEST is no fault of the reference, and there for a file of the origin too."""
        try:
            path = await final_path(job, PurePosixPath(found.path).suffix, self._context)
            return path, await partial.commit(path)
        except PartialLost:
            raise
        except TransferError as error:
            raise _OriginError(error) from None

    def _note(self, mirror: Reference, error: TransferError) -> None:
        """Tell it once, and leave a reference out that only costs time."""
        if mirror not in self._mirrors:
            return
        self._troubles[mirror.name] += 1
        unanswered = error.unanswered or error.kind in NO_ANSWER_KINDS
        gone = self._troubles[mirror.name] >= (MAX_UNANSWERED if unanswered else MAX_TROUBLES)
        if gone:
            self._mirrors.remove(mirror)
            mirror.give_up()
        if (known := (mirror.name, error.kind)) not in self._told:
            self._told.add(known)
            then = "the origins are asked instead"
            self._warn(f"reference {mirror.name} failed ({error.message}): {then}")
        elif gone and not unanswered:
            self._warn(
                f"reference {mirror.name} failed again and again: it is not asked any more in this run"
            )

    def _warn(self, words: str) -> None:
        warnings.warn(words, ReferenceWarning, stacklevel=2)


class _OriginError(Exception):
    """An error of the origin or of DEST, not of the reference."""

    def __init__(self, error: TransferError) -> None:
        super().__init__(error.message)
        self.error = error
