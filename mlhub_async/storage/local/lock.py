"""One run per DEST: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

from ...core.errors import Locked, StorageError

_ours: set[tuple[int, str]] = set()
"""Locks held by this process: a POSIX lock does not keep its own process out. A fork inherits the set, but
no lock of its parent's: hence the process number."""
_guard = threading.Lock()
_HELD = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})

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
