"""The directories under DEST. They are opened one by one without following links, so no file gets outside."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from ...core.concurrency import spare_descriptors
from ...core.errors import DiskFailing, DiskFull, LocalShortage, MlhubError, StorageError, TransferError

HAS_DIR_FD = {os.open, os.mkdir, os.rename, os.stat, os.unlink} <= os.supports_dir_fd
MAX_OPEN_DIRECTORIES = 128
MAX_NAME_BYTES = 255
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
FATAL_ERRNOS = {
    errno.EROFS: "make it writable or choose another DEST",
    errno.ENOMEM: "give it more memory or fewer transfers (-j)",
}
SHORTAGE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE})
NO_SYNC_ERRNOS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF})
"""What fsync says of a directory where the file system can sync files alone: older CIFS, the shared folders
of virtual machines, some of FUSE. Names are then as safe as that file system makes them."""
NOT_SYNCED = "the directory cannot be synced; use --durability process, or another DEST"
GONE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


def storage_error(error: OSError, path: str | Path) -> MlhubError:
    """Our error for an OSError: a `StorageError` ends the run, a `TransferError` concerns this path only."""
    reason = error.strerror or type(error).__name__
    if error.errno in DISK_FULL_ERRNOS:
        return DiskFull(f"{path}: {reason}; free some space or choose another DEST, then run again")
    if error.errno == errno.EIO:
        return DiskFailing(f"{path}: {reason}; the disk may be failing, check it before you run again")
    if error.errno in SHORTAGE_ERRNOS:
        return LocalShortage(f"{path}: {reason}")
    if error.errno in FATAL_ERRNOS:
        return StorageError(f"{path}: {reason}; {FATAL_ERRNOS[error.errno]}, then run again")
    return TransferError(f"{path}: {reason}", kind="path")


def state_error(error: OSError, path: str | Path) -> StorageError:
    """The same for a file that the run cannot do without: always a `StorageError`."""
    ours = storage_error(error, path)
    if isinstance(ours, StorageError):
        return ours
    if isinstance(ours, LocalShortage):
        return ours.as_fatal()
    return StorageError(f"{ours.message}; free some space or choose another DEST, then run again")


def _max_folder_bytes(root: Path) -> int:
    """Of the path of a directory below the root: then the path of any file in it is within PATH_MAX."""
    whole = os.pathconf("/", "PC_PATH_MAX") if hasattr(os, "pathconf") else 4096
    return whole - len(os.fsencode(os.path.abspath(root))) - MAX_NAME_BYTES - len("//\0")


def open_directory(path: str | Path, above: int | None = None) -> int:
    """A descriptor of a directory; with `above`, the one it is in, links are not followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return os.open(path, flags if above is None else flags | os.O_NOFOLLOW, dir_fd=above)


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut, where the file system can do so."""
    fd = open_directory(path)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in NO_SYNC_ERRNOS:
            raise
    finally:
        os.close(fd)


def sync_names(root: Path, paths: Iterable[str]) -> None:
    """The same for the names of these files under the root, and for those of the directories above them."""
    folders = {""}
    for path in paths:
        while path := path.rpartition("/")[0]:
            folders.add(path)
    for folder in sorted(folders, reverse=True) if HAS_DIR_FD else ():
        try:
            sync_directory(root / folder)
        except OSError as error:
            ours = storage_error(error, root / folder)
            if isinstance(ours, TransferError) and error.errno not in GONE_ERRNOS:
                raise StorageError(f"{ours.message}; {NOT_SYNCED}") from None
            raise ours from None


class DirectoryTree:
    """Places finished files under the root. Not for several threads at once; close it when done."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._fds: OrderedDict[str, int] = OrderedDict()
        self._created: set[str] = set()
        self._max_open = spare_descriptors(MAX_OPEN_DIRECTORIES)
        self._max_folder_bytes = _max_folder_bytes(root)

    def place(self, source: str, source_dir: int | None, path: str) -> None:
        """Rename the finished file `source` (in `source_dir`) to `path`, replacing a regular file there.

        Raises `TransferError` (kind "path") where something else is in the way, links among the parents
        included, and `StorageError` when the disk refuses.
        """
        try:
            try:
                self._place(source, source_dir, path)
            except OSError as error:
                if error.errno not in SHORTAGE_ERRNOS or not self.release_descriptors():
                    raise
                self._place(source, source_dir, path)
        except OSError as error:
            raise storage_error(error, path) from None

    def release_descriptors(self) -> bool:
        """Close the directories, which are only kept open to save time; false if none was open."""
        found = bool(self._fds)
        self._created.clear()
        self.close()
        return found

    def _place(self, source: str, source_dir: int | None, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if not HAS_DIR_FD:
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            return
        fd = self._directory(folder)
        if folder not in self._created:
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    raise TransferError(f"{path}: something that is no file is in the way", kind="path")
        try:
            os.rename(source, name, src_dir_fd=source_dir, dst_dir_fd=fd)
        except FileNotFoundError:
            # Another program removed the directory: create it again, once.
            self._close_folder(folder)
            os.rename(source, name, src_dir_fd=source_dir, dst_dir_fd=self._directory(folder))

    def _directory(self, folder: str) -> int:
        fd = self._fds.get(folder)
        if fd is not None:
            self._fds.move_to_end(folder)
            return fd
        if not folder:
            fd = open_directory(self.root)
        else:
            if len(os.fsencode(folder)) > self._max_folder_bytes:  # others could not open its files
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            above, _, name = folder.rpartition("/")
            parent = self._directory(above)
            try:
                fd = open_directory(name, parent)
            except FileNotFoundError:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
                    self._created.add(folder)
                fd = open_directory(name, parent)
        self._fds[folder] = fd
        if len(self._fds) > self._max_open:
            oldest, old = self._fds.popitem(last=False)
            self._created.discard(oldest)
            os.close(old)
        return fd

    def _close_folder(self, folder: str) -> None:
        while folder:
            self._created.discard(folder)
            fd = self._fds.pop(folder, None)
            if fd is not None:
                os.close(fd)
            folder = folder.rpartition("/")[0]

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])
