"""The present names for names that earlier versions made, with a percent sign in their escapes (%3A)."""

from __future__ import annotations

import re

from ..naming import MAX_COMPONENT_BYTES, safe_component, with_tag

_TAGGED = re.compile(r"(.+)~([0-9a-f]{10})(\.[A-Za-z0-9]{1,8})?", re.DOTALL).fullmatch


def present_path(path: str) -> str:
    """The path with each component as it would be named now; the levels stay."""
    levels: list[str] = []
    before = ""
    for level in path.split("/"):
        is_document = bool(before) and level == f"{before}.json"
        levels.append(f"{levels[-1]}.json" if is_document else _present_name(level))
        before = level
    return "/".join(levels)


def _present_name(name: str) -> str:
    """Escapes had a percent sign, and names with one a tag."""
    found = _TAGGED(name) if "%" in name else None
    if found is None:
        return name if "%" not in name else safe_component(name, len(".json"))
    stem, tag, suffix = found.groups(default="")
    stem = stem.replace("%", "~")
    stem = f"_{stem}" if stem.startswith("~") else stem
    return with_tag(stem + suffix, tag, MAX_COMPONENT_BYTES if suffix else MAX_COMPONENT_BYTES - len(".json"))
