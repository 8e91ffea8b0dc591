"""Writes documents under DEST (STAC, receipts, lists) atomically: to a temporary file, then a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import BinaryIO

from ...core.errors import DiskFull, LocalShortage, MlhubError
from ...core.ports import Buffer
from ..layout import DOCUMENT_PREFIX, partial_file
from ..os_errors import storage_error, with_cause, write_whole
from .directories import CopyNeeded, DirectoryTree
from .partials import Partials

CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class DocumentWriter:
    """The temporary files are in the directory of partial files. `tree` is used in the event loop only."""

    def __init__(self, partials: Partials, tree: DirectoryTree, *, sync: bool) -> None:
        self._partials = partials
        self._sync = sync
        self._ledger_tree = DirectoryTree(tree.root, sync=sync)
        self._tree = self._ledger_tree if sync else tree

    def write(self, path: str, data: bytes) -> int:
        """See `ports.Store.put`. In the event loop or, if files are synced, in the ledger's thread."""
        name, mtime = self.stage(data, path)
        return self.place(name, path) or mtime

    def stage(self, data: Buffer, path: str = "") -> tuple[str, int]:
        """See `ports.Store`. `path` is for messages."""
        partials = self._partials
        name = partials.unique_path(DOCUMENT_PREFIX)
        try:
            fd = os.open(name, CREATE_FLAGS, 0o666, dir_fd=partials.directory)
            try:
                if (written := os.write(fd, data)) < len(data):
                    write_whole(fd, memoryview(data)[written:])
                if self._sync:
                    os.fsync(fd)
                return name, os.fstat(fd).st_mtime_ns
            finally:
                os.close(fd)
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
        try:
            try:
                return self._tree.place(name, self._partials.directory, path)
            except CopyNeeded as other:
                return other.copy()
        except MlhubError as error:
            self.unstage(name)
            raise (error.as_fatal() if isinstance(error, LocalShortage) else self._explained(error)) from None

    def _explained(self, error: MlhubError) -> MlhubError:
        return with_cause(error, self._partials.folder) if isinstance(error, DiskFull) else error

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """The same for a document that is made piece by piece, in the ledger's thread."""
        name = partial_file(self._partials.unique_name(DOCUMENT_PREFIX))
        try:
            with open(self._partials.folder / name, "wb") as file:
                mtime = self._fill(file, pieces)
            moved = self._ledger_tree.place_or_copy(self._partials.path(name), self._partials.directory, path)
        except (OSError, MlhubError) as error:
            self.unstage(self._partials.path(name))
            ours = storage_error(error, path) if isinstance(error, OSError) else error
            if isinstance(ours, DiskFull):
                raise with_cause(ours, self._partials.folder) from None
            raise (ours.as_fatal() if isinstance(ours, LocalShortage) else ours) from None
        return moved or mtime

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
