"""The files of a directory on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ....core import urls
from ....core.errors import TransferError
from ....core.formats.directories import member_media_type
from ....core.model import Member
from .members import check_count, not_listed

Admits = Callable[[Path], bool]


def members_at(url: str, admits: Admits | None) -> list[Member] | None:
    """The files below a directory with a file: URL; None where there is no directory. Blocks.

    Raises `TransferError` for a directory that may not be read, or holds what is neither file nor directory.
    Links to files are followed as those of single files are, when they are read.
    """
    place = Path(os.path.realpath(urls.to_path(url)))
    if admits is None or not admits(place):
        raise TransferError("it is outside the catalogue's folder", kind="outside-root")
    if not place.is_dir():
        return None
    found: list[Member] = []
    for member in _walk(str(place), ""):
        found.append(member)
        check_count(len(found))
    return sorted(found)


def _walk(top: str, below: str) -> Iterator[Member]:
    try:
        with os.scandir(os.path.join(top, below)) as entries:
            found = list(entries)
    except OSError as error:
        raise not_listed(f"its directory {below or '.'} cannot be read: {error.strerror}") from None
    for entry in found:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(top, f"{path}/")
        elif entry.is_file():
            yield Member(path, member_media_type(path), entry.stat().st_size)
        else:
            raise not_listed(f"{urls.term_safe(path)} is no regular file")
