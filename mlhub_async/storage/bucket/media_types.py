"""The media type of an object by its name, which browsers and readers over http go by."""

from __future__ import annotations

BYTES = "application/octet-stream"
_TYPES = {
    "json": "application/json",
    "geojson": "application/geo+json",
    "jsonl": "application/x-ndjson",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "xml": "application/xml",
    "txt": "text/plain",
}


def media_type(name: str) -> str:
    """That of any bytes for unknown ones. Nothing is HTML: a store would show it as a page of its own."""
    return _TYPES.get(name.rpartition(".")[2].lower(), BYTES)
