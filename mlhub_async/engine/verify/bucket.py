"""`verify_bucket()`: compares a mirror in a bucket with its ledger, by a listing or by reading all of it."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ...core import formats
from ...core.concurrency import fan_out
from ...core.errors import StorageError, TransferError, UsageError
from ...core.json_text import parse_json
from ...core.model import Record
from ...core.options import Options
from ...core.ports import Objects
from ...core.telemetry import Meter
from ...core.urls import StoreAddress
from ...storage.bucket.remote_file import RemoteFile
from ...storage.bucket.store import stamp_of
from ...storage.indexes.objects import KnownObject, ObjectIndex
from ...storage.layout import CATALOG_FILE, OBJECT_INDEX_FILE, STATE_DIR
from ...storage.ledger.schema import ASSET, INDEX
from ..destination import bucket_of, open_objects, state_folder
from .checks import receipt_damage
from .results import Damage, Verification
from .snapshot import LEDGER, RECEIPT, LedgerSnapshot, open_mirror, receipt_of

WORKERS = 8
BATCH = 500
"""Rows that are taken from the ledger at a time."""
READ_BYTES = 8 << 20


async def verify_bucket(
    dest: str,
    options: Options,
    environ: Mapping[str, str],
    *,
    workers: int | None = None,
    meter: Meter | None = None,
    deep: bool = False,
) -> Verification:
    """Compare every object with the ledger in the state directory. Nothing is changed.

    An object with the recorded size and ETag is the one that was put, whose digest was checked then; of
    another one the digest is compared that was stored with it. `deep`: all are read, their digests computed
    and their structure checked. Raises as `verify` does, and `StorageError` where the store cannot be read.
    """
    address = bucket_of(dest, environ)
    assert address is not None
    state, found = state_folder(address, options, environ), Verification()
    with tempfile.TemporaryDirectory(prefix="mlhub-async-") as folder:
        index = ObjectIndex(Path(folder) / OBJECT_INDEX_FILE)
        try:
            with open_mirror(state) as snapshot:
                found.interrupted = not snapshot.finished
                async with open_objects(address, options, environ) as objects:
                    verifier = _Verifier(address, objects, index, found, meter or Meter(), deep=deep)
                    await verifier.run(snapshot, state, workers or WORKERS)
        except UsageError as error:
            advice = "give its --state, or run the mirror again: that uploads nothing which is there"
            raise UsageError(f"{error.message}; {advice}") from None
        except TransferError as error:
            raise StorageError(f"{address} cannot be read: {error.message}") from None
        except sqlite3.DatabaseError as error:
            found.damage.append(Damage(LEDGER, "unreadable", str(error)))
        finally:
            index.close()
    found.damage.sort(key=lambda damage: damage.path)
    return found


class _Verifier:
    """One verification."""

    def __init__(
        self,
        address: StoreAddress,
        objects: Objects,
        index: ObjectIndex,
        found: Verification,
        meter: Meter,
        *,
        deep: bool,
    ) -> None:
        self._prefix = (address / "").key if address.key else ""
        self._objects, self._index, self._found, self._meter = objects, index, found, meter
        self._deep = deep
        self._documents: set[str] = set()
        self._is_stable = True
        """no run has ended before its documents were recorded"""

    async def run(self, snapshot: LedgerSnapshot, state: Path, workers: int) -> None:
        statements, self._is_stable = snapshot.statements, snapshot.finished
        await self._list()
        paths = (statements.path_of(id) for id, *_ in statements.collections())
        self._documents = {CATALOG_FILE, *filter(None, paths)}
        rows = iter(statements.finished())

        async def produce(put: Callable[[list[tuple[int, Record]]], Awaitable[None]]) -> None:
            while batch := list(islice(rows, BATCH)):
                self._meter.selected += len(batch)
                await put(batch)

        await fan_out(produce, self._check_all, workers)
        await self._check_receipt(snapshot, state)
        foreign = self._index.paths(but=f"{STATE_DIR}/")
        self._found.foreign = [path for path in foreign if path not in self._documents]

    async def _list(self) -> None:
        start = len(self._prefix)
        async for page in self._objects.listing(self._prefix):
            self._index.add([(one.key[start:], one.size, one.etag) for one in page])

    async def _check_all(self, rows: Sequence[tuple[int, Record]]) -> None:
        for role, record in rows:
            known = self._index.get(record.path)
            self._index.remove(record.path)
            reason = "missing" if known is None else await self._flaw(role, record, known)
            if reason:
                self._found.damage.append(Damage(record.path, *reason.split(": ", 1)))
            self._found.files += 1
            self._found.bytes += record.size
            self._found.unhashed += not record.sha256
            self._meter.failed += bool(reason)
            self._meter.fetched += not reason
            self._meter.bytes += record.size

    async def _flaw(self, role: int, record: Record, known: KnownObject) -> str:
        """How an object differs from its record, "" if it does not."""
        if role != ASSET and not self._is_stable:
            return ""  # documents are written before their rows: after a kill the recorded digest may be old
        if known.size != record.size:
            return f"size: {known.size} bytes, {record.size} recorded"
        if self._deep:
            return await self._flaw_of_bytes(role, record, known)
        if stamp_of(known.etag) == record.mtime_ns or not record.sha256:
            return ""
        facts = await self._objects.facts(self._prefix + record.path)
        if facts is None:
            return "missing"
        if facts.sha256:
            return "" if facts.sha256 == record.sha256 else "digest"
        return await self._flaw_of_bytes(role, record, known)

    async def _flaw_of_bytes(self, role: int, record: Record, known: KnownObject) -> str:
        digest, key = hashlib.sha256(), self._prefix + record.path
        for first in range(0, known.size, READ_BYTES):
            size = min(READ_BYTES, known.size - first)
            digest.update(await self._objects.read(key, first, size, known.etag))
        if record.sha256 and digest.hexdigest() != record.sha256:
            return "digest"
        if role == ASSET and (found := await self._flaw_of_structure(record.path, known)):
            return f"structure: {found}"
        if role not in (ASSET, INDEX):
            text = await self._objects.read(key, 0, known.size, known.etag)
            return "" if _is_object(text) else "not JSON"
        return ""

    async def _flaw_of_structure(self, path: str, known: KnownObject) -> str | None:
        loop, key = asyncio.get_running_loop(), self._prefix + path

        def read(first: int, size: int) -> bytes:
            work = self._objects.read(key, first, size, known.etag)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        return await asyncio.to_thread(lambda: formats.flaw(RemoteFile(known.size, read), path))

    async def _check_receipt(self, snapshot: LedgerSnapshot, state: Path) -> None:
        """The copy in the state directory, and that the bucket has the same."""
        receipt, damage = receipt_damage(state, snapshot)
        self._found.receipt = receipt
        self._found.damage += damage
        if receipt is None or not snapshot.finished:
            return
        known = self._index.get(RECEIPT)
        if known is None:
            self._found.damage.append(Damage(RECEIPT, "missing", "in the bucket"))
            return
        text = await self._objects.read(self._prefix + RECEIPT, 0, known.size, known.etag)
        if not _is_object(text) or parse_json(text) != receipt_of(state):
            self._found.damage.append(Damage(RECEIPT, "digest", "that of the bucket is another one"))


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False
