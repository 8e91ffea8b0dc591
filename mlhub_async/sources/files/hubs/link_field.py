"""Links in the header field `Link` (RFC 8288, section 3)."""

from __future__ import annotations

import re

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf"\s*;\s*(?:{_TOKEN}\s*(?:=\s*(?:{_QUOTED}|[^\s;,\"]*))?)?"
_links = re.compile(rf"<([^<>]*)>((?:{_PARAMETER})*)").finditer
_rel = re.compile(rf"(?:\A|;)\s*rel\s*=\s*(?:({_QUOTED})|([^\s;,\"]*))", re.IGNORECASE).search
_quoted = re.compile(_QUOTED).sub


def link_of(field: str, relation: str) -> str | None:
    """The target of the first link with this relation, as it was written; None without one.

    A link may have several relations, and case does not count in them. `field`: all lines, joined by commas.
    """
    for found in _links(field):
        target, parameters = found.groups()
        if (rel := _first_rel(parameters)) is not None and relation in rel.lower().split():
            return target.strip()
    return None


def _first_rel(parameters: str) -> str | None:
    """The value of the first `rel`: others do not count, nor does what is in a quoted string."""
    hidden = _quoted(lambda one: '"' + one[0][1:-1].replace(";", " ") + '"', parameters)
    found = _rel(hidden)
    if found is None:
        return None
    quoted, plain = found.groups()
    return re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted is not None else plain
