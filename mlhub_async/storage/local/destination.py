"""Prepares DEST for a run: creates it, checks it, locks it."""

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
"""Reserved during a run, so that its receipt can be written on a full disk."""

_held_here: set[tuple[int, str]] = set()
"""Locks held by this process, as (process id, path): a POSIX lock does not exclude its own process. A fork
inherits the set but no lock of its parent, hence the process id."""
_held_here_lock = threading.Lock()
_HELD_ERRNOS = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


def unusable(error: OSError, root: Path) -> StorageError:
    """The error for a DEST that cannot be created or opened."""
    reason = error.strerror or type(error).__name__
    return StorageError(f"{root}: cannot be used as DEST ({reason})")


@contextlib.contextmanager
def names_representable(root: Path) -> Iterator[None]:
    """To be put around code that creates files: in a locale without UTF-8, a name may not be encodable."""
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
    """Create DEST and the directories above it. `synced`: make their names survive a power cut."""
    above = [path.parent for path in (root, *root.parents) if not path.exists()]
    root.mkdir(parents=True, exist_ok=True)
    for folder in {root.parent, *above} if synced and HAS_DIR_FD else ():
        with contextlib.suppress(PermissionError):  # a directory above DEST may not be readable
            sync_directory(folder)


def refuse_links(*paths: Path) -> None:
    """Files of the state directory are overwritten without a check: a link would lead out of DEST."""
    for path in paths:
        if path.is_symlink():
            raise StorageError(f"{path} is a link; remove it, or put a directory in its place")


def refuse_another_file_system(folder: Path, root: Path) -> None:
    """A rename is atomic, or possible at all, only within one file system."""
    if folder.stat().st_dev != root.stat().st_dev:
        raise StorageError(f"{folder} is on another file system than {root}; unmount it")


def reserve_space(reserve: Path) -> None:
    """Keep space for the receipt of a run that fills the disk."""
    try:
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
    except OSError as error:
        raise StorageError(f"{reserve.parent}: {error.strerror}; free some space, then run again") from None


if sys.platform == "win32":
    import msvcrt

    def _lock_file(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_file(fd: int) -> None:
        # POSIX locks, not flock: all nodes of a cluster file system see them.
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RunLock:
    """The lock of DEST for one run.

    The file is opened once per process: closing any other descriptor of it would drop the POSIX lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._name = (0, "")

    def take(self) -> None:
        """Raises `Locked` if another run has it, in another process or in this one."""
        name = (os.getpid(), os.path.realpath(self._path))
        with _held_here_lock:
            if name in _held_here:
                raise self._refusal()
            self._take()
            _held_here.add(name)
            self._name = name

    def _take(self) -> None:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}; choose another DEST") from None
        try:
            _lock_file(fd)
        except OSError as error:
            os.close(fd)
            raise self._lock_error(error) from None
        self._fd = fd

    def _lock_error(self, error: OSError) -> Locked | StorageError:
        """Either another run holds the lock, or the file system has no locks (NFS without lock daemon)."""
        if error.errno in _HELD_ERRNOS:
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
            _held_here.discard(self._name)
            self._fd = None
