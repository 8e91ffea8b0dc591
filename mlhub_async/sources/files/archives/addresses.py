"""The URLs of archives and of their members, and what an archive is by its name."""

from __future__ import annotations

import re
from urllib.parse import quote

from ....core import urls

_suffix = re.compile(r"\.(?:zip|tar|tar\.gz|tgz|tar\.zst|tzst)\Z", re.IGNORECASE).search
_SAFE = "/-_.~!$&'()*+,;=:@"


def is_archive(path: str) -> bool:
    """Whether a file of this name is read as an archive."""
    return _suffix(path) is not None


def is_zip(url: str) -> bool:
    """Whether it is read by ranges, and not as a stream."""
    return url.partition("?")[0].lower().endswith(".zip")


def collection_id(url: str) -> str:
    """The name of an archive without its suffix."""
    name = urls.filename(url)
    found = _suffix(name)
    return (name[: found.start()] if found else name) or "archive"


def base_of(url: str) -> str:
    """What the URLs of the members begin with. A query that tells archives apart becomes a folder of it."""
    query = urls.canonical(url).partition("?")[2]
    return url.partition("?")[0] + "/" + (quote(query, safe="") + "/" if query else "")


def member_url(base: str, name: str) -> str:
    return base + quote(name, safe=_SAFE)
