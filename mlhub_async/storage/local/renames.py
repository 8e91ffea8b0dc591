"""Renames files of the mirror: never through a link, and never onto something that is there."""

from __future__ import annotations

import os
import stat

from ..os_errors import storage_error
from .directories import DirectoryTree
from .removal import opened


def rename(tree: DirectoryTree, old: str, new: str) -> bool:
    """False where `old` is no regular file, or something is at `new`; both are relative to the root."""
    *folders, name = old.split("/")
    if os.path.lexists(tree.root / new):
        return False
    try:
        with opened(tree.root, folders) as (place, fd):
            if not stat.S_ISREG(os.stat(place + name, dir_fd=fd, follow_symlinks=False).st_mode):
                return False
            tree.place(place + name, fd, new)
    except OSError as error:
        raise storage_error(error, old) from None
    return True
