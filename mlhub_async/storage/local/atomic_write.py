"""STAC documents, receipts and lists under DEST: each is put in its place whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from typing import BinaryIO

from ...core.errors import LocalShortage, MlhubError
from ..layout import DOCUMENT_PREFIX, partial_file
from .directories import DirectoryTree, storage_error
from .partials import Partials

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class DocumentWriter:
    """Writes beside the unfinished files and renames. `tree` is for the loop's thread only."""

    def __init__(self, partials: Partials, tree: DirectoryTree, *, sync: bool) -> None:
        self._partials = partials
        self._sync = sync
        self._ledgers = DirectoryTree(tree.root)
        self._tree = self._ledgers if sync else tree

    def write(self, path: str, data: bytes) -> int:
        """Returns its mtime (ns). In the loop's thread, or, where files are synced, in the ledger's.

        Raises `TransferError` where something is in its way, `StorageError` when the disk refuses.
        """
        name, mtime = self._partials.path(self._partials.unique_name(DOCUMENT_PREFIX)), None
        try:
            mtime = self._draft(name, data)
            self._tree.place(name, self._partials.directory, path)
        except (OSError, MlhubError) as error:
            self._forget(name)
            ours = storage_error(error, path) if isinstance(error, OSError) else error
            if not isinstance(ours, LocalShortage):
                raise ours from None
            if mtime is not None or not self._tree.shed():
                raise ours.as_fatal() from None
            return self.write(path, data)
        return mtime

    def _draft(self, name: str, data: bytes) -> int:
        fd = os.open(name, NEW, 0o666, dir_fd=self._partials.directory)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._sync:
                os.fsync(fd)
            return os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """The same for a document that comes in pieces, in the ledger's thread."""
        name = partial_file(self._partials.unique_name(DOCUMENT_PREFIX))
        try:
            with open(self._partials.folder / name, "wb") as file:
                mtime = self._fill(file, pieces)
            self._ledgers.place(self._partials.path(name), self._partials.directory, path)
        except (OSError, MlhubError) as error:
            self._forget(self._partials.path(name))
            ours = storage_error(error, path) if isinstance(error, OSError) else error
            raise (ours.as_fatal() if isinstance(ours, LocalShortage) else ours) from None
        return mtime

    def _fill(self, file: BinaryIO, pieces: Iterable[bytes]) -> int:
        for piece in pieces:
            file.write(piece)
        file.flush()
        if self._sync:
            os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_mtime_ns

    def _forget(self, name: str) -> None:
        """A full disk shall not be kept full by what did not fit."""
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=self._partials.directory)

    def close(self) -> None:
        self._ledgers.close()
