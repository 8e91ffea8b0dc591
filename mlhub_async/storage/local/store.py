"""The store in a local directory: partial files in `.mlhub/partial`, finished files at their final paths.

A file gets its final path by rename, after it has passed every check.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...core import checksum
from ...core.errors import DiskFailing, DiskFull, LocalShortage, StorageError, TransferError
from ...core.json_text import dumps, loads
from ...core.model import FileState, Record
from ..file_systems import on_network
from ..integrity import IsUnchanged, content_mismatch, file_state, open_unfollowed
from ..layout import (
    DOCUMENT_PREFIX,
    LINK_PREFIX,
    LOCK_FILE,
    PARTIAL_DIR,
    RECEIPT_FILE,
    RESERVE_FILE,
    STATE_DIR,
    WORKERS_FILE,
    partial_file,
)
from ..os_errors import SHORTAGE_ERRNOS, state_error, storage_error
from .atomic_write import DocumentWriter
from .destination import (
    RunLock,
    WorkerLock,
    begin_shard,
    make_root,
    part_from_links,
    refuse_another_file_system,
    refuse_links,
    rename_sets_time,
    reserve_space,
    unusable,
)
from .directories import CopyNeeded, DirectoryTree, sync_names
from .disk_space import DiskSpace, free_bytes, retry_when_space
from .partials import PartialFile, Partials, Publish
from .writer import SMALL_BODY_BYTES, WriterThreads

if TYPE_CHECKING:
    from .body import BodyWriter


T = TypeVar("T")


class LocalStore:
    """See `ports.Store` and `ports.DocumentStore`. `open` locks DEST for one run; `close` releases it."""

    def __init__(
        self,
        root: Path,
        *,
        durability: str = "process",
        space: DiskSpace | None = None,
        publish: Publish | None = None,
        state: Path | None = None,
    ) -> None:
        """`publish`: what is done with a complete body, where it does not become a file below `root`.
        `state`: the state directory of a shard; the lock of DEST is shared by all of them then."""
        self.root = root
        self.state = state or root / STATE_DIR
        self._space = space or DiskSpace(root)
        self._failed_before = False
        self._threads = WriterThreads(wait_for_space=self._space.wait)
        self._partials = Partials(self.state / PARTIAL_DIR, self._threads, publish or self._publish)
        self.discard = self._partials.discard
        self._sync = durability == "full"
        self.is_synced = self._sync
        self._tree = DirectoryTree(root, sync=self._sync)
        self.is_unchanged: IsUnchanged = self._tree.is_unchanged
        self.displaced = self._tree.displaced
        self.disk = self._threads.disk
        self.disk.on_change = self._review_small_bytes
        self._review_small_bytes()
        self._documents = DocumentWriter(self._partials, self._tree, self.disk, sync=self._sync)
        self.run_brief = self.disk.run
        self.put_document = None
        self.put = self._documents.write
        self.put_pieces = self._documents.write_pieces
        self.stage, self.unstage = self._documents.stage, self._documents.unstage
        self.place, self.place_ready = self._documents.place, self._documents.place_ready
        self.has_partial = self._partials.has_left
        self.partial_names = self._partials.run
        self.adopt_partial = self._partials.adopt
        self.give_partial_away = self._partials.give_away
        self.find_partials_of = self._partials.find_of
        self.receipt_removed = False
        self._lock = RunLock(self.state / LOCK_FILE)
        self._workers = WorkerLock(self.state / WORKERS_FILE)
        self._whole = None if state is None else RunLock(root / STATE_DIR / LOCK_FILE, shared=True)

    @property
    def name(self) -> str:
        return str(self.root)

    def _review_small_bytes(self) -> None:
        self.small_bytes = SMALL_BODY_BYTES if self.disk.fast and not self._sync else 0

    def refuse_unless_directory(self) -> None:
        """Raise `StorageError` if DEST exists and is no directory; creates nothing."""
        try:
            other = self.root.exists() and not self.root.is_dir()
        except OSError as error:
            raise unusable(error, self.root) from None
        if other:
            raise StorageError(f"{self.root} is not a directory; choose another DEST")

    def open(self) -> None:
        """Create DEST and its state directory, take the lock, find the partial files of an earlier run.

        Raises `StorageError` (DEST is no directory, not writable ...) or `Locked`.
        """
        with self._explaining_errors():
            make_root(self.root, synced=self._sync)
            if self._whole is not None:
                begin_shard(self.root / STATE_DIR, self.state, self._whole)
            refuse_links(self.state)
            self.state.mkdir(mode=0o700, exist_ok=True)
            refuse_links(*self.state.iterdir())
            self._open_partials()
            refuse_another_file_system(self._partials.folder, self.root)
            self._lock.take()
            self._workers.wait()
            part_from_links(self.state, but=LOCK_FILE)
            self._partials.find_left()
            if rename_sets_time(self._partials.folder, self.state):
                self._expect_times_to_be_set()
            self._allow_inline()
        reserve_space(self.state / RESERVE_FILE)

    @property
    def renames_set_time(self) -> bool:
        """See `DirectoryTree`."""
        return self._tree.renames_set_time

    def open_beside(self, *, renames_set_time: bool) -> None:
        """Open DEST for a worker of the run that owns it. Raises `StorageError`."""
        with self._explaining_errors():
            self._workers.hold()
            self._open_partials()
            if renames_set_time:
                self._expect_times_to_be_set()
            self._allow_inline()

    @contextlib.contextmanager
    def _explaining_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in SHORTAGE_ERRNOS:
                raise state_error(error, self.root) from None
            raise unusable(error, self.root) from None

    def _open_partials(self) -> None:
        self._partials.open()
        self._tree.take_from(self._partials.directory)
        self.is_unchanged = self._tree.open_root()
        self._documents.opened()

    def _expect_times_to_be_set(self) -> None:
        self._tree.renames_set_time = True
        self._documents.renames_set_time()

    def _allow_inline(self) -> None:
        if not self._sync and not on_network(self.root):
            self._threads.allow_inline()

    @property
    def has_partials(self) -> bool:
        return self._partials.any_left

    def release_reserve(self) -> None:
        with contextlib.suppress(OSError):
            (self.state / RESERVE_FILE).unlink()

    def backpressure(self) -> Awaitable[None] | None:
        return self._space.wait_until_free() if self._space.full is not None else None

    def open_partial(self, identity: tuple[str, str, str]) -> PartialFile:
        return self._partials.open_file(identity)

    async def _publish(self, body: BodyWriter, path: str) -> int:
        """Rename the file of a complete body to its final path; see `ports.PartialFile.commit`."""
        mtime_ns: int | None = None
        while True:
            try:
                if mtime_ns is None:
                    mtime_ns = await self._finish(body)
                return await self._place(body, path) or mtime_ns
            except DiskFull as full:
                if mtime_ns is None and not body.in_memory:
                    raise  # the bytes that were not written are not in memory
                await self._space.wait(full)
            except LocalShortage:
                if mtime_ns is not None or not self._tree.release_descriptors():
                    raise
            except TransferError as error:
                staged = mtime_ns is not None
                raise (self._partials.explained(error, body.path, path) if staged else error) from None

    async def _finish(self, body: BodyWriter) -> int:
        if self._sync:
            return await self.disk.run_in_thread(partial(body.finish, True))
        return await self.disk.run(partial(body.finish, False))

    async def _place(self, body: BodyWriter, path: str) -> int | None:
        """See `DirectoryTree.place`; a file that cannot be renamed to there is copied."""
        try:
            place = partial(self._tree.place, body.path, self._partials.directory, path)
            return await self.disk.run(place, writes=False)
        except CopyNeeded as other:
            return await self.disk.run_in_thread(other.copy)

    async def recover(self, error: StorageError) -> None:
        """See `ports.Store`. A full disk may be waited for. The first error of the disk itself is ignored."""
        if isinstance(error, DiskFull):
            await self._space.wait(error)
        elif isinstance(error, DiskFailing) and not self._failed_before:
            self._failed_before = True
        else:
            raise error

    async def wait_for_space(self, full: DiskFull) -> None:
        """Return when what met a full disk can be tried again; raise `full` if the run does not wait."""
        await self._space.wait(full)

    def stop_waiting(self) -> None:
        self._space.stop_waiting()

    async def link(self, existing: str, path: str) -> int:
        return await retry_when_space(self._space.wait, lambda: self.link_once(existing, path))

    def link_once(self, existing: str, path: str) -> int:
        """A hard link where the file system has such, else a copy. Does not wait for space."""
        name = self._partials.path(partial_file(self._partials.unique_name(LINK_PREFIX)))
        source, target = self.root / existing, self._partials.folder / name
        try:
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError:
                self._copy(source, target)
            mtime_ns = os.stat(target, follow_symlinks=False).st_mtime_ns
            moved = self._tree.place_or_copy(name, self._partials.directory, path)
        except OSError as error:
            raise storage_error(error, path) from None
        except TransferError as error:
            raise self._partials.explained(error, name, path) from None
        finally:
            # rename() does nothing if both names are links to the same file: `target` still exists then.
            with contextlib.suppress(OSError):
                target.unlink()
        return moved or mtime_ns

    def _copy(self, source: Path, target: Path) -> None:
        import shutil

        shutil.copyfile(source, target, follow_symlinks=False)
        if self._sync:
            with open(target, "rb+") as copy:
                os.fsync(copy.fileno())

    def remove_receipt(self) -> None:
        if not self.receipt_removed:
            self.receipt_removed = True
            with contextlib.suppress(OSError):
                (self.state / RECEIPT_FILE).unlink()

    def load_numbers(self, name: str) -> dict[str, int]:
        """Positive integers that an earlier run saved in the state directory; {} if there are none."""
        try:
            saved = loads((self.state / name).read_bytes())
        except (OSError, ValueError):
            return {}
        numbers = saved.items() if isinstance(saved, dict) else ()
        return {key: number for key, number in numbers if isinstance(number, int) and number > 0}

    def save_numbers(self, name: str, numbers: Mapping[str, int]) -> None:
        """Save integers for the next run, if the disk takes them."""
        with contextlib.suppress(OSError):
            (self.state / name).write_bytes(dumps(dict(numbers), sort_keys=True))

    async def stat(self, path: str) -> FileState | None:
        """The state of the regular file at `path`, None if there is none."""
        return self._stat(path)

    def exists(self, path: str) -> bool:
        return self._stat(path) is not None

    def _stat(self, path: str) -> FileState | None:
        try:
            return file_state(self.root / path)
        except OSError:
            return None

    async def is_as_recorded(self, record: Record, *, by_content: bool = False) -> bool:
        """See `integrity` for the two levels. Raises as `inspect` does where the content cannot be read."""
        if not by_content:
            return self.is_unchanged(record.path, record.size, record.mtime_ns)
        return await self.inspect(record.path, lambda file: content_mismatch(file, record)) is None

    @property
    def has_files(self) -> bool:
        """Whether there is anything in DEST besides the state directory."""
        with os.scandir(self.root) as entries:
            return any(entry.name != STATE_DIR for entry in entries)

    async def read(self, path: str) -> bytes | None:
        """The content of a document that an earlier run wrote, None if there is none."""
        if self._stat(path) is None:
            return None  # opening a pipe could block
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def read_document(self, path: str) -> bytes:
        with open_unfollowed(self.root / path) as file:
            return file.read()

    def temporary_path(self, name: str) -> Path:
        return self.state / PARTIAL_DIR / f"{self._partials.unique_name(DOCUMENT_PREFIX)}.{name}"

    def remove(self, record: Record, *, dry_run: bool = False) -> bool | None:
        from . import removal

        return removal.remove(self.root, record, dry_run=dry_run)

    def rename(self, old: str, new: str) -> bool:
        """Rename a file; false where there is none, or something else has the new name.

        In the ledger's thread, before a run begins. Raises what `DirectoryTree.place` does.
        """
        from . import renames

        return renames.rename(self._tree, old, new)

    def remove_empty_directories(self, paths: Iterable[str]) -> None:
        from . import removal

        removal.remove_empty(self.root, paths)

    def free_bytes(self) -> int:
        """Free bytes of the disk that DEST is or would be on; 0 where they are not known."""
        return free_bytes(self.root)

    def sync_names(self, paths: Iterable[str]) -> None:
        """See `ports.DocumentStore`; syncs the directories above the files too."""
        if self._sync:
            sync_names(self.root, paths)

    async def inspect(self, path: str, examine: Callable[[FileIO], T]) -> T:
        """See `ports.Store`. Raises `TransferError` or `StorageError` for a file that cannot be read."""

        def examine_file() -> T:
            with open_unfollowed(self.root / path) as file:
                return examine(file)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads.pool, examine_file)
        except OSError as error:
            raise storage_error(error, path) from None

    async def digest(self, path: str, algorithm: str) -> bytes:
        return await self.inspect(path, lambda file: checksum.file_digest(file, algorithm))

    @property
    def busy(self) -> bool:
        """Whether a thread works for the disk at this moment."""
        return self._threads.pool.busy

    def release_descriptors(self) -> bool:
        return self._tree.release_descriptors()

    def close(self) -> None:
        """Release the lock and all descriptors. May be called without `open`."""
        self._threads.close()
        self._tree.close()
        self._tree.close_root()
        self._documents.close()
        self._partials.close()
        if self._lock.held:  # else the reserve is another run's
            self.release_reserve()
        self._lock.release()
        self._workers.release()
        if self._whole is not None:
            self._whole.release()
