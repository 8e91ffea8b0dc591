"""What a body is by its first bytes: an error page where an image should be is seen before it is kept."""

from __future__ import annotations

import re

ENOUGH = 64
"""Bytes that tell one kind from another."""
TEXT = frozenset(["html", "htm", "xml", "json", "geojson", "txt", "csv", "md", "svg", "kml", "gml"])
"""Suffixes of files that may well begin like a page."""
_HTML = re.compile(rb"\s*<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\s")


def impostor(first: bytes, path: str) -> str:
    """The name of what a body is that the file at `path` cannot be; "" where nothing is wrong."""
    first = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not first.startswith(b"<"):
        return ""
    name, dot, suffix = path.rpartition("/")[2].rpartition(".")
    if not (name and dot) or suffix.lower() in TEXT:
        return ""
    if _HTML.match(first):
        return "HTML"
    return "XML" if _XML.match(first) else ""
