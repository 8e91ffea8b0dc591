"""The directories under DEST. They are opened one by one without following links, so no file gets outside."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from ...core.concurrency import spare_descriptors
from ...core.errors import StorageError, TransferError
from ..inline import SLOW_SECONDS, DiskWork
from ..integrity import IsUnchanged, is_unchanged, unchanged_below
from ..layout import COPY_PREFIX
from ..os_errors import GONE_ERRNOS, SHORTAGE_ERRNOS, storage_error

HAS_DIR_FD = {os.open, os.mkdir, os.rename, os.stat, os.unlink} <= os.supports_dir_fd
MAX_OPEN_DIRECTORIES = 128
MAX_NAME_BYTES = 255
COPY_BYTES = 1 << 20
_COPIES = f"{COPY_PREFIX}{os.urandom(4).hex()}-"
"""What the names of this process's copies begin with."""
_copy_numbers = itertools.count()
NO_SYNC_ERRNOS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF})
"""What fsync says of a directory where the file system can sync files alone: older CIFS, the shared folders
of virtual machines, some of FUSE. Names are then as safe as that file system makes them."""
NOT_SYNCED = "the directory cannot be synced; use --durability process, or another DEST"


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


def inherited(fd: int) -> tuple[int, bytes]:
    """What a file gets from the directory that it is created in: its group, and an access control list."""
    found = os.fstat(fd)
    group = found.st_gid if found.st_mode & stat.S_ISGID else os.getegid()
    try:
        return group, os.getxattr(fd, "system.posix_acl_default")
    except (AttributeError, OSError):  # not on Linux; none, or not kept by this file system
        return group, b""


def _is_at(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), known)
    except (FileNotFoundError, NotADirectoryError):
        return False


class CopyNeeded(Exception):
    """A file cannot be renamed into its directory: that one is on another file system than DEST, or behaves
    so; or the file would not have the group or the access control list that it inherits there.

    `copy` places the file all the same, by a copy in that directory which is renamed. Call it once, in a
    thread if the file is large.
    """

    def __init__(self, source: str, source_dir: int | None, path: str, folder: int, *, sync: bool) -> None:
        super().__init__(path)
        self._source, self._source_dir, self._path = source, source_dir, path
        self._folder = folder
        self._sync = sync

    def copy(self) -> int:
        """Returns the mtime of the copy in nanoseconds; the source is gone. Raises as `place` does."""
        name, beside = self._path.rpartition("/")[2], f"{_COPIES}{next(_copy_numbers):x}"
        try:
            self._delete_stale()
            try:
                self._copy_to(beside)
                os.rename(beside, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(beside, dir_fd=self._folder)
                raise
            with contextlib.suppress(OSError):
                os.unlink(self._source, dir_fd=self._source_dir)
            return os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mtime_ns
        except OSError as error:
            raise storage_error(error, self._path) from None
        finally:
            os.close(self._folder)

    def _copy_to(self, beside: str) -> None:
        with open(self._source, "rb", opener=partial(os.open, dir_fd=self._source_dir)) as given:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(beside, flags, 0o666, dir_fd=self._folder), "wb") as copy:
                import shutil

                shutil.copyfileobj(given, copy, COPY_BYTES)
                copy.flush()
                if self._sync:
                    os.fsync(copy.fileno())

    def _delete_stale(self) -> None:
        """Copies that a killed run left."""
        for name in os.listdir(self._folder):
            if name.startswith(COPY_PREFIX) and not name.startswith(_COPIES):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._folder)


class DirectoryTree:
    """Places finished files under the root, one at a time. Close it when done."""

    def __init__(self, root: Path, *, sync: bool = False) -> None:
        self.root = root
        self.sync = sync
        self.renames_set_time = False
        """whether a file may have another mtime after it was renamed, as encfs and some of FUSE have it"""
        self._root_fd: int | None = None
        self._source_dir: int | None = None
        self._source_inheritance = (0, b"")
        self._inherits_other: set[str] = set()
        """directories in which a file inherits something else than in the one of its source"""
        self._lock = threading.RLock()
        """around what opens, uses or closes the descriptors in `_fds`"""
        self._fds: OrderedDict[str, int] = OrderedDict()
        self._created: set[str] = set()
        self._ready: dict[str, int] = {}
        """those of the directories in `_created` that take a file of `_source_dir` by nothing but a rename"""
        self.displaced: set[str] = set()
        """directories that another program moved away while they were open, or removed before a file was to
        be placed there; not those that were removed when their files were done: somebody has used these"""
        self._max_open = spare_descriptors(MAX_OPEN_DIRECTORIES)
        self._max_folder_bytes = _max_folder_bytes(root)

    def take_from(self, source_dir: int | None) -> None:
        """The files to be placed are created in this directory. Raises OSError."""
        self._source_dir = source_dir
        if source_dir is not None:
            self._source_inheritance = inherited(source_dir)

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether the file at `path` has this size and mtime. For any thread."""
        return is_unchanged(f"{self.root}/{path}", size, mtime_ns)

    def open_root(self) -> IsUnchanged:
        """A faster `is_unchanged`, which keeps a descriptor until `close_root`. Raises OSError."""
        if not HAS_DIR_FD:
            return self.is_unchanged
        self.close_root()
        self._root_fd = open_directory(self.root)
        return unchanged_below(self._root_fd)

    def close_root(self) -> None:
        if self._root_fd is not None:
            os.close(self._root_fd)
            self._root_fd = None

    def place(self, source: str, source_dir: int | None, path: str) -> int | None:
        """Rename the finished file `source` (in `source_dir`) to `path`, replacing a regular file there.

        Returns its mtime in nanoseconds where the rename may have set it, else None. Raises `TransferError`
        (kind "path") where something else is in the way, links among the parents included, `StorageError`
        when the disk refuses, and `CopyNeeded`.
        """
        folder, _, name = path.rpartition("/")
        try:
            with self._lock:
                try:
                    if (fd := self._ready.get(folder)) is not None and source_dir == self._source_dir:
                        os.rename(source, name, src_dir_fd=source_dir, dst_dir_fd=fd)
                        return None
                except OSError:
                    pass  # `_place` meets it, too, and knows what to do
                try:
                    return self._place(source, source_dir, path)
                except OSError as error:
                    if isinstance(error, FileNotFoundError):  # it is created again, once
                        self._close_folder(folder)
                    elif error.errno not in SHORTAGE_ERRNOS or not self.release_descriptors():
                        raise
                    return self._place(source, source_dir, path)
        except OSError as error:
            raise storage_error(error, path) from None

    def place_ready(self, names: Sequence[tuple[str, str]], source_dir: int | None, disk: DiskWork) -> int:
        """Do as `place` does with pairs of a source and a path, as long as each is renamed into a directory
        that is open. Returns how many were; the last of them, if it took long."""
        if source_dir != self._source_dir:
            return 0
        count, ready, before = 0, self._ready, disk.clock()
        with self._lock, contextlib.suppress(KeyError, OSError):  # `place` meets them, and knows what to do
            for source, path in names:
                folder, _, name = path.rpartition("/")
                os.rename(source, name, src_dir_fd=source_dir, dst_dir_fd=ready[folder])
                count += 1
                if (now := disk.clock()) - before > SLOW_SECONDS:
                    disk.note_slow(now - before)
                    break
                before = now
        return count

    def place_or_copy(self, source: str, source_dir: int | None, path: str) -> int | None:
        """The same for a small file: one that cannot be renamed to there is copied at once."""
        try:
            return self.place(source, source_dir, path)
        except CopyNeeded as other:
            return other.copy()

    def release_descriptors(self) -> bool:
        """Close the directories, which are only kept open to save time; false if none was open."""
        with self._lock:
            found = bool(self._fds)
            self._note_displaced(self._fds, moved=True)
            self._created.clear()
            self.close()
        return found

    def _place(self, source: str, source_dir: int | None, path: str) -> int | None:
        folder, _, name = path.rpartition("/")
        if not HAS_DIR_FD:
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            return target.stat().st_mtime_ns if self.renames_set_time else None
        fd = self._directory(folder)
        if folder not in self._created:
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                    raise TransferError(f"{path}: something that is no file is in the way", kind="path")
        if folder in self._inherits_other and source_dir == self._source_dir:
            raise CopyNeeded(source, source_dir, path, os.dup(fd), sync=self.sync)
        try:
            os.rename(source, name, src_dir_fd=source_dir, dst_dir_fd=fd)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            raise CopyNeeded(source, source_dir, path, os.dup(fd), sync=self.sync) from None
        if self.renames_set_time:
            return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mtime_ns
        if folder in self._created and folder not in self._inherits_other:
            self._ready[folder] = fd
        return None

    def _directory(self, folder: str) -> int:
        fd = self._fds.get(folder)
        if fd is not None:
            self._fds.move_to_end(folder)
            return fd
        made, above = False, ""
        if not folder:
            fd = open_directory(self.root)
        else:
            if len(os.fsencode(folder)) > self._max_folder_bytes:  # others could not open its files
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            above, _, name = folder.rpartition("/")
            parent = self._directory(above)
            made = above in self._created and self._made(folder, parent)
            try:
                fd = open_directory(name, parent)
            except FileNotFoundError:
                made = self._made(folder, parent)
                fd = open_directory(name, parent)
        self._fds[folder] = fd
        if above in self._inherits_other if made else self._inherits_otherwise(fd):
            self._inherits_other.add(folder)
        else:
            self._inherits_other.discard(folder)
        if len(self._fds) > self._max_open:
            self._close(next(iter(self._fds)))
        return fd

    def _made(self, folder: str, parent: int) -> bool:
        """Create a directory in the one above it; false if it is there already."""
        try:
            os.mkdir(folder.rpartition("/")[2], dir_fd=parent)
        except FileExistsError:
            return False
        self._created.add(folder)
        return True

    def _inherits_otherwise(self, fd: int) -> bool:
        """Whether a file inherits something else in a directory than in that of its source.

        A directory that was created just now inherits what the one above it passes on (mkdir(2), acl(5)).
        """
        return self._source_dir is not None and inherited(fd) != self._source_inheritance

    def _close(self, folder: str) -> None:
        self._created.discard(folder)
        self._ready.pop(folder, None)
        fd = self._fds.pop(folder, None)
        if fd is not None:
            os.close(fd)

    def _close_folder(self, folder: str) -> None:
        """Close a directory and those above it, as another program seems to have removed one of them."""
        parts = folder.split("/")
        folders = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        self._note_displaced(folders)
        for one in folders:
            self._close(one)

    def _note_displaced(self, folders: Iterable[str], *, moved: bool = False) -> None:
        """`moved`: not those that are nowhere any more."""
        for folder in folders:
            if (fd := self._fds.get(folder)) is not None:
                with contextlib.suppress(OSError):
                    was = os.fstat(fd)
                    if (was.st_nlink or not moved) and not _is_at(self.root / folder, was):
                        self.displaced.add(folder)

    def close(self) -> None:
        self._ready.clear()
        while self._fds:
            os.close(self._fds.popitem()[1])
