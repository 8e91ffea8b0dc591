"""The addresses of the server's own pages. Ids are in the query: they may hold whatever a path may not."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from .....storage.layout import DIGEST_ADDRESS, LOOKUP_ADDRESS, STATE_DIR

BROWSE = f"/{STATE_DIR}/browse"
PREVIEW = f"/{STATE_DIR}/preview"
REPORT = f"/{STATE_DIR}/report"
MANIFEST = f"/{STATE_DIR}/manifest.txt"
"""No file: the lines that the `manifest_sha256` of the receipt is the digest of."""

LOOKUP = f"/{LOOKUP_ADDRESS}"
BY_DIGEST = f"/{DIGEST_ADDRESS}/{{digest}}"


def file_address(path: str) -> str:
    """Of a file by its path in DEST."""
    return "/" + quote(path, errors="replace")


def collection_address(collection: str, **more: str) -> str:
    return f"{BROWSE}?{_query(collection=collection, **more)}"


def item_address(collection: str, item: str) -> str:
    return f"{BROWSE}?{_query(collection=collection, item=item)}"


def preview_address(collection: str, item: str, key: str | None, size: int) -> str:
    """`key` None: the bands red, green and blue of the item, which are files of their own."""
    return f"{PREVIEW}?{_query(collection=collection, item=item, key=key, size=str(size))}"


def _query(**fields: str | None) -> str:
    given = {name: value for name, value in fields.items() if value is not None}
    return urlencode(given, errors="replace")
