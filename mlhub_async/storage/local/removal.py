"""Removes files of the mirror: never through a link, and none that has changed since it was recorded."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import StorageError
from ...core.model import Record
from ..integrity import content_mismatch, matches_stat, open_unfollowed
from .directories import HAS_DIR_FD, open_directory

_NOT_NAMES = frozenset({"", ".", ".."})
_NO_DIRECTORY_ERRNOS = frozenset({errno.ELOOP, errno.ENOTDIR})


def remove(root: Path, record: Record, *, dry_run: bool = False) -> bool | None:
    """True if the file was removed (or would be), None if there is none, False if it is another file by now.

    One whose mtime alone is another is read. Raises `StorageError` if the disk refuses.
    """
    path = record.path
    *folders, name = path.split("/")
    if not _NOT_NAMES.isdisjoint((*folders, name)):
        return False  # not a path that we record: the ledger was edited
    try:
        with opened(root, folders) as (place, fd):
            if not _is_ours(place + name, record, fd):
                return False
            if not dry_run:
                os.unlink(place + name, dir_fd=fd)
            return True
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _NO_DIRECTORY_ERRNOS:
            return False
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{path}: cannot be removed ({reason}); allow it, then run again") from None


def _is_ours(path: str, record: Record, directory: int | None) -> bool:
    if matches_stat(path, record.size, record.mtime_ns, directory):
        return True
    if not record.sha256 or os.stat(path, dir_fd=directory, follow_symlinks=False).st_size != record.size:
        return False
    with open_unfollowed(path, directory) as file:
        return content_mismatch(file, record) is None


def remove_empty(root: Path, paths: Iterable[str]) -> None:
    """Remove the directories of these files that are empty, and those above them that this leaves empty."""
    for folder in sorted({path.rpartition("/")[0] for path in paths}, key=lambda one: -one.count("/")):
        *above, name = folder.split("/")
        with contextlib.suppress(OSError):
            while name:
                with opened(root, above) as (place, fd):
                    os.rmdir(place + name, dir_fd=fd)
                *above, name = above or [""]


@contextmanager
def opened(root: Path, folders: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """Open a directory without following links: a prefix of paths, and the `dir_fd` they are relative to."""
    if not HAS_DIR_FD:
        real = root.resolve().joinpath(*folders)
        if real.resolve() != real:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        yield f"{real}{os.sep}", None
        return
    fd = open_directory(root)
    try:
        for name in folders:
            above = fd
            fd = open_directory(name, above)
            os.close(above)
        yield "", fd
    finally:
        os.close(fd)
