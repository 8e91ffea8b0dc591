"""Changes the hrefs of a written document so that they lead to renamed files; all else stays as it is."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping

from ...core import pattern_on_use

_HREF = pattern_on_use(rb'("href"\s*:\s*)"((?:[^"\\]|\\.)*)"')


def with_new_hrefs(text: bytes, old: str, new: str, moved: Mapping[str, str], root: str) -> bytes:
    """A part of a document that was at `old` and is at `new`; `moved` has the new path of each old one.

    Paths are relative to `root`, the absolute path of DEST. A document that was changed already stays so.
    """
    folder, here = posixpath.dirname(old), posixpath.dirname(new)

    def changed(found: re.Match[bytes]) -> bytes:
        try:
            href = json.loads(b'"' + found[2] + b'"')
        except ValueError:
            return found[0]
        other = _changed(href, folder, here, moved, root)
        return found[0] if other == href else found[1] + json.dumps(other).encode("ascii")

    return _HREF.sub(changed, text)


def _changed(href: str, folder: str, here: str, moved: Mapping[str, str], root: str) -> str:
    if href.startswith(f"{root}/"):
        path = href[len(root) + 1 :]
        return f"{root}/{moved[path]}" if path in moved else href
    if not href.startswith(("./", "../")):
        return href
    path = posixpath.normpath(posixpath.join(folder, href))
    if path not in moved:
        return href
    target = posixpath.relpath(moved[path], here or ".")
    return target if target.startswith("../") else f"./{target}"
