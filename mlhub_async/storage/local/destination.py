"""What DEST must be before a run may write in it, and how it is made so."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from ...core.errors import Locked, StorageError
from .directories import HAS_DIR_FD, sync_directory

RESERVE_BYTES = 64 << 10
"""Bytes set aside while a run goes on, so that it can say how it ended on a disk that is full."""

_ours: set[tuple[int, str]] = set()
"""Locks held by this process: a POSIX lock does not keep its own process out. A fork inherits the set, but
no lock of its parent's: hence the process number."""
_guard = threading.Lock()
_HELD = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


def unusable(error: OSError, root: Path) -> StorageError:
    """What to raise where no DEST can be."""
    reason = error.strerror or type(error).__name__
    return StorageError(f"{root}: cannot be used as DEST ({reason})")


@contextlib.contextmanager
def names_representable(root: Path) -> Iterator[None]:
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
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
    except OSError as error:
        raise StorageError(f"{reserve.parent}: {error.strerror}; free some space, then run again") from None


if sys.platform == "win32":
    import msvcrt

    def _take(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> None:
        # POSIX locks, not flock: those are seen by all nodes of a cluster file system.
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """Opened once per process: closing any other descriptor of the file would drop a POSIX lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._name = (0, "")

    def take(self) -> None:
        """Raises `Locked` if another run has it, in another process or in this one."""
        name = (os.getpid(), os.path.realpath(self._path))
        with _guard:
            if name in _ours:
                raise self._refusal()
            self._take()
            _ours.add(name)
            self._name = name

    def _take(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}; choose another DEST") from None
        try:
            _take(fd)
        except OSError as error:
            os.close(fd)
            raise self._why(error) from None
        self._fd = fd

    def _why(self, error: OSError) -> Locked | StorageError:
        """A lock that somebody holds, or a file system that has none to give (NFS without lock daemon)."""
        if error.errno in _HELD:
            return self._refusal()
        return StorageError(
            f"{self._path}: {error.strerror}: this file system locks no files, so two runs could not be kept"
            " apart; choose another DEST"
        )

    def _refusal(self) -> Locked:
        return Locked(
            f"{self._path.parent.parent}: another run owns this directory; "
            "wait for it to end or choose another DEST"
        )

    @property
    def held(self) -> bool:
        return self._fd is not None

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            _ours.discard(self._name)
            self._fd = None
