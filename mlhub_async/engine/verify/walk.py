"""Compares the files of the ledger with those on disk, by a merge of two sorted streams."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...core.model import Record
from ...storage.layout import STATE_DIR
from ...storage.os_errors import is_unreachable, state_error


class ComparedPath(NamedTuple):
    """A path that is in the ledger (`role`, `record`), on disk (`is_file`), or both."""

    path: str
    role: int
    record: Record | None
    is_file: bool | None
    """None: nothing is on disk; False: something that is no regular file"""


def merge_listings(
    rows: Iterable[tuple[int, Record]],
    files: Iterable[tuple[str, bool]],
    ask: Callable[[str], bool | None] = lambda path: None,
) -> Iterator[ComparedPath]:
    """Merge rows of the ledger with files on disk. Both must be sorted by the bytes of their paths.

    `ask` is called for a path that is not among the files, and returns what `is_file` of it is.
    """
    disk = iter(files)
    path, is_file = next(disk, (None, False))
    for role, record in rows:
        wanted = os.fsencode(record.path)
        while path is not None and os.fsencode(path) < wanted:
            yield ComparedPath(path, 0, None, is_file)
            path, is_file = next(disk, (None, False))
        if path == record.path:
            yield ComparedPath(path, role, record, is_file)
            path, is_file = next(disk, (None, False))
        else:
            yield ComparedPath(record.path, role, record, ask(record.path))
    while path is not None:
        yield ComparedPath(path, 0, None, is_file)
        path, is_file = next(disk, (None, False))


def stored_kind(dest: Path, path: str) -> bool | None:
    """Whether the path itself leads to a regular file; None where it leads to nothing.

    To be asked for a path that no listing of a directory has: some file systems do not tell A from a, or
    compose letters, and list a name in another spelling than it was written in. Raises `StorageError` where
    the file system has gone.
    """
    folder = os.path.dirname(path)
    if os.path.realpath(dest / folder) != os.path.normpath(os.path.join(os.path.realpath(dest), folder)):
        return None  # a link is in the way
    try:
        mode = os.stat(dest / path, follow_symlinks=False).st_mode
        return None if stat.S_ISDIR(mode) else stat.S_ISREG(mode)
    except OSError as error:
        if is_unreachable(error):
            raise state_error(error, path) from None
        return None


def link_above(dest: Path, path: str) -> str:
    """The first directory on the way to a path that is a symbolic link; "" for none."""
    above = [folder.as_posix() for folder in reversed(PurePosixPath(path).parents)][1:]
    return next((folder for folder in above if os.path.islink(dest / folder)), "")


def files_under(dest: Path) -> Iterator[tuple[str, bool]]:
    """All paths below DEST except directories and the state directory, and whether each is a regular file.

    They are sorted by their bytes. Links are not followed. A directory that cannot be read counts as empty,
    so that its files are reported as missing.
    """
    return _walk(str(dest), "")


def _walk(root: str, folder: str) -> Iterator[tuple[str, bool]]:
    for key, mode in _sorted_entries(root, folder):
        name = os.fsdecode(key)
        if stat.S_ISDIR(mode):
            if folder or name != f"{STATE_DIR}/":
                yield from _walk(root, folder + name)
        else:
            yield folder + name, stat.S_ISREG(mode)


def _sorted_entries(root: str, folder: str) -> list[tuple[bytes, int]]:
    """The entries of a directory, sorted by the bytes of their paths: a subdirectory with its slash."""
    try:
        with os.scandir(os.path.join(root, folder)) as found:
            return sorted(map(_sort_key, found))
    except OSError as error:
        if is_unreachable(error):
            raise state_error(error, os.path.join(root, folder)) from None
        return []


def _sort_key(entry: os.DirEntry[str]) -> tuple[bytes, int]:
    name = os.fsencode(entry.name)
    if entry.is_dir(follow_symlinks=False):
        return name + b"/", stat.S_IFDIR
    return name, stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
