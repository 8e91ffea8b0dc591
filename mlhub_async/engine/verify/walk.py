"""Hides the comparison of two long lists, the ledger's and the disk's, without holding either."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ...core.model import Record
from ...storage.layout import STATE_DIR


class Pair(NamedTuple):
    """A path that the ledger knows (`role`, `record`), that is on disk (`is_file`), or both."""

    path: str
    role: int
    record: Record | None
    is_file: bool | None
    """None: nothing is there; False: something that is no regular file"""


def march(rows: Iterable[tuple[int, Record]], files: Iterable[tuple[str, bool]]) -> Iterator[Pair]:
    """Pair the two up. Both come sorted by the bytes of their paths.

    1. The ledger's path comes first: nothing is on disk.
    2. The disk's path comes first: the ledger does not know it.
    3. They are the same.
    """
    disk = iter(files)
    path, is_file = next(disk, (None, False))
    for role, record in rows:
        wanted = os.fsencode(record.path)
        while path is not None and os.fsencode(path) < wanted:
            yield Pair(path, 0, None, is_file)
            path, is_file = next(disk, (None, False))
        if path == record.path:
            yield Pair(path, role, record, is_file)
            path, is_file = next(disk, (None, False))
        else:
            yield Pair(record.path, role, record, None)
    while path is not None:
        yield Pair(path, 0, None, is_file)
        path, is_file = next(disk, (None, False))


def files_under(dest: Path) -> Iterator[tuple[str, bool]]:
    """Everything below DEST but our own state and directories, and whether it is a regular file.

    Links are not followed. A directory that cannot be read holds nothing that could be proven.
    """
    return _below(str(dest), "")


def _below(root: str, folder: str) -> Iterator[tuple[str, bool]]:
    for key, mode in _entries(root, folder):
        name = os.fsdecode(key)
        if stat.S_ISDIR(mode):
            if folder or name != f"{STATE_DIR}/":
                yield from _below(root, folder + name)
        else:
            yield folder + name, stat.S_ISREG(mode)


def _entries(root: str, folder: str) -> list[tuple[bytes, int]]:
    """Sorted so that a walk gives whole paths in the order of their bytes: a directory by name and slash."""
    try:
        with os.scandir(os.path.join(root, folder)) as found:
            return sorted(map(_entry, found))
    except OSError:
        return []


def _entry(entry: os.DirEntry[str]) -> tuple[bytes, int]:
    name = os.fsencode(entry.name)
    if entry.is_dir(follow_symlinks=False):
        return name + b"/", stat.S_IFDIR
    return name, stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
