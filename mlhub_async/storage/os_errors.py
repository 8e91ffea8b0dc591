"""What an error of the operating system at a file means: for this path only, for the run, or for a while."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import DiskFailing, DiskFull, LocalShortage, MlhubError, StorageError, TransferError

if TYPE_CHECKING:
    from ..core.ports import Buffer

DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
SHORTAGE_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE})
GONE_ERRNOS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
PATH_ERRNOS = GONE_ERRNOS | {
    errno.EACCES,
    errno.EBUSY,
    errno.EEXIST,
    errno.EFBIG,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EISDIR,
    errno.EMLINK,
    errno.ENAMETOOLONG,
    errno.ENOTEMPTY,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.EOVERFLOW,
    errno.EPERM,
    errno.ETXTBSY,
    errno.EXDEV,
}
"""They concern a name, a size or a right. Any other is about the file system as a whole: a mount whose server
or program has gone (ENOTCONN, ESTALE, ETIMEDOUT, EHOSTDOWN ...), a disk that was pulled out (ENODEV, ENXIO),
a structure that is damaged (EUCLEAN). The next file would meet it too."""
FATAL_ADVICE = {
    errno.EROFS: "make it writable or choose another DEST",
    errno.ENOMEM: "give it more memory or fewer transfers (-j)",
}
UNREACHABLE_ADVICE = "its disk or network mount cannot be used: check it"
TOO_LARGE = (
    "the limit of file sizes, of this shell ('ulimit -f') or of the file system, is below what it needs"
)


def storage_error(error: OSError, path: str | Path) -> MlhubError:
    """Our error for an OSError: a `StorageError` ends the run, a `TransferError` concerns this path only."""
    reason = error.strerror or type(error).__name__
    if error.errno in DISK_FULL_ERRNOS:
        return DiskFull(f"{path}: {reason}; free some space or choose another DEST, then run again")
    if error.errno == errno.EIO:
        return DiskFailing(f"{path}: {reason}; the disk may be failing, check it before you run again")
    if error.errno in SHORTAGE_ERRNOS:
        return LocalShortage(f"{path}: {reason}")
    if error.errno is not None and error.errno not in PATH_ERRNOS:
        advice = FATAL_ADVICE.get(error.errno, UNREACHABLE_ADVICE)
        return StorageError(f"{path}: {reason}; {advice}, then run again")
    more = f"; {TOO_LARGE}" if error.errno == errno.EFBIG else ""
    return TransferError(f"{path}: {reason}{more}", kind="path")


def state_error(error: OSError, path: str | Path) -> StorageError:
    """The same for a file that the run cannot do without: always a `StorageError`."""
    ours = storage_error(error, path)
    if isinstance(ours, StorageError):
        return ours
    if isinstance(ours, LocalShortage):
        return ours.as_fatal()
    advice = "raise the limit" if error.errno == errno.EFBIG else "check it and the rights there"
    return StorageError(f"{ours.message}; {advice} or choose another DEST, then run again")


def is_unreachable(error: OSError) -> bool:
    """Whether the file system as a whole cannot be read: its files are neither sound nor damaged."""
    return error.errno != errno.EIO and type(storage_error(error, "")) is StorageError


def write_whole(fd: int, data: Buffer) -> None:
    """Write all of `data`. Raises the OSError of the part that was refused."""
    view = memoryview(data)
    while view:
        if not (count := os.write(fd, view)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[count:]


def largest_file() -> int | None:
    """Bytes of the largest file that this process may write (RLIMIT_FSIZE); None: there is no limit."""
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def inodes_used_up(place: str | Path | int) -> bool:
    """Whether a file system has no room for one more file, whatever its free space."""
    try:
        found = os.statvfs(place)
    except (AttributeError, OSError):  # Windows has no statvfs
        return False
    return bool(found.f_files) and not found.f_favail


def with_cause(full: DiskFull, place: str | Path | int) -> DiskFull:
    """The same error; where no inode is free, its message says so: deleting one large file would not help."""
    if inodes_used_up(place) and NO_INODES not in full.message:
        full.message = full.message.partition("; ")[0] + f"; {NO_INODES}, then run again"
        full.args = (full.message,)
    return full


NO_INODES = "no inode is free: the disk can hold no more files, however small; delete or pack some"
