"""How many files the system lets this program have open, and how many transfers that is enough for."""

from __future__ import annotations

import sys

RESERVED = 64
"""Descriptors for everything that is not a transfer: ledger, locks, directories, listing."""
EACH = 3
"""A transfer has a connection, an unfinished file and the journal of that."""


def limit() -> int | None:
    """Open files at a time; None where there is no such limit."""
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def affordable(wanted: int) -> int:
    """So many transfers at a time of those wanted."""
    files = limit()
    return wanted if files is None else max(1, min(wanted, (files - RESERVED) // EACH))


def spare(wanted: int) -> int:
    """So many files that are only kept open because that is faster."""
    files = limit()
    return wanted if files is None else max(1, min(wanted, (files - RESERVED) // 8))
