"""The names of members: which ones may be used as paths, and which only an operating system wrote there."""

from __future__ import annotations

import re
from collections.abc import Iterable

_is_hostile = re.compile(
    r"/|[A-Za-z]:|.*\\|(?:.*/)?\.\.?(?:/|\Z)|.*//|.*[\x00-\x1f\x7f\ud800-\udfff]", re.DOTALL
).match
HOSTILE = "its name leads out of the archive, or is no path: it is left out"
"""What is told of a member with such a name."""
_JUNK_FOLDER = "__MACOSX/"
_JUNK_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def is_hostile(name: str) -> bool:
    """Whether a name is no plain relative path: absolute, with `.` or `..`, a backslash or a control
    character."""
    return bool(_is_hostile(name))


def is_junk(name: str) -> bool:
    """Whether a member was put there by an operating system, and not by those who made the data."""
    last = name[name.rfind("/") + 1 :]
    return last.startswith("._") or last in _JUNK_FILES or name.startswith(_JUNK_FOLDER)


def common_folder(names: Iterable[str]) -> str:
    """The one folder at the top that all members are in, with its slash; "" where there is none."""
    found: str | None = None
    for name in names:
        top = name[: name.find("/") + 1]
        if not top or (found is not None and top != found):
            return ""
        found = top
    return found or ""
