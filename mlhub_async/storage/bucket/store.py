"""The store in a bucket: an object per file, unfinished bytes and the ledger in a directory of this machine.

A body is received into the state directory, checked there as any other is, and then becomes an object. So it
can be resumed after a kill with the same proofs, and its format be checked: a store gives the parts of an
unfinished upload back to nobody. Small bodies stay in memory.

In a record `mtime_ns` is a number made of the ETag: another one is that of another object.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from ...core import checksum
from ...core.errors import MlhubError, StorageError, TransferError
from ...core.model import FileState, Record
from ...core.ports import ObjectFacts, Objects
from ...core.urls import StoreAddress
from ..indexes.objects import KnownObject, ObjectIndex
from ..layout import (
    ERRORS_FILE,
    LOCK_FILE,
    OBJECT_INDEX_FILE,
    OWNER_FILE,
    RECEIPT_FILE,
    STATE_DIR,
    UPLOADS_FILE,
    in_state,
)
from ..local.disk_space import DiskSpace
from ..local.store import LocalStore
from .lock import PrefixLock
from .remote_file import RemoteFile
from .uploads import Body, Uploads

if TYPE_CHECKING:
    from ..local.body import BodyWriter

T = TypeVar("T")
READ_BYTES = 8 << 20
RECEIPT = in_state(RECEIPT_FILE)
KEPT_HERE = frozenset({RECEIPT, in_state(ERRORS_FILE)})
"""Documents that the state directory has a copy of."""


class BucketStore:
    """See `ports.Store` and `ports.DocumentStore`. `open` it, use it while it is `begun`, and `close` it."""

    small_bytes = 0
    is_synced = False
    displaced: AbstractSet[str] = frozenset()

    def __init__(self, objects: Objects, address: StoreAddress, state: Path, space: DiskSpace) -> None:
        """`state`: the directory for what is local."""
        self.root = address
        self._objects = objects
        self._prefix = address.key if not address.key or address.key.endswith("/") else f"{address.key}/"
        self._local = local = LocalStore(state, space=space, publish=self._publish)
        self.state = local.state
        self.disk = local.disk
        self.backpressure = local.backpressure
        self.has_partial, self.open_partial = local.has_partial, local.open_partial
        self.wait_for_space, self.stop_waiting = local.wait_for_space, local.stop_waiting
        self.recover = local.recover
        self.load_numbers, self.save_numbers = local.load_numbers, local.save_numbers
        self.temporary_path, self.release_reserve = local.temporary_path, local.release_reserve
        self.release_descriptors = local.release_descriptors
        self.receipt_removed = False
        self._receipt_gone: asyncio.Task[None] | None = None
        self._uploads = Uploads(objects, self._prefix, self.state / UPLOADS_FILE)
        self._loop = asyncio.get_running_loop()

    @property
    def name(self) -> str:
        return str(self.root)

    @property
    def has_partials(self) -> bool:
        return self._local.has_partials

    @property
    def busy(self) -> bool:
        return self._local.busy

    def refuse_unless_directory(self) -> None:
        """The same for the state directory; the bucket is looked at when it is `begun`."""
        with self._state_told():
            self._local.refuse_unless_directory()

    def open(self) -> None:
        """Lock the state directory. Raises as `LocalStore.open` does."""
        with self._state_told():
            self._local.open()
        self._index = ObjectIndex(self.state / OBJECT_INDEX_FILE)
        self._uploads.open()

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Own the prefix, and know which objects there are. Raises `Locked` or `StorageError`."""
        owner_file, key = self.state / OWNER_FILE, self._key(in_state(LOCK_FILE))
        self._lock = PrefixLock(self._objects, key, self.name, owner_file)
        async with AsyncExitStack() as stack:
            with self._told("cannot be locked"):
                await stack.enter_async_context(self._lock.held())
            await self._list()
            yield
            await self._uploads.end()

    async def _list(self) -> None:
        self.has_files = False
        start = len(self._prefix)
        with self._told("cannot be listed"):
            async for page in self._objects.listing(self._prefix):
                found = [(one.key[start:], one.size, one.etag) for one in page]
                self._index.add(found)
                self.has_files |= any(not path.startswith(f"{STATE_DIR}/") for path, *_ in found)

    def close(self) -> None:
        """Release the lock. May be called without `open`."""
        if self._receipt_gone is not None:
            self._receipt_gone.cancel()
        if (index := getattr(self, "_index", None)) is not None:
            index.close()
        self._local.close()

    @contextlib.contextmanager
    def _state_told(self) -> Iterator[None]:
        """An error of the state directory with what it is: the user may never have named it."""
        try:
            yield
        except StorageError as error:
            error.message += (
                "; this is the state of the bucket on this machine: --state names a directory for it"
            )
            raise

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Errors of the store as `StorageError`: it is no asset that has failed."""
        try:
            yield
        except TransferError as error:
            if error.unmet:
                raise TransferError(f"{error.message}: somebody else writes there", kind="exists") from None
            raise StorageError(f"{self.name} {what}: {error.message}{_advice(error)}") from None

    def _key(self, path: str) -> str:
        return self._prefix + path

    # --- what there is

    def _known(self, path: str) -> KnownObject | None:
        return self._index.get(path)

    def exists(self, path: str) -> bool:
        return self._known(path) is not None

    async def stat(self, path: str) -> FileState | None:
        known = self._known(path)
        return None if known is None else FileState(known.size, stamp_of(known.etag))

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool:
        known = self._known(path)
        return known is not None and (known.size, stamp_of(known.etag)) == (size, mtime_ns)

    async def is_as_recorded(self, record: Record, *, by_content: bool = False) -> bool:
        """By content: the digest that was stored with the object is compared; without one it is read."""
        if not by_content:
            return self.is_unchanged(record.path, record.size, record.mtime_ns)
        facts = await self._facts(record.path)
        if facts is None or facts.size != record.size or not record.sha256:
            return False
        found = facts.sha256 or (await self._read_digest(record.path, facts, "sha256")).hex()
        return found == record.sha256

    async def _facts(self, path: str) -> ObjectFacts | None:
        with self._told("cannot be read"):
            return await self._objects.facts(self._key(path))

    async def digest(self, path: str, algorithm: str) -> bytes:
        facts = await self._facts(path)
        if facts is None:
            raise TransferError(f"{path}: no such object", kind="path")
        if algorithm == "sha256" and facts.sha256:
            return bytes.fromhex(facts.sha256)
        return await self._read_digest(path, facts, algorithm)

    async def _read_digest(self, path: str, facts: ObjectFacts, algorithm: str) -> bytes:
        digest = checksum.hasher(algorithm)
        for first in range(0, facts.size, READ_BYTES):
            digest.update(await self._read(path, first, min(READ_BYTES, facts.size - first), facts.etag))
        return digest.digest()

    async def _read(self, path: str, first: int, size: int, etag: str) -> bytes:
        with self._told("cannot be read"):
            return await self._objects.read(self._key(path), first, size, etag)

    async def inspect(self, path: str, examine: Callable[[BinaryIO], T]) -> T:
        known = self._known(path)
        if known is None:
            raise TransferError(f"{path}: no such object", kind="path")
        return await asyncio.to_thread(self._examine, path, known, examine)

    def _examine(self, path: str, known: KnownObject, examine: Callable[[BinaryIO], T]) -> T:
        def read(first: int, size: int) -> bytes:
            return self._wait_for(self._read(path, first, size, known.etag))

        return examine(RemoteFile(known.size, read))

    async def read(self, path: str) -> bytes | None:
        """The content of a document that an earlier run wrote, None if there is none."""
        known = self._known(path)
        return None if known is None else await self._read(path, 0, known.size, known.etag)

    def read_document(self, path: str) -> bytes:
        try:
            found = self._wait_for(self.read(path))
        except MlhubError as error:
            raise OSError(error.message) from None
        if found is None:
            raise FileNotFoundError(path)
        return found

    # --- what is written

    async def _publish(self, body: BodyWriter, path: str) -> int:
        """Make an object of a complete and checked body."""

        async def read(first: int, size: int) -> bytes:
            return await body.inspect(partial(_read_range, first, size))

        sha256 = body.digests.result()["sha256"].hex()
        etag = await self._write(path, Body(body.offset, sha256, read))
        self._local.discard(body)
        return stamp_of(etag)

    async def _write(self, path: str, body: Body) -> str:
        await self._wait_for_receipt()
        await self._confirm_lock()
        known = self._known(path)
        with self._told("does not take what is put"):
            if known is not None and known.size == body.size:
                facts = await self._objects.facts(self._key(path))
                if facts is not None and (facts.size, facts.sha256) == (body.size, body.sha256):
                    return facts.etag  # a run that was killed has put it
            replaced = "" if known is None else known.etag
            etag = await self._uploads.write(self._key(path), body, replaced)
        self._index.add([(path, body.size, etag)])
        return etag

    async def put_document(self, path: str, data: bytes) -> int:
        """Write a document whole, in the event loop. Returns what its record has as `mtime_ns`."""

        async def read(first: int, size: int) -> bytes:
            return data[first : first + size]

        return await self._put(path, Body(len(data), hashlib.sha256(data).hexdigest(), read))

    async def _put(self, path: str, body: Body) -> int:
        return stamp_of(await self._write(path, body))

    def put(self, path: str, data: bytes) -> int:
        return self.put_pieces(path, [data])

    def put_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """In a thread. The whole document is in memory meanwhile."""
        data = b"".join(pieces)
        stamp = self._wait_for(self.put_document(path, data))
        if path in KEPT_HERE:
            self._local.put_pieces(path, [data])
        return stamp

    def _wait_for(self, work: Coroutine[object, object, T]) -> T:
        """The result of what the event loop does, in another thread than that of the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def link(self, existing: str, path: str) -> int:
        """A copy within the store."""
        await self._wait_for_receipt()
        await self._confirm_lock()
        with self._told("does not copy"):
            facts = await self._objects.facts(self._key(existing))
            if facts is None:
                raise TransferError(f"{existing}: no such object", kind="path")
            try:
                etag = await self._objects.copy(self._key(existing), facts, self._key(path))
            except TransferError as error:
                if not (error.denied or error.absent or error.unsupported):
                    raise
                etag = await self._copy_by_reading(existing, facts, path, error)
        self._index.add([(path, facts.size, etag)])
        return stamp_of(etag)

    async def _copy_by_reading(
        self, existing: str, facts: ObjectFacts, path: str, refused: TransferError
    ) -> str:
        """Read an object and put it again: the keys may read it, and not let the store do so."""
        sha256 = (await self._read_digest(existing, facts, "sha256")).hex()
        if facts.sha256 not in ("", sha256):
            raise refused

        async def read(first: int, size: int) -> bytes:
            return await self._read(existing, first, size, facts.etag)

        known = self._known(path)
        replaced = "" if known is None else known.etag
        return await self._uploads.write(self._key(path), Body(facts.size, sha256, read), replaced)

    def stage(self, data: object) -> tuple[str, int]:
        raise StorageError("a bucket has no staged files")

    def place(self, name: str, path: str) -> int | None:
        raise StorageError("a bucket has no staged files")

    def place_ready(self, names: object) -> int:
        return 0

    def unstage(self, name: str) -> None:
        """There is none."""

    # --- what is removed

    def remove_receipt(self) -> None:
        if not self.receipt_removed:
            self.receipt_removed = True
            self._local.remove_receipt()
            if self.exists(RECEIPT):
                self._receipt_gone = self._loop.create_task(self._delete(RECEIPT))

    async def _wait_for_receipt(self) -> None:
        """The receipt of the last run is removed before any object changes."""
        if (gone := self._receipt_gone) is not None:
            await asyncio.shield(gone)
            self._receipt_gone = None

    async def _confirm_lock(self) -> None:
        """Raise `Locked` where another run owns the prefix by now: what is known of it is old then."""
        with self._told("cannot be locked"):
            await self._lock.confirm()

    async def _delete(self, path: str) -> None:
        await self._confirm_lock()
        with self._told("does not let objects be removed"):
            await self._objects.remove(self._key(path))
        self._index.remove(path)

    def remove(self, record: Record, *, dry_run: bool = False) -> bool | None:
        known = self._known(record.path)
        if known is None:
            return None
        if (known.size, stamp_of(known.etag)) != (record.size, record.mtime_ns):
            return False
        if not dry_run:
            self._wait_for(self._delete(record.path))
        return True

    def remove_empty_directories(self, paths: Iterable[str]) -> None:
        """A bucket has no directories."""

    def sync_names(self, paths: Iterable[str]) -> None:
        """An object that was put survives: that is the promise of the store."""


def stamp_of(etag: str) -> int:
    """A number that stands for an ETag, as the mtime does for a file."""
    return int.from_bytes(hashlib.blake2b(etag.encode(), digest_size=8).digest()) >> 1


def _read_range(first: int, size: int, file: BinaryIO) -> bytes:
    file.seek(first)
    found = bytearray()
    while len(found) < size and (piece := file.read(size - len(found))):
        found += piece
    return bytes(found)


def _advice(error: TransferError) -> str:
    if error.retained:
        return "; a retention policy keeps what is there from being replaced or removed: give another bucket"
    if error.denied or error.missing_keys:
        what = "the keys that there are may not do that" if error.signed else "it was asked without keys"
        return f"; {what}: see 'mlhub-async auth status'"
    return "; there is no such bucket" if error.absent else ""
