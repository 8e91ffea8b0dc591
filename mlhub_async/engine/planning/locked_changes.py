"""What differs between two lockfiles, file by file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...core.errors import SourceError
from ...core.urls import term_safe
from ...sources.items.lockfile.format import LockedFile
from ...sources.items.lockfile.reading import checked_items


class LockedChange(NamedTuple):
    """`kind`: "added", "removed", or "changed" for other bytes at the same path."""

    kind: str
    path: str
    collection: str
    item: str


def locked_changes(one: Path, other: Path) -> Iterator[LockedChange]:
    """The changes from one lockfile to another, in the order of their lines.

    Memory does not grow with the files: both are read in order. Raises `SourceError` for what is no lockfile,
    or not in order.
    """
    old, new = locked_files(one), locked_files(other)
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.place < right.place):
            yield _change("removed", left)
            left = next(old, None)
        elif left is None or right.place < left.place:
            yield _change("added", right)
            right = next(new, None)
        else:
            if left.sha256 != right.sha256:
                yield _change("changed", right)
            left, right = next(old, None), next(new, None)


def _change(kind: str, row: LockedFile | None) -> LockedChange:
    assert row is not None
    return LockedChange(kind, row.path, row.collection, row.item)


def locked_files(path: Path) -> Iterator[LockedFile]:
    """The files of a local lockfile. Raises `SourceError` for what is none, cut, or not in order."""
    where = term_safe(str(path), 300)
    try:
        with path.open("rb") as file:
            for one in checked_items(file, where):
                yield from one.files
    except OSError as error:
        raise SourceError(f"{where} cannot be read: {error.strerror}") from None
