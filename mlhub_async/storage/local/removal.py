"""Hides how a file of ours is removed: never through a link, never one that somebody has changed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...core.errors import StorageError
from ..integrity import matches_stat
from .directories import HAS_DIR_FD, open_directory

_INERT = frozenset({"", ".", ".."})
_IN_THE_WAY = frozenset({errno.ELOOP, errno.ENOTDIR})


def remove(root: Path, path: str, size: int, mtime_ns: int, *, dry_run: bool = False) -> bool | None:
    """True if the file was removed (or would be), None if there is none, False if it is not the one it was.

    Raises `StorageError` if the disk refuses.
    """
    *folders, name = path.split("/")
    if not _INERT.isdisjoint((*folders, name)):
        return False  # no path of ours: somebody has been at the ledger
    try:
        with _opened(root, folders) as (place, fd):
            if not matches_stat(place + name, size, mtime_ns, fd):
                return False
            if not dry_run:
                os.unlink(place + name, dir_fd=fd)
            return True
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _IN_THE_WAY:
            return False
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{path}: cannot be removed ({reason}); allow it, then run again") from None


def remove_empty(root: Path, paths: Iterable[str]) -> None:
    """Remove the directories of these files that are empty, and those above them that this leaves empty."""
    for folder in sorted({path.rpartition("/")[0] for path in paths}, key=lambda one: -one.count("/")):
        *above, name = folder.split("/")
        with contextlib.suppress(OSError):
            while name:
                with _opened(root, above) as (place, fd):
                    os.rmdir(place + name, dir_fd=fd)
                *above, name = above or [""]


@contextmanager
def _opened(root: Path, folders: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """A directory, no link on the way: as a prefix of paths, and a descriptor that these are relative to."""
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
