"""The mirror on a local disk: unfinished bytes under `.mlhub/partial`, finished files under their names.

A name on disk is a promise: a file gets its final name only by rename, after every check.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import TypeVar

import orjson

from ...core import checksum
from ...core.errors import DiskFailing, DiskFull, LocalShortage, PartialLost, StorageError, TransferError
from ...core.model import FileState, Record
from ..integrity import content_mismatch, file_state, is_unchanged, open_unfollowed
from ..layout import (
    LINK_PREFIX,
    LOCK_FILE,
    PARTIAL_DIR,
    RECEIPT_FILE,
    RESERVE_FILE,
    STATE_DIR,
    partial_file,
)
from .atomic_write import DocumentWriter
from .checkpoint import PartialHeader
from .destination import RunLock, make_root, refuse_another_file_system, refuse_links, set_aside, unusable
from .directories import SHORTAGE_ERRNOS, DirectoryTree, state_error, storage_error, sync_names
from .disk_space import DiskSpace
from .partials import PartialFile, Partials
from .writer import WriterThreads

T = TypeVar("T")


class LocalStore:
    """Owns DEST for one run. `open` takes the lock; `close` gives everything back."""

    def __init__(self, root: Path, *, durability: str = "process", room: DiskSpace | None = None) -> None:
        self.root = root
        self.state = root / STATE_DIR
        self.disk_space = room or DiskSpace(self.state)
        self._failed_before = False
        self._disk = WriterThreads(wait_for_room=self.disk_space.wait)
        self._partials = Partials(self.state / PARTIAL_DIR, self._disk)
        self._sync = durability == "full"
        self.tree = DirectoryTree(root)
        self._documents = DocumentWriter(self._partials, self.tree, sync=self._sync)
        self.receipt_forgotten = False
        self._lock = RunLock(self.state / LOCK_FILE)

    def refuse_unless_directory(self) -> None:
        """Raises `StorageError` if DEST is something else already; makes nothing."""
        try:
            other = self.root.exists() and not self.root.is_dir()
        except OSError as error:
            raise unusable(error, self.root) from None
        if other:
            raise StorageError(f"{self.root} is not a directory; choose another DEST")

    def open(self) -> None:
        """Make DEST and its state directory, take the lock, see what an earlier run left unfinished.

        Raises `StorageError` (DEST is no directory, not writable ...) or `Locked`.
        """
        try:
            make_root(self.root, synced=self._sync)
            refuse_links(self.state)
            self.state.mkdir(mode=0o700, exist_ok=True)
            refuse_links(*self.state.iterdir())
            self._partials.open()
            refuse_another_file_system(self._partials.folder, self.root)
            self._lock.take()
            self._partials.look_around()
        except OSError as error:
            if error.errno in SHORTAGE_ERRNOS:
                raise state_error(error, self.root) from None
            raise unusable(error, self.root) from None
        set_aside(self.state / RESERVE_FILE)

    def use_reserve(self) -> None:
        with contextlib.suppress(OSError):
            (self.state / RESERVE_FILE).unlink()

    @property
    def express(self) -> bool:
        """Whether a whole small file may be written at once, with `write_document`, in the loop's thread."""
        return not self._sync

    def left_over(self, identity: tuple[str, str, str]) -> bool:
        """Whether an earlier run left unfinished bytes of this asset."""
        return self._partials.left_over(identity)

    def draft(self, identity: tuple[str, str, str]) -> PartialFile:
        """See `Partials`, for the next three too."""
        return self._partials.draft(identity)

    def bind(self, draft: PartialFile, version: PartialHeader | None) -> None:
        self._partials.bind(draft, version)

    async def keep(self, draft: PartialFile) -> None:
        await self._partials.keep(draft)

    async def drop(self, draft: PartialFile) -> None:
        await self._partials.drop(draft)

    async def commit(self, draft: PartialFile, path: str) -> int:
        """Give the checked bytes their final name; returns the file's mtime in nanoseconds."""
        body, mtime = draft.body, None
        while True:
            try:
                if mtime is None:
                    mtime = await body.in_thread(body.finish, True) if self._sync else body.finish(False)
                self.tree.place(body.path, self._partials.directory, path)
                break
            except DiskFull as full:
                if mtime is None and not body.in_memory:
                    raise  # what the file did not take is nowhere else
                await self.disk_space.wait(full)
            except LocalShortage:
                if mtime is not None or not self.tree.shed():
                    raise
            except TransferError:
                if mtime is None or self._partials.has(body):
                    raise
                raise PartialLost(f"{path}: its unfinished file was removed by somebody else") from None
        body.was_opened = False
        self._partials.unbind(draft)
        return mtime

    async def outlast(self, error: StorageError) -> None:
        """Return when an asset may begin anew after the disk refused or lost its bytes; else raise `error`.

        A full disk may be waited for. One error of the disk itself is forgiven: a second is no accident.
        """
        if isinstance(error, DiskFull):
            await self.disk_space.wait(error)
        elif isinstance(error, DiskFailing) and not self._failed_before:
            self._failed_before = True
        else:
            raise error

    def duplicate(self, existing: str, path: str) -> int:
        """Make `path` the same file as `existing`: a hard link where there are such, else a copy."""
        name = partial_file(self._partials.stem(LINK_PREFIX))
        source, target = self.root / existing, self._partials.folder / name
        try:
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError:
                self._copy(source, target)
            mtime = os.stat(target, follow_symlinks=False).st_mtime_ns
            self.tree.place(self._partials.path(name), self._partials.directory, path)
        except OSError as error:
            raise storage_error(error, path) from None
        finally:
            # To rename a link over another link to the same file does nothing: both are there then.
            with contextlib.suppress(OSError):
                target.unlink()
        return mtime

    def _copy(self, source: Path, target: Path) -> None:
        shutil.copyfile(source, target, follow_symlinks=False)
        if self._sync:
            with open(target, "rb+") as copy:
                os.fsync(copy.fileno())

    def forget_receipt(self) -> None:
        """From now on the last receipt speaks of files that may change: there is none until this run ends."""
        if not self.receipt_forgotten:
            self.receipt_forgotten = True
            with contextlib.suppress(OSError):
                (self.state / RECEIPT_FILE).unlink()

    def recall(self, name: str) -> dict[str, int]:
        """Small numbers that an earlier run left for this one; none is as good as some."""
        try:
            kept = orjson.loads((self.state / name).read_bytes())
        except (OSError, ValueError):
            return {}
        numbers = kept.items() if isinstance(kept, dict) else ()
        return {key: number for key, number in numbers if isinstance(number, int) and number > 0}

    def remember(self, name: str, numbers: Mapping[str, int]) -> None:
        """Leave small numbers to the next run, if the disk takes them."""
        with contextlib.suppress(OSError):
            (self.state / name).write_bytes(orjson.dumps(dict(numbers), option=orjson.OPT_SORT_KEYS))

    async def found(self, path: str) -> FileState | None:
        """The state of the regular file at `path`, None if there is none."""
        return self._found(path)

    def _found(self, path: str) -> FileState | None:
        try:
            return file_state(self.root / path)
        except OSError:
            return None

    async def is_as_recorded(self, record: Record, *, by_content: bool = False) -> bool:
        """Whether a finished file is there and as its record says; see `integrity` for the two levels."""
        if not by_content:
            return is_unchanged(f"{self.root}/{record.path}", record.size, record.mtime_ns)
        return await self.look(record.path, lambda file: content_mismatch(file, record)) is None

    @property
    def inhabited(self) -> bool:
        """Whether there is anything in DEST beside our own state."""
        with os.scandir(self.root) as entries:
            return any(entry.name != STATE_DIR for entry in entries)

    def document(self, path: str) -> bytes | None:
        """What a document has that an earlier run left, None if there is none."""
        if self._found(path) is None:
            return None  # a pipe would keep us waiting
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def write_document(self, path: str, data: bytes) -> int:
        """See `Documents`, for the next too."""
        return self._documents.write(path, data)

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        return self._documents.write_pieces(path, pieces)

    def sync_directories(self, paths: Iterable[str]) -> None:
        """Make the names of these files survive a power cut, those of the directories above them too.

        Nothing where files are not synced.
        """
        if self._sync:
            sync_names(self.root, paths)

    async def look(self, path: str, at: Callable[[FileIO], T]) -> T:
        """What a function finds in a finished file, in the disk thread."""

        def looking() -> T:
            with open_unfollowed(self.root / path) as file:
                return at(file)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk.pool, looking)
        except OSError as error:
            raise storage_error(error, path) from None

    async def digest(self, path: str, algorithm: str) -> bytes:
        """The digest of a finished file, read in the disk thread."""
        return await self.look(path, lambda file: checksum.of_file(file, algorithm))

    def close(self) -> None:
        self._disk.close()
        self.tree.close()
        self._documents.close()
        self._partials.close()
        if self._lock.held:  # else it is somebody else's
            self.use_reserve()
        self._lock.release()
