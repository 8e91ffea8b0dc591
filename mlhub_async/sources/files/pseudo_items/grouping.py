"""Groups the files of a listing: by folder, by the stem of their names, or one by one (`--group-by`).

In a listing that is sorted, all files of a group come between the first and the last key that begins with the
group's own prefix. So only the groups whose prefix the present key begins with are held in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..listing import FileEntry

MAX_GROUP_FILES = 10_000
"""A group of more files than this is no item: each of its files becomes one, so that memory stays bounded."""
_SUFFIXES = re.compile(r"(?:\.[A-Za-z0-9]{1,8})+\Z", re.ASCII)
_PART = re.compile(r"(.+)_(?!\d+\Z)[^_]+\Z", re.DOTALL)


class FileGroup(NamedTuple):
    """The files of one item. `path` is the path of the folder, of the stem or of the file, without the prefix
    of the listing; "" for the files that are in no folder."""

    path: str
    files: list[FileEntry]


def folder_of(path: str) -> str:
    """The path of the folder that a file is in, ending in a slash; "" where it is in none."""
    return path[: path.rfind("/") + 1]


def stem_of(path: str) -> str:
    """The path without extensions, and without the last part after an underscore unless that is a number.

    `chip_01_B02.tif`, `chip_01_B03.tif` and `chip_01.json` have the stem `chip_01`.
    """
    folder = folder_of(path)
    name = path[len(folder) :]
    suffixes = _SUFFIXES.search(name, 1)
    stem = name[: suffixes.start()] if suffixes else name
    part = _PART.match(stem)
    return folder + (part[1] if part else stem)


_PREFIX_OF = {"folder": folder_of, "stem": stem_of}


class Grouping:
    """Takes the files of a sorted listing one by one, and gives groups as soon as they are complete."""

    def __init__(self, group_by: str, prefix: str) -> None:
        self._prefix_of = _PREFIX_OF.get(group_by)
        self._start = len(prefix)
        self._open: dict[str, list[FileEntry] | None] = {}
        """by the prefix of the group; None for one that has too many files"""
        self._present: str | None = None
        """the prefix of the last file's group"""
        self._group: list[FileEntry] | None = None
        """that group"""

    def add(self, files: Iterable[FileEntry]) -> Iterator[FileGroup]:
        """The groups that are complete once these files have come."""
        prefix_of, start = self._prefix_of, self._start
        for file in files:
            path = file.key[start:]
            if prefix_of is None:
                yield FileGroup(path, [file])
                continue
            if (prefix := prefix_of(path)) != self._present:
                yield from self._close(path)
                self._present = prefix
                self._group = self._open.setdefault(prefix, [])
            if (group := self._group) is None:
                yield FileGroup(path, [file])
                continue
            group.append(file)
            if len(group) > MAX_GROUP_FILES:
                self._open[prefix] = self._group = None
                yield from (FileGroup(one.key[start:], [one]) for one in group)

    def end(self) -> Iterator[FileGroup]:
        """The groups that the end of the listing completes."""
        for prefix, group in self._open.items():
            if group:
                yield FileGroup(self._path(prefix), group)
        self._open.clear()

    def _path(self, prefix: str) -> str:
        """That of a folder is without its last slash: it is a name then."""
        return prefix[:-1] if self._prefix_of is folder_of and prefix.strip("/") else prefix

    def _close(self, path: str) -> Iterator[FileGroup]:
        ended = [prefix for prefix in self._open if not path.startswith(prefix)]
        for prefix in ended:
            if group := self._open.pop(prefix):
                yield FileGroup(self._path(prefix), group)
