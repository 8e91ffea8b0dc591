"""Whether a file is as it was recorded. The test has two levels:

1. by `stat`: a regular file, no link, of the recorded size and mtime. A second run asks it of every file.
2. by content: a regular file with the recorded size and SHA-256. The mtime does not matter, so that a mirror
   may be copied. `verify` and --verify checksum ask it; where no digest is recorded the size has to do.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from ..core.model import FileState, Record

READ_BYTES = 1 << 20
OPEN_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)
"""A link is not followed, and a pipe without a writer does not block."""

IsUnchanged = Callable[[str, int, int], bool]
"""Whether the file at a path has this size and mtime (ns)."""


class Mismatch(NamedTuple):
    """Why a file is not as recorded. `reason`: "not a regular file", "size" or "digest"."""

    reason: str
    detail: str = ""


def file_state(path: str | Path) -> FileState | None:
    """Size and mtime of the regular file at `path`, None if it is a link or no file. Raises OSError."""
    found = os.stat(path, follow_symlinks=False)
    return FileState(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def matches_stat(path: str | Path, size: int, mtime_ns: int, directory: int | None = None) -> bool:
    """Level 1. A relative path is looked up in `directory`, a descriptor. Raises OSError."""
    found = os.stat(path, dir_fd=directory, follow_symlinks=False)
    return found.st_size == size and found.st_mtime_ns == mtime_ns and stat.S_ISREG(found.st_mode)


def unchanged_below(directory: int | None) -> IsUnchanged:
    """Level 1 for paths in an open directory: false where there is no such file or it cannot be looked at.

    One function, without a call of another: a run asks it of every file.
    """

    def is_unchanged_there(path: str, size: int, mtime_ns: int) -> bool:
        try:
            found = os.stat(path, dir_fd=directory, follow_symlinks=False)
        except (OSError, ValueError):
            return False
        return found.st_size == size and found.st_mtime_ns == mtime_ns and stat.S_ISREG(found.st_mode)

    return is_unchanged_there


is_unchanged = unchanged_below(None)
"""The same for whole paths."""


def content_mismatch(
    file: FileIO, record: Record, stopped: Callable[[], bool] = lambda: False
) -> Mismatch | None:
    """Level 2: how an open file differs from its record, None if it does not. Raises OSError.

    Ends early, without a finding, when `stopped` becomes true.
    """
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        return Mismatch("not a regular file")
    if found.st_size != record.size:
        return Mismatch("size", f"{found.st_size} bytes, should be {record.size}")
    if record.sha256 and _sha256(file, record.size, stopped) != record.sha256 and not stopped():
        return Mismatch("digest", f"sha256 is not {record.sha256}")
    return None


def open_unfollowed(path: str | Path, directory: int | None = None) -> FileIO:
    """Open a file to read it, unbuffered; see `OPEN_FLAGS`. A relative path is looked up in `directory`.

    Raises OSError.
    """
    return FileIO(path, opener=lambda name, _: os.open(name, OPEN_FLAGS, dir_fd=directory))


def is_annexed(path: str | Path) -> bool:
    """Whether there is a link of git-annex in place of a file."""
    try:
        return "annex/objects/" in os.readlink(path).replace("\\", "/")
    except OSError:
        return False


def _sha256(file: FileIO, size: int, stopped: Callable[[], bool]) -> str:
    """In pieces: so memory stays small, and the check of a large file can be stopped."""
    digest, buffer = hashlib.sha256(), bytearray(min(size + 1, READ_BYTES))
    while not stopped() and (count := file.readinto(buffer)):
        digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()
