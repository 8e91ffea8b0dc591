"""Existing files: what is done with a file that is there before its asset is fetched (`--if-exists`)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..core import checksum, formats
from ..core.errors import TransferError
from ..core.model import Asset, Checksum, FileState, Job, Proof, Record
from .expectations import Checks

if TYPE_CHECKING:
    from ..core.ports import Store


class Decision(enum.Enum):
    """What is done with one file that is there. Where nothing is there, the asset is fetched."""

    KEEP = "KEEP"
    """it stays as it is"""
    REREAD = "REREAD"
    """it stays if its bytes still have the recorded digest, else the asset is fetched"""
    REVALIDATE = "REVALIDATE"
    """the server is asked for it with If-None-Match: it stays if the server has no other version"""
    FETCH = "FETCH"
    """the asset is fetched, unless the file has the digest that the catalogue publishes"""
    REFUSE = "REFUSE"
    """it stays as it is, and the asset fails"""


class ExistingFilePolicy(NamedTuple):
    """One column of this table: the decisions of a run by the state of the file.

        the file is                            resume      skip    overwrite  refresh     error
        recorded, asset described as then      KEEP*       KEEP*   FETCH      REVALIDATE  REFUSE
        recorded, asset described otherwise    REVALIDATE  KEEP*   FETCH      REVALIDATE  REFUSE
        recorded, another mtime                REREAD      KEEP    FETCH      FETCH       REFUSE
        recorded in its item document only     REREAD      REREAD  FETCH      REVALIDATE  REFUSE
        not recorded                           FETCH       KEEP    FETCH      FETCH       REFUSE

    KEEP* is REREAD with `--verify checksum` and `--verify deep`. With `resume`
    REVALIDATE asks nobody where the file has the digest that the catalogue publishes: it stays.

    "Recorded": the ledger has a record of it, and size and modification time are still the recorded ones.
    "Another mtime": the same, but for the time; one that is described otherwise counts as not recorded.
    "Described": its URL, size, digest and `updated` in the catalogue. "In its item document only": the
    ledger was lost. Before REREAD and REVALIDATE a recorded file is compared with the size and digest that
    the catalogue publishes (and with `--verify deep` its structure is checked): a file that differs counts
    as not recorded.
    """

    if_exists: str
    unchanged: Decision
    changed: Decision
    recovered: Decision
    unrecorded: Decision
    compares: bool = True
    """digests that are published are compared"""

    @classmethod
    def of(cls, if_exists: str, checks: Checks) -> ExistingFilePolicy:
        """The policy for a value of `--if-exists`; KeyError for any other word."""
        keep = Decision.REREAD if checks.rereads else Decision.KEEP
        columns = {
            "resume": (keep, Decision.REVALIDATE, Decision.REREAD, Decision.FETCH),
            "skip": (keep, keep, Decision.REREAD, Decision.KEEP),
            "overwrite": (Decision.FETCH,) * 4,
            "refresh": (*(Decision.REVALIDATE,) * 3, Decision.FETCH),
            "error": (Decision.REFUSE,) * 4,
        }
        return cls(if_exists, *columns[if_exists], checks.digests)

    def is_compared(self, asset: Asset, record: Record) -> bool:
        """Whether a recorded file has the digest that is published, where this run compares digests."""
        published = asset.checksum
        needed = self.compares and published is not None and published.usable
        return not needed or record.proof is Proof.CHECKSUM

    def of_recorded(self, *, unchanged: bool, recovered: bool) -> Decision:
        """The decision for a recorded file; `recovered`: its bytes are not known to be the recorded ones."""
        if recovered:
            return self.recovered
        return self.unchanged if unchanged else self.changed

    @property
    def links_known_urls(self) -> bool:
        """Whether a file that an earlier run fetched from the URL of a new asset is linked, not fetched."""
        return self.if_exists == "resume"

    @property
    def keeps_published(self) -> bool:
        """Whether a recorded file that has the published digest stays, however else it is described."""
        return self.if_exists == "resume"

    @property
    def rereads_touched(self) -> bool:
        """Whether a file with another mtime than recorded stays if its bytes are the recorded ones."""
        return self.if_exists == "resume"

    @property
    def keeps_unchanged_items(self) -> bool:
        """Whether an item of which nothing has changed needs no decision for each of its files."""
        return self.if_exists == "resume" and self.unchanged is Decision.KEEP

    @property
    def keeps_absent(self) -> bool:
        """Whether a file that its source did not have is not asked for again, if it is described as then."""
        return self.unchanged in (Decision.KEEP, Decision.REREAD)

    @property
    def heeds_changes(self) -> bool:
        """Whether it matters that the catalogue describes an asset otherwise than when it was fetched."""
        return self.if_exists != "skip"


@dataclass(slots=True, eq=False, repr=False)
class ExistingFiles:
    """The files that are there, examined as the policy of the run demands."""

    store: Store
    checks: Checks
    policy: ExistingFilePolicy

    @classmethod
    def of(cls, store: Store, if_exists: str = "resume", verify: str = "auto") -> ExistingFiles:
        """By the values of `--if-exists` and `--verify`."""
        checks = Checks.of(verify)
        return cls(store, checks, ExistingFilePolicy.of(if_exists, checks))

    async def review(self, job: Job) -> Job:
        """The job without its record where the catalogue publishes another size or digest by now.

        Raises `TransferError` (kind `exists`) where the policy refuses recorded files.
        """
        if job.previous is None:
            return job
        if self.policy.changed is Decision.REFUSE:
            raise _refusal(job.path)
        return job if await self.fits(job.asset, job.previous) else job._replace(previous=None)

    @property
    def looks_at_files(self) -> bool:
        """Whether a file without a record may stay though no digest of it is published."""
        return self.policy.unrecorded is not Decision.FETCH

    def may_keep(self, job: Job) -> bool:
        """Whether there is a file for a job without a record that `kept` would have to look at."""
        published = job.asset.checksum
        compared = published is not None and published.usable
        return (compared or self.looks_at_files) and self.store.exists(job.path)

    async def kept(self, job: Job) -> Record | None:
        """The record of the file if it stays without a request, for a job that was reviewed; else None.

        Raises `TransferError` (kind `exists`) where the policy refuses files without a record.
        """
        known, published = job.previous, job.asset.checksum
        if known is not None:
            if job.recheck:
                return known if await self._reread(known, job.asset) else None
            return known._replace(proof=Proof.CHECKSUM) if self._is_proven(published) else None
        if self.policy.unrecorded is not Decision.FETCH:
            return await self._unrecorded(job.path, job.asset)
        if published is None or not published.usable:
            return None
        found = await self.store.stat(job.path)
        if found is None or job.asset.size not in (None, found.size):
            return None
        if not checksum.matches(published, await self.store.digest(job.path, published.algorithm)):
            return None
        return await self._record(job.path, found, Proof.CHECKSUM)

    def _is_proven(self, published: Checksum | None) -> bool:
        """Whether a recorded file, which was reviewed, has a published digest: its bytes are not new."""
        compared = self.checks.digests and published is not None and published.usable
        return compared and self.policy.keeps_published

    async def _reread(self, known: Record, asset: Asset) -> bool:
        same = await self.store.is_as_recorded(known, by_content=True)
        return same and await self._structure_passes(known.path, asset)

    async def _unrecorded(self, path: str, asset: Asset) -> Record | None:
        found = await self.store.stat(path)
        if found is None:
            return None
        if self.policy.unrecorded is Decision.REFUSE:
            raise _refusal(path)
        record = await self._record(path, found, Proof.NONE)
        if not await self.fits(asset, record):
            return record
        if self.checks.digests and asset.checksum is not None:
            return record._replace(proof=Proof.CHECKSUM) if asset.checksum.usable else record
        return record if asset.size is None else record._replace(proof=Proof.SIZE)

    async def _record(self, path: str, found: FileState, proof: Proof) -> Record:
        sha256 = await self.store.digest(path, "sha256")
        return Record(path, found.size, sha256.hex(), found.mtime_ns, proof)

    async def fits(self, asset: Asset, record: Record) -> bool:
        """Whether a recorded file is still there and is what the catalogue publishes for this asset."""
        if asset.size not in (None, record.size) or not await self.store.is_as_recorded(record):
            return False
        if not await self._structure_passes(record.path, asset):
            return False
        published = asset.checksum
        if published is None or not published.usable or not self.checks.digests:
            return True
        if published.algorithm == "sha256":
            return checksum.matches(published, bytes.fromhex(record.sha256))
        return checksum.matches(published, await self.store.digest(record.path, published.algorithm))

    async def _structure_passes(self, path: str, asset: Asset) -> bool:
        """True, unread, where `--verify deep` was not asked for."""
        if not self.checks.structure:
            return True
        return await self.store.inspect(path, lambda file: formats.flaw(file, path, asset.media_type)) is None


def _refusal(path: str) -> TransferError:
    return TransferError(f"{path} exists already", kind="exists")
