"""Listings of buckets of Google Cloud Storage (its JSON API).

https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ....core.model import Request
from ..listing import FileEntry
from .store_listing import StoreListing, StorePage, md5_multihash, not_a_store

API = "https://storage.googleapis.com"
_FIELDS = "items(name,size,etag,md5Hash,updated),prefixes,nextPageToken"


class GoogleListing(StoreListing):
    """Objects that were composed of others have no MD5."""

    async def read_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        query = f"prefix={quote(prefix, safe='')}&fields={quote(_FIELDS, safe='')}"
        if level:
            query += "&delimiter=%2F"
        if after:
            query += f"&startOffset={quote(after, safe='')}"
        if token:
            query += f"&pageToken={quote(token, safe='')}"
        url = f"{self._endpoint or API}/storage/v1/b/{quote(self._address.bucket, safe='')}/o?{query}"
        body = (await self._reader.read(Request(url))).body
        listed = body.get("items", []) if isinstance(body, dict) else None
        if not isinstance(listed, list):
            raise not_a_store(self.where, "no list of objects")
        files = [self._file(one) for one in listed if isinstance(one, dict)]
        folders = body.get("prefixes")
        named = list(map(str, folders)) if isinstance(folders, list) else []
        return StorePage(files, str(body.get("nextPageToken") or ""), named)

    def _file(self, found: dict[str, Any]) -> FileEntry:
        return self.entry(
            str(found.get("name", "")),
            str(found.get("size", "")),
            str(found.get("etag", "")),
            str(found.get("updated", "")),
            md5_multihash(str(found.get("md5Hash", ""))),
        )
