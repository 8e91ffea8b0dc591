"""How many descriptors this process may have open, and how many transfers that is enough for."""

from __future__ import annotations

import sys

RESERVED_DESCRIPTORS = 64
"""File descriptors left for everything that is not a transfer: ledger, locks, directories, listing."""
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
