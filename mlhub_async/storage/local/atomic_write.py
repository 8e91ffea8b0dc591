"""Writes documents under DEST (STAC, receipts, lists) atomically: to a temporary file, then a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from ...core.errors import DiskFull, LocalShortage, MlhubError, PartialLost, TransferError
from ..inline import SLOW_SECONDS, DiskWork
from ..layout import DOCUMENT_PREFIX
from ..os_errors import storage_error, with_cause, write_whole
from .directories import HAS_DIR_FD, CopyNeeded, DirectoryTree
from .partials import Partials

if TYPE_CHECKING:
    from ...core.ports import Buffer

PIECE_BYTES = 1 << 20
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class DocumentWriter:
    """The temporary files are in the directory of partial files. `disk` is told what was slow in the loop."""

    def __init__(self, partials: Partials, tree: DirectoryTree, disk: DiskWork, *, sync: bool) -> None:
        self._partials = partials
        self._disk = disk
        self._names = partials.unique_paths(DOCUMENT_PREFIX)
        self._sync = sync
        self._ledger_tree = DirectoryTree(tree.root, sync=sync)
        self._tree = self._ledger_tree if sync else tree

    def write(self, path: str, data: bytes) -> int:
        """See `ports.Store.put`. In any thread; if files are synced, in that of the ledger."""
        while True:
            name, mtime = self.stage(data, path)
            try:
                return self.place(name, path) or mtime
            except PartialLost:
                continue  # to a run that began just now, on a file system without locks

    def stage(self, data: Buffer, path: str = "") -> tuple[str, int]:
        """See `ports.Store`. `path` is for messages."""
        name, started = next(self._names), self._disk.clock()
        if started > self._disk.stale_at:
            self._disk.refresh()
        try:
            fd = os.open(name, CREATE_FLAGS, 0o666, dir_fd=self._partials.directory)
            try:
                if (written := os.write(fd, data)) < len(data):
                    write_whole(fd, memoryview(data)[written:])
                if self._sync:
                    os.fsync(fd)
                mtime_ns = os.fstat(fd).st_mtime_ns
            finally:
                os.close(fd)
                if (took := self._disk.clock() - started) > SLOW_SECONDS:
                    self._disk.note_slow(took)
            return name, mtime_ns
        except OSError as error:
            self.unstage(name)
            ours = storage_error(error, path)
            if not isinstance(ours, LocalShortage):
                raise self._explained(ours) from None
            if not self._tree.release_descriptors():
                raise ours.as_fatal() from None
        return self.stage(data, path)

    def place(self, name: str, path: str) -> int | None:
        """See `ports.Store`."""
        started = self._disk.clock()
        try:
            try:
                return self._tree.place(name, self._partials.directory, path)
            except CopyNeeded as other:
                return other.copy()
        except MlhubError as error:
            if isinstance(error, TransferError):
                error = self._partials.explained(error, name, path)
            self.unstage(name)
            raise self._explained(error) from None
        finally:
            if (took := self._disk.clock() - started) > SLOW_SECONDS:
                self._disk.note_slow(took)

    def place_ready(self, names: Sequence[tuple[str, str]]) -> int:
        """See `ports.Store`."""
        return self._tree.place_ready(names, self._partials.directory, self._disk)

    def _explained(self, error: MlhubError) -> MlhubError:
        if isinstance(error, LocalShortage):
            return error.as_fatal()
        return with_cause(error, self._partials.folder) if isinstance(error, DiskFull) else error

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """The same for a document that is made piece by piece, in the ledger's thread."""
        name = next(self._names)
        try:
            with open(self._partials.folder / name, "x+b") as file:
                mtime = self._fill(file, pieces)
                if not HAS_DIR_FD:  # Windows renames no file that is open
                    file.close()
                try:
                    return self._ledger_tree.place_or_copy(name, self._partials.directory, path) or mtime
                except LocalShortage:
                    file.close()  # one descriptor more
                    return self._ledger_tree.place_or_copy(name, self._partials.directory, path) or mtime
                except TransferError as error:
                    why = self._partials.explained(error, name, path)
                    if file.closed or not isinstance(why, PartialLost):
                        raise
                    file.seek(0)  # its bytes are here, until it is closed
                    return self.write_pieces(path, iter(partial(file.read, PIECE_BYTES), b""))
        except (OSError, MlhubError) as error:
            self.unstage(name)
            ours = storage_error(error, path) if isinstance(error, OSError) else error
            raise self._explained(ours) from None

    def opened(self) -> None:
        """The directory of partial files is there. Raises OSError."""
        self._ledger_tree.take_from(self._partials.directory)

    def renames_set_time(self) -> None:
        """See `DirectoryTree`."""
        self._ledger_tree.renames_set_time = True

    def _fill(self, file: BinaryIO, pieces: Iterable[bytes]) -> int:
        for piece in pieces:
            file.write(piece)
        file.flush()
        if self._sync:
            os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime_ns

    def unstage(self, name: str) -> None:
        """Free the space of a document that could not be written."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._partials.directory)

    def close(self) -> None:
        self._ledger_tree.close()
