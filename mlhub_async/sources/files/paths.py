"""The part of a SOURCE that names files: a prefix of their names, or a glob of them."""

from __future__ import annotations

import re

from ...core.errors import UsageError
from ...core.urls import term_safe

_first_wildcard = re.compile(r"[*?\[]").search


class KeyGlob:
    """A glob of the paths below a prefix: `*` and `?` stay within a folder, `**` does not."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        try:
            self.matches = re.compile(_translated(pattern), re.DOTALL).fullmatch
        except re.error:
            raise UsageError(f"SOURCE: {term_safe(pattern)!r} is no glob of names") from None


def split_glob(path: str) -> tuple[str, KeyGlob | None]:
    """The folder before the first wildcard of a path, and the glob of what is below; None without one."""
    found = _first_wildcard(path)
    if found is None:
        return path, None
    cut = path.rfind("/", 0, found.start()) + 1
    return path[:cut], KeyGlob(path[cut:])


def last_component(path: str) -> str:
    """The name of the folder that a prefix ends with; "" for none."""
    return path.rstrip("/").rpartition("/")[2]


def _translated(pattern: str) -> str:
    pieces, at = [], 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            pieces.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            pieces.append(".*")
            at += 2
        elif (one := re.match(r"\[([!^]?)([^\]]+)\]", pattern[at:])) is not None:
            inside = one[2].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            pieces.append(f"[{'^' if one[1] else ''}{inside}]")
            at += one.end()
        else:
            pieces.append({"*": "[^/]*", "?": "[^/]"}.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    return "".join(pieces)
