"""Writes documents under DEST (STAC, receipts, lists) atomically: to a temporary file, then a rename."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import BinaryIO

from ...core.errors import DiskFull, LocalShortage, MlhubError
from ..layout import DOCUMENT_PREFIX, partial_file
from ..os_errors import storage_error, with_cause, write_whole
from .directories import DirectoryTree
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
        name, mtime = self._partials.path(self._partials.unique_name(DOCUMENT_PREFIX)), None
        try:
            mtime = self._write_temporary(name, data)
            return self._tree.place_or_copy(name, self._partials.directory, path) or mtime
        except (OSError, MlhubError) as error:
            self._delete(name)
            ours = storage_error(error, path) if isinstance(error, OSError) else error
            if isinstance(ours, DiskFull):
                raise with_cause(ours, self._partials.folder) from None
            if not isinstance(ours, LocalShortage):
                raise ours from None
            if mtime is not None or not self._tree.release_descriptors():
                raise ours.as_fatal() from None
            return self.write(path, data)

    def _write_temporary(self, name: str, data: bytes) -> int:
        fd = os.open(name, CREATE_FLAGS, 0o666, dir_fd=self._partials.directory)
        try:
            write_whole(fd, data)
            if self._sync:
                os.fsync(fd)
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """The same for a document that is made piece by piece, in the ledger's thread."""
        name = partial_file(self._partials.unique_name(DOCUMENT_PREFIX))
        try:
            with open(self._partials.folder / name, "wb") as file:
                mtime = self._fill(file, pieces)
            moved = self._ledger_tree.place_or_copy(self._partials.path(name), self._partials.directory, path)
        except (OSError, MlhubError) as error:
            self._delete(self._partials.path(name))
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

    def _delete(self, name: str) -> None:
        """Free the space of a document that could not be written."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._partials.directory)

    def close(self) -> None:
        self._ledger_tree.close()
