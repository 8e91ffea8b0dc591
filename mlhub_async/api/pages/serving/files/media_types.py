"""The media type of a served file, by its name and by what the ledger knows of it."""

from __future__ import annotations

from pathlib import PurePosixPath

from .....core.formats.kinds import media_type_of
from .....storage.ledger.schema import ITEM

GEOTIFF = "image/tiff; application=geotiff"
JSON, GEOJSON, BYTES = "application/json", "application/geo+json", "application/octet-stream"
_EXACT = {
    ".tif": GEOTIFF,
    ".tiff": GEOTIFF,
    ".jsonl": "application/x-ndjson",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}
_ACTIVE = frozenset({"text/html", "image/svg+xml", "application/xml", "application/gml+xml"})
"""What a browser would run scripts of: it gets no access to the other pages here."""


def media_type(path: str, role: int | None) -> str:
    """`role` is that of the ledger's row, None for a file that it does not have."""
    if role == ITEM:
        return GEOJSON
    suffix = PurePosixPath(path).suffix.lower()
    return _EXACT.get(suffix) or media_type_of(suffix) or BYTES


def is_active(media_type: str) -> bool:
    return media_type in _ACTIVE
