"""File systems: the kind of one, as far as the system tells (Linux), and which has room for temporary files.

A container may have a read-only root, a login node a /tmp of a few kilobytes: DEST has the room then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core import pattern_on_use
from ..core.errors import StorageError

NO_SHARED_MEMORY = frozenset({"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "9p", "beegfs", "ceph"})
"""File systems without the shared memory that SQLite's write-ahead log needs; FUSE is added by prefix."""
PREFIX = "mlhub-async-"
SPARE_BYTES = 256 << 20
"""What a temporary folder must have free beside the copy of a ledger: sorting takes about as much again."""
SQLITE_VARIABLES = ("SQLITE_TMPDIR", "TMPDIR")
SQLITE_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp")
_ESCAPE = pattern_on_use(r"\\([0-7]{3})")


def file_system(path: Path) -> str:
    """The kind of the file system that `path` lies on ("ext4", "nfs4"); "" where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    place, found, deepest = f"{path.resolve()}/", "", 0
    for line in mounts:
        _, mounted, kind, *_ = line.split(" ")
        point = _ESCAPE.sub(_plain, mounted).rstrip("/") + "/"
        if len(point) >= deepest and place.startswith(point):  # of two at one point the later is on top
            found, deepest = kind, len(point)
    return found


def _plain(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 8))


def on_network(path: Path) -> bool:
    """Whether `path` lies on a file system without the shared memory that a write-ahead log needs."""
    kind = file_system(path)
    return kind in NO_SHARED_MEMORY or kind.startswith("fuse")


def disk_free(path: Path) -> int:
    """Free bytes of the disk that `path` is on. Raises `OSError`."""
    if hasattr(os, "statvfs"):
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize
    import shutil  # for Windows: it imports every kind of archive

    return shutil.disk_usage(path).free


@contextmanager
def scratch_folder(size: int, *others: Path) -> Iterator[Path]:
    """A folder for a copy of so many bytes, by its absolute path; it is removed afterwards. It is in the
    system's temporary folder, or, where that cannot take it, in the first of the `others` that can. Raises
    `StorageError` if none can."""
    import tempfile

    for parent in (*_temporary_folder(), *others):
        if _free(parent) < size:
            continue
        try:
            made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
        except OSError:
            continue
        with made as folder:
            yield Path(folder).absolute()
        return
    raise StorageError(f"no folder has room for a temporary file of {size} bytes: set TMPDIR to one that has")


def _temporary_folder() -> list[Path]:
    import tempfile

    try:
        return [Path(tempfile.gettempdir())]
    except OSError:
        return []


def _free(folder: Path) -> int:
    try:
        return disk_free(folder)
    except OSError:
        return -1


def sqlite_lacks_room(size: int) -> bool:
    """Whether the folder where SQLite puts its temporary files cannot be written or has no room for so many
    bytes and some more."""
    folders = [os.environ.get(name, "") for name in SQLITE_VARIABLES] + list(SQLITE_FOLDERS)
    usable = next((one for one in folders if one and os.path.isdir(one) and _writable(one)), None)
    return os.name != "nt" and (usable is None or _free(Path(usable)) < size + SPARE_BYTES)


def _writable(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def free_inodes(path: Path) -> int | None:
    """How many more files the disk that `path` is or would be on can hold; None: it does not say, or any."""
    try:
        found = os.statvfs(existing_folder(path))
    except (AttributeError, OSError):
        return None  # AttributeError: Windows
    return found.f_favail if found.f_files else None


def existing_folder(path: Path) -> Path:
    """The path, or the nearest folder above that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
