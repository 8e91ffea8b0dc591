"""Prepares DEST for a run: creates it, checks it, locks it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ...core.errors import DiskFull, Locked, StorageError, UsageError
from ..integrity import is_annexed
from ..layout import LEDGER_FILE, PROBE_FILE, SHARDS_DIR
from ..os_errors import DISK_FULL_ERRNOS, state_error, with_cause
from .directories import HAS_DIR_FD, sync_directory

RESERVE_BYTES = 64 << 10
"""Reserved during a run, so that its receipt can be written on a full disk."""
ORPHAN_SECONDS = 5.0
"""So long the workers of a run that was killed may take to end."""

_held_here: set[tuple[int, str]] = set()
"""Locks held by this process, as (process id, path): a POSIX lock does not exclude its own process. A fork
inherits the set but no lock of its parent, hence the process id."""
_held_here_lock = threading.Lock()
_HELD_ERRNOS = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


def unusable(error: OSError, root: Path) -> StorageError:
    """The error for a DEST that cannot be created or opened."""
    reason = error.strerror or type(error).__name__
    if error.errno in DISK_FULL_ERRNOS:
        return with_cause(DiskFull(f"{root}: {reason}; free some space, then run again"), _existing(root))
    return StorageError(f"{root}: cannot be used as DEST ({reason})")


def _existing(path: Path) -> Path:
    """The nearest directory that is there."""
    while not os.path.exists(path) and path != path.parent:
        path = path.parent
    return path


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
            do = "remove it, or put a directory in its place"
            if is_annexed(path):
                do = f"git-annex keeps its content elsewhere: run 'git annex unlock {path.parent}' first"
            raise StorageError(f"{path} is a link; {do}")


def refuse_another_file_system(folder: Path, root: Path) -> None:
    """A rename is atomic, or possible at all, only within one file system."""
    if folder.stat().st_dev != root.stat().st_dev:
        raise StorageError(f"{folder} is on another file system than {root}; unmount it")


def part_from_links(folder: Path, *, but: str = "") -> None:
    """Give the files of a directory that have other names too, elsewhere, contents of their own.

    A snapshot made of hard links (`cp -al`, DVC) shares them, and they are written in place. Raises OSError.
    """
    for path in folder.iterdir():
        found = path.stat(follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 and path.name != but:
            own = path.with_name(f"{path.name}.{os.getpid()}")
            try:
                import shutil

                shutil.copyfile(path, own, follow_symlinks=False)
                own.chmod(stat.S_IMODE(found.st_mode) | stat.S_IRUSR | stat.S_IWUSR)
                own.replace(path)
            finally:
                own.unlink(missing_ok=True)


def rename_sets_time(folder: Path, state: Path) -> bool:
    """Whether a rename sets the mtime of a file, as encfs and some mounts of object stores do."""
    before, after = folder / PROBE_FILE, state / PROBE_FILE
    try:
        before.touch()
        os.utime(before, ns=(10**18, 10**18))  # long ago: two events may have the same time
        written = before.stat().st_mtime_ns
        before.replace(after)
        return after.stat().st_mtime_ns != written
    except OSError:
        return True
    finally:
        for probe in (before, after):
            with contextlib.suppress(OSError):
                probe.unlink()


def reserve_space(reserve: Path) -> None:
    """Keep space for the receipt of a run that fills the disk."""
    try:
        reserve.write_bytes(b"\0" * RESERVE_BYTES)
    except OSError as error:
        ours = state_error(error, reserve)
        raise with_cause(ours, reserve.parent) if isinstance(ours, DiskFull) else ours from None


if sys.platform == "win32":
    import msvcrt

    def _lock_file(fd: int, *, shared: bool = False) -> None:
        if not shared:  # there are no shared ones
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    _lock_shared = None
else:
    import fcntl

    def _lock_file(fd: int, *, shared: bool = False) -> None:
        # POSIX locks, not flock: all nodes of a cluster file system see them.
        fcntl.lockf(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _lock_shared(fd: int) -> None:
        _lock_file(fd, shared=True)


def begin_shard(above: Path, state: Path, whole: RunLock) -> None:
    """Take the shared lock of DEST, whose state directory is `above`, and make that of a shard.

    Raises `UsageError` for a mirror that was made or joined without shards, `Locked` and OSError.
    """
    refuse_links(above)
    above.mkdir(mode=0o700, exist_ok=True)
    refuse_links(*above.iterdir())
    whole.take()
    if (above / LEDGER_FILE).exists() and not (above / SHARDS_DIR).is_dir():
        raise UsageError(f"{above.parent} is a whole mirror, not one in shards: run without --shard")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_links(state.parent)


class WorkerLock:
    """Held by every worker of a run while it writes to DEST.

    A run that is killed leaves its workers behind for a moment: the next one begins when none holds it any
    more. Where the file system has no locks, nothing is held.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def hold(self) -> None:
        """Hold it together with the other workers, until `release`. Raises OSError."""
        if _lock_shared is not None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            with contextlib.suppress(OSError):
                _lock_shared(self._fd)

    def wait(self) -> None:
        """Return when no worker of an earlier run holds it. Raises `Locked` if that takes too long."""
        if _lock_shared is None or not self._path.exists():
            return
        fd, until = os.open(self._path, os.O_RDWR), time.monotonic() + ORPHAN_SECONDS
        try:
            while True:
                try:
                    _lock_file(fd)
                    return
                except OSError as error:
                    if error.errno not in _HELD_ERRNOS:
                        return
                if time.monotonic() > until:
                    raise Locked(
                        f"{self._path.parent.parent}: workers of a run that has ended still write to this "
                        "directory; end them, then run again"
                    )
                time.sleep(ORPHAN_SECONDS / 500)
        finally:
            os.close(fd)

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class RunLock:
    """The lock of DEST for one run.

    The file is opened once per process: closing any other descriptor of it would drop the POSIX lock.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        """`shared`: several processes may have it, and then none has it alone."""
        self._path = path
        self._shared = shared
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
        while True:
            fd = self._locked_file()
            if self._is_still_named(fd):
                break
            os.close(fd)  # a run into a copy that shared this file has just replaced it by its own
        self._fd = fd
        if os.fstat(fd).st_nlink > 1:
            self._part(fd)

    def _locked_file(self) -> int:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise state_error(error, self._path) from None
        try:
            _lock_file(fd, shared=self._shared)
        except OSError as error:
            os.close(fd)
            raise self._lock_error(error) from None
        return fd

    def _is_still_named(self, fd: int) -> bool:
        try:
            return sys.platform == "win32" or os.path.samestat(os.fstat(fd), os.stat(self._path))
        except OSError:
            return False

    def _part(self, shared: int) -> None:
        """Lock a file of DEST's own: the one that is locked is that of a snapshot of hard links too."""
        own = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        self._fd = os.open(own, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _lock_file(self._fd, shared=self._shared)
            os.replace(own, self._path)
        finally:
            os.close(shared)

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
        """An error that comes this late says nothing about the files: the lock is gone with the process."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            _held_here.discard(self._name)
            self._fd = None
