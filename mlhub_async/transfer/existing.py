"""What on disk may stay as it is: proven by its record, or by a digest that the catalogue published."""

from __future__ import annotations

from dataclasses import dataclass

from ..core import checksum, formats
from ..core.errors import TransferError
from ..core.model import Asset, Job, Proof, Record
from ..storage.local.store import LocalStore


@dataclass(frozen=True, slots=True)
class ExistingFilePolicy:
    """The judge of files that are there already: by --if-exists, and by the proof that --verify wants."""

    store: LocalStore
    check_digests: bool = True
    deep: bool = False
    if_exists: str = "resume"

    async def reviewed(self, job: Job) -> Job:
        """The job without its record where the catalogue promises another file by now.

        Raises `TransferError` where none may be there.
        """
        if job.previous is None:
            return job
        if self.if_exists == "error":
            raise TransferError(f"{job.path} exists already", kind="exists")
        return job if await self.suits(job.asset, job.previous) else job._replace(previous=None)

    async def already_here(self, job: Job) -> Record | None:
        """A file that is there may stay if its bytes are proven: by its record, or by a published digest.

        With --if-exists skip any file may stay, unproven; with error none may be there.
        """
        known, wanted, store = job.previous, job.asset.checksum, self.store
        if self.if_exists in ("skip", "error") and known is None:
            return await self._foreign(job.path)
        if known is not None and job.recheck:
            same = await store.is_as_recorded(known, by_content=True)
            return known if same and await self._sound(known.path, job.asset) else None
        if known is not None or wanted is None or not wanted.usable:
            return None
        found = await store.found(job.path)
        if found is None or job.asset.size not in (None, found.size):
            return None
        if not checksum.matches(wanted, await store.digest(job.path, wanted.algorithm)):
            return None
        sha256 = await store.digest(job.path, "sha256")
        return Record(job.path, found.size, sha256.hex(), found.mtime_ns, Proof.CHECKSUM)

    async def _foreign(self, path: str) -> Record | None:
        found = await self.store.found(path)
        if found is None:
            return None
        if self.if_exists == "error":
            raise TransferError(f"{path} exists already", kind="exists")
        sha256 = await self.store.digest(path, "sha256")
        return Record(path, found.size, sha256.hex(), found.mtime_ns, Proof.NONE)

    async def suits(self, asset: Asset, record: Record) -> bool:
        """Whether a file of ours is there still, and is what the catalogue promises for this asset."""
        if asset.size not in (None, record.size) or not await self.store.is_as_recorded(record):
            return False
        if not await self._sound(record.path, asset):
            return False
        wanted = asset.checksum
        if wanted is None or not wanted.usable or not self.check_digests:
            return True
        if wanted.algorithm == "sha256":
            return checksum.matches(wanted, bytes.fromhex(record.sha256))
        return checksum.matches(wanted, await self.store.digest(record.path, wanted.algorithm))

    async def _sound(self, path: str, asset: Asset) -> bool:
        """Whether a file that is there is built as its format promises, where that was asked for."""
        if not self.deep:
            return True
        return await self.store.look(path, lambda file: formats.flaw(file, path, asset.media_type)) is None
