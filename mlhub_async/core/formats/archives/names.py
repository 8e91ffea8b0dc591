"""The names of members: which ones may be used as paths, and which only an operating system wrote there."""

from __future__ import annotations

import re

_is_hostile = re.compile(
    r"/|[A-Za-z]:|.*\\|(?:.*/)?\.\.?(?:/|\Z)|.*//|.*[\x00-\x1f\x7f\ud800-\udfff]", re.DOTALL
).match
_CHARACTER = r"[^\0-\x1f/\\:\x7f-\xff]"
_PART = rf"(?!\.){_CHARACTER}{_CHARACTER}*+"
is_plain = re.compile(rf"(?:{_PART}/)*+{_PART}".encode("ascii")).fullmatch
"""Whether the bytes of a name are a relative path in ASCII, as nearly all are: not hostile, without empty
parts, and the same in every encoding."""
HOSTILE = "its name leads out of the archive, or is no path: it is left out"
"""What is told of a member with such a name."""
_inside = re.compile(r"[^/]\.(?:zip|tar|tar\.gz|tgz|tar\.zst|tzst)/", re.IGNORECASE).search
_JUNK_FOLDER = "__MACOSX/"
_JUNK_FILES = (".DS_Store", "Thumbs.db", "desktop.ini")


def is_hostile(name: str) -> bool:
    """Whether a name is no plain relative path: absolute, with `.` or `..`, a backslash or a control
    character."""
    return bool(_is_hostile(name))


def without_empty_parts(name: str) -> str:
    """The same relative path without what leads nowhere: `./a//b/./c` is `a/b/c`, as for all that unpack it.

    So are names stored by `tar cf a.tar folder//part`, and by Python's `tarfile` for such a folder.
    """
    if ("//" not in name and "./" not in name) or name.startswith("/"):
        return name
    *folders, last = name.split("/")
    return "/".join([*(one for one in folders if one not in ("", ".")), last]) or name


def is_junk(name: str) -> bool:
    """Whether a member was put there by an operating system, and not by those who made the data."""
    if not (name.endswith(_JUNK_FILES) or "._" in name or name.startswith(_JUNK_FOLDER)):
        return False  # as nearly all
    last = name[name.rfind("/") + 1 :]
    return last.startswith("._") or last in _JUNK_FILES or name.startswith(_JUNK_FOLDER)


def common_folder(first: str, last: str) -> str:
    """The one folder at the top that all members are in, with its slash; "" where there is none.

    `first` and `last` of their names, when these are sorted: what both begin with, those between them do.
    """
    top = first[: first.find("/") + 1]
    return top if last.startswith(top) else ""


def containing_archive(url: str) -> str:
    """The URL of the archive that the URL of a member begins with; "" for one without such a name in it."""
    found = _inside(url)
    return url[: found.end() - 1] if found else ""
