"""The URLs of archives and of their members, and what an archive is by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from ....core import urls
from ....core.options import Selection
from .workspace import Workspace

if TYPE_CHECKING:
    from ....core.ports import Source

_suffix = re.compile(r"\.(?:zip|tar|tar\.gz|tgz|tar\.zst|tzst)\Z", re.IGNORECASE).search
_SAFE = "/-_.~!$&'()*+,;=:@"
_is_safe = re.compile(rf"[A-Za-z0-9{re.escape(_SAFE)}]*+", re.ASCII).fullmatch


class ArchiveFile(NamedTuple):
    """An archive: where it is, the name of its file, and the id of the collection of its members.

    `size` in bytes and `checksum`, a multihash, are those that a listing publishes; None and "" for none.
    """

    url: str
    name: str
    collection: str
    size: int | None = None
    checksum: str = ""

    @classmethod
    def at(cls, url: str) -> ArchiveFile:
        """The archive at a URL that says its name."""
        name = urls.filename(url.partition("?")[0])
        return cls(url, name, collection_id(name))


OpenArchive = Callable[[ArchiveFile, Selection, Workspace], "Source"]
"""Gives the source of an archive, which keeps what it unpacks in the workspace."""


def is_archive(path: str) -> bool:
    """Whether a file of this name is read as an archive."""
    return _suffix(path) is not None


def is_zip(name: str) -> bool:
    """Whether it is read by ranges, and not as a stream."""
    return name.lower().endswith(".zip")


def collection_id(name: str) -> str:
    """The name of an archive without its suffix."""
    found = _suffix(name)
    return (name[: found.start()] if found else name) or "archive"


def base_of(url: str) -> str:
    """What the URLs of the members begin with. A query that tells archives apart becomes a folder of it."""
    query = urls.canonical(url).partition("?")[2]
    return url.partition("?")[0] + "/" + (quote(query, safe="") + "/" if query else "")


def member_url(base: str, name: str) -> str:
    return base + (name if _is_safe(name) else quote(name, safe=_SAFE))
