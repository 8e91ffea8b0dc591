"""What a body is by its first bytes: an error page where an image should be is seen before it is kept."""

from __future__ import annotations

import re

ENOUGH = 64
"""Bytes that tell one kind from another."""
TEXT = (".html", ".htm", ".xml", ".json", ".geojson", ".txt", ".csv", ".md", ".svg", ".kml", ".gml", "")
"""Suffixes of files that may well begin like a page."""
_HTML = re.compile(rb"\s*<(!doctype\s+html|html[\s>])", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml\s")


def impostor(first: bytes, suffix: str) -> str:
    """The name of what a body is that a file with this suffix cannot be; "" where nothing is wrong."""
    if suffix.lower() in TEXT:
        return ""
    first = first.removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(first):
        return "HTML"
    return "XML" if _XML.match(first) else ""
