"""Listings of S3 and of all that speak its API (ListObjectsV2).

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import quote, unquote_plus

from ....core.model import Request
from ..listing import FileEntry
from .store_listing import StoreListing, StorePage, not_a_store

_fields = re.compile(r"<(Key|Size|ETag|LastModified|StorageClass)>([^<]*)<").findall
_folders = re.compile(r"<CommonPrefixes>\s*<Prefix>([^<]*)<").findall
_following = re.compile(r"<NextContinuationToken>([^<]+)<").search
_is_truncated = re.compile(r"<IsTruncated>\s*true\s*<", re.IGNORECASE).search
_is_encoded = re.compile(r"<EncodingType>\s*url\s*<").search
_END = "</ListBucketResult>"


class S3Listing(StoreListing):
    """Keys are asked for percent-encoded: characters that XML cannot hold are legal in them."""

    async def read_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        query = f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}"
        if level:
            query += "&delimiter=%2F"
        if after:
            query += f"&start-after={quote(after, safe='')}"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        has_host = self._bucket_url.count("/") == 3
        base = self._bucket_url if has_host else self._bucket_url.removesuffix("/")
        body, url = await self._reader.read_bytes(Request(f"{base}?{query}"))
        # By the host of its region, where a redirect led there.
        self._bucket_url = url.partition("?")[0].removesuffix("/") + "/"
        text = body.decode("utf-8", "replace")
        if not text.rstrip().endswith(_END):
            raise not_a_store(self.where, "no list of objects, or not the whole of it")
        following = _following(text) if _is_truncated(text) else None
        if _is_truncated(text) and following is None:
            raise not_a_store(self.where, "a list of objects that goes on and does not say how")
        encoded = _is_encoded(text) is not None
        files = [self._file(dict(_fields(one)), encoded=encoded) for one in text.split("<Contents>")[1:]]
        named = _folders(text) if level else []
        folders = [unquote_plus(one) if encoded else unescape(one) for one in named]
        return StorePage(files, unescape(following[1]) if following else "", folders)

    def _file(self, found: dict[str, str], *, encoded: bool) -> FileEntry:
        key = found.get("Key", "")
        key = unquote_plus(key) if encoded else unescape(key)
        tier = found.get("StorageClass", "")
        return self.entry(
            key,
            found.get("Size", ""),
            unescape(found.get("ETag", "")),
            found.get("LastModified", ""),
            tier="" if tier == "STANDARD" else tier,
        )
