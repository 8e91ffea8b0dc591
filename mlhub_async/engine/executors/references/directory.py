"""A mirror on a disk of this machine as a reference: its files are cloned where that can be, else copied."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path

from ....core.errors import MlhubError, TransferError
from ....core.model import Job, Proof
from ....core.ports import BodyWriter
from ....core.urls import canonical, parse, term_safe
from ....storage.integrity import open_unfollowed
from ....storage.ledger.lookups.copies import FileCopy, copy_by_digest, copy_by_url, copy_of_asset
from ....storage.naming import is_plain_path
from ...verify.following import FollowedLedger
from ...verify.snapshot import LedgerSnapshot
from .found import FoundFile

READ_BYTES = 1 << 20


class DirectoryReference:
    """See `found.Reference`. Its ledger is opened by the first question, again when it has changed."""

    def __init__(self, root: Path) -> None:
        self.name = term_safe(str(root), 300)
        self._root = root
        self._ledger = FollowedLedger(root)

    async def find(self, job: Job) -> FoundFile | None:
        try:
            return await asyncio.to_thread(self._ledger.ask, lambda snapshot: _find(snapshot, job))
        except TransferError:
            raise
        except MlhubError as error:
            raise TransferError(error.message, kind="no-mirror") from None

    async def fill(self, found: FoundFile, job: Job, body: BodyWriter, algorithms: list[str]) -> int:
        with closing(await asyncio.to_thread(self._open, found)) as file:
            body.begin(algorithms, found.size)
            if not await body.clone(file.fileno()):
                while piece := await asyncio.to_thread(self._read, file):
                    if (busy := body.write(piece)) is not None:
                        await busy
        return 0

    def give_up(self) -> None:
        """Its files are not waited for."""

    def close(self) -> None:
        self._ledger.close()

    def _open(self, found: FoundFile) -> FileIO:
        if not is_plain_path(found.path):
            raise TransferError(f"{self.name} names the path {term_safe(found.path, 200)}", kind="bad-path")
        with self._explained(found.path):
            file = open_unfollowed(self._root / found.path)
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_size != found.size:
            file.close()
            raise TransferError(f"{self.name}: {found.path} was changed since its run", kind="wrong-bytes")
        return file

    def _read(self, file: FileIO) -> bytes:
        with self._explained(""):
            return file.read(READ_BYTES) or b""

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = "not-found" if isinstance(error, FileNotFoundError) else "unreadable"
            raise TransferError(f"{self.name}: {path}: {error.strerror}", kind=kind) from None


def _find(snapshot: LedgerSnapshot, job: Job) -> FoundFile | None:
    asset, database = job.asset, snapshot.statements.database
    published = asset.checksum
    if published is not None and published.algorithm == "sha256":
        found = copy_by_digest(database, published.digest.hex()) if len(published.digest) == 32 else None
        return None if found is None else FoundFile(found.path, found.size, found.sha256)
    known = copy_by_url(database, canonical(parse(asset.href))) or copy_of_asset(database, asset.identity)
    return None if known is None else _as_found(known)


def _as_found(copy: FileCopy) -> FoundFile:
    return FoundFile(copy.path, copy.size, copy.sha256, copy.validator, copy.url, Proof(copy.proof))
