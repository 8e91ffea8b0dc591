"""What DEST must be before a run may write in it, and how it is made so."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ...core.errors import StorageError
from .directories import HAS_DIR_FD, sync_directory

RESERVE = 64 << 10
"""Bytes set aside while a run goes on, so that it can say how it ended on a disk that is full."""


def unusable(error: OSError, root: Path) -> StorageError:
    """What to raise where no DEST can be."""
    reason = error.strerror or type(error).__name__
    return StorageError(f"{root}: cannot be used as DEST ({reason})")


@contextlib.contextmanager
def named_here(root: Path) -> Iterator[None]:
    """Around all that makes files: in the locale of old, an id may have characters that no name can."""
    try:
        yield
    except UnicodeEncodeError as error:
        if sys.getfilesystemencoding() == "utf-8":
            raise
        lacking = error.object[error.start]
        raise StorageError(
            f"{root}: names of files are {sys.getfilesystemencoding()} here, without {lacking!a}; "
            "set LC_ALL=C.UTF-8 or PYTHONUTF8=1, then run again"
        ) from None


def make_root(root: Path, *, synced: bool) -> None:
    """Make DEST and what is above it; `synced`: so that their names survive a power cut."""
    above = [path.parent for path in (root, *root.parents) if not path.exists()]
    root.mkdir(parents=True, exist_ok=True)
    for folder in {root.parent, *above} if synced and HAS_DIR_FD else ():
        with contextlib.suppress(PermissionError):  # to see what is in it may not be ours
            sync_directory(folder)


def refuse_links(*paths: Path) -> None:
    """What the mirror keeps for itself is written without asking: it must not lead out of DEST."""
    for path in paths:
        if path.is_symlink():
            raise StorageError(f"{path} is a link; remove it, or put a directory in its place")


def refuse_another_file_system(folder: Path, root: Path) -> None:
    """A rename is only atomic, or possible at all, within one."""
    if folder.stat().st_dev != root.stat().st_dev:
        raise StorageError(f"{folder} is on another file system than {root}; unmount it")


def set_aside(reserve: Path) -> None:
    """Keep a little of the disk for the receipt of a run that fills it."""
    try:
        reserve.write_bytes(b"\0" * RESERVE)
    except OSError as error:
        raise StorageError(f"{reserve.parent}: {error.strerror}; free some space, then run again") from None
