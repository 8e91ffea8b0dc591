"""Room for what is temporary: copies of a ledger, and SQLite's files for sorting.

A container may have a read-only root, a login node a /tmp of a few kilobytes: DEST has the room then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import StorageError
from .file_systems import disk_free

PREFIX = "mlhub-async-"
SPARE_BYTES = 256 << 20
"""What a temporary folder must have free beside the copy of a ledger: sorting takes about as much again."""
SQLITE_VARIABLES = ("SQLITE_TMPDIR", "TMPDIR")
SQLITE_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp")


@contextmanager
def scratch_folder(size: int, *others: Path) -> Iterator[Path]:
    """A folder for a copy of so many bytes, removed afterwards: in the system's temporary folder, or, where
    that cannot take it, in the first of the `others` that can. Raises `StorageError` if none can."""
    import tempfile

    for parent in (*_temporary_folder(), *others):
        if _free(parent) < size:
            continue
        try:
            made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
        except OSError:
            continue
        with made as folder:
            yield Path(folder)
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
