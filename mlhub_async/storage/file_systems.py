"""The kind of file system that a path lies on, as far as the system tells (Linux)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..core import pattern_on_use

NO_SHARED_MEMORY = frozenset({"nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "9p", "beegfs", "ceph"})
"""File systems without the shared memory that SQLite's write-ahead log needs; FUSE is added by prefix."""
_ESCAPE = pattern_on_use(r"\\([0-7]{3})")


def file_system(path: Path) -> str:
    """The kind of the file system that `path` lies on ("ext4", "nfs4"); "" where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="surrogateescape").splitlines()
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
