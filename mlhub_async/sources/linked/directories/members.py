"""The files of one directory as a value: how many there may be, and which names they may have."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from ....core.errors import TransferError
from ....core.model import Directory, Member
from ....core.urls import term_safe
from ....storage.naming import fold, is_plain_path

MAX_MEMBERS = 500_000
"""Files of one directory: a run holds them in memory."""


def directory_of(members: Sequence[Member]) -> Directory:
    """The directory with these files. Raises `TransferError` for one that DEST cannot have as it is."""
    if not members:
        raise not_listed("it has no files")
    check_count(len(members))
    seen: set[str] = set()
    digest = blake2b(digest_size=16)
    for member in members:
        key = fold(member.path)
        if not is_plain_path(member.path):
            raise not_listed(f"not every file system can have the name of its file {term_safe(member.path)}")
        if key in seen:
            raise not_listed(f"names in it differ in case only, as that of {term_safe(member.path)}")
        seen.add(key)
        digest.update(f"{member.path}\0{member.size}\n".encode())
    return Directory(tuple(members), digest.hexdigest())


def check_count(count: int) -> None:
    """Raises `TransferError` for more files than a run can hold."""
    if count > MAX_MEMBERS:
        raise not_listed(f"it has {count} files; no more than {MAX_MEMBERS} are copied")


def not_listed(reason: str) -> TransferError:
    """The error for a directory that cannot be copied; `told` adds its name."""
    return TransferError(reason, kind="directory")
