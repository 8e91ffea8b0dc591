"""How many descriptors this process may have open, and how many transfers that is enough for."""

from __future__ import annotations

import contextlib
import sys

RESERVED_DESCRIPTORS = 64
"""File descriptors left for everything that is not a transfer: ledger, locks, directories, listing."""
MAX_OPEN_FILES = 10_240
"""The limit of open descriptors to ask the system for: the most that macOS allows."""
DESCRIPTORS_PER_TRANSFER = 3
"""A transfer has a connection, a partial file and the checkpoint file of that."""


def descriptor_limit() -> int | None:
    """How many files this process may have open (RLIMIT_NOFILE); None: there is no limit."""
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def affordable_transfers(wanted: int) -> int:
    """How many of the wanted concurrent transfers the limit of open files allows; at least one."""
    limit = descriptor_limit()
    if limit is None:
        return wanted
    return max(1, min(wanted, (limit - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_TRANSFER))


def spare_descriptors(wanted: int) -> int:
    """How many of the wanted files may be kept open only because that is faster; at least one."""
    limit = descriptor_limit()
    return wanted if limit is None else max(1, min(wanted, (limit - RESERVED_DESCRIPTORS) // 8))


def raise_open_file_limit() -> None:
    """Every transfer takes two descriptors, and some systems allow a program only 256 by default."""
    try:
        import resource  # not on Windows, which has no such limit
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
