"""Listings of S3 and of all that speak its API (ListObjectsV2).

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_plus

from ....core.errors import TransferError, Transient
from ....core.formats.xml_text import elements, plain_xml, unescaped
from ....core.model import Request
from ..listing import ARCHIVED, FileEntry
from .store_listing import StoreListing, StorePage, not_a_store

_fields = re.compile(r"<(Key|Size|ETag|LastModified|StorageClass|RestoreExpiryDate)>([^<]*)<").findall
_tiers = re.compile(r"<StorageClass>([^<]*)<").findall
_folders = re.compile(r"<CommonPrefixes>\s*<Prefix>([^<]*)<").findall
_token = re.compile(r"<NextContinuationToken>([^<]+)<").search
_is_truncated = re.compile(r"<IsTruncated>\s*true\s*<", re.IGNORECASE).search
_is_encoded = re.compile(r"<EncodingType>\s*url\s*<").search
_END = "</ListBucketResult>"
TOKEN, MARKER = "continuation-token", "marker"
"""The parameters that ask for the next page: of the second version of the listing, and of the first."""
RESTORED = {"x-amz-optional-object-attributes": "RestoreStatus"}
"""`RestoreExpiryDate` is in the answer for objects that are restored; their storage class stays."""


class S3Listing(StoreListing):
    """Keys are asked for percent-encoded: characters that XML cannot hold are legal in them."""

    async def read_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        query = f"list-type=2&encoding-type=url&prefix={quote(prefix, safe='')}"
        if level:
            query += "&delimiter=%2F"
        if after:
            query += f"&start-after={quote(after, safe='')}"
        if token:
            name, _, value = token.partition("=")
            query += f"&{name}={quote(value, safe='')}"
        text = await self._text(query)
        if not _is_complete(text):
            raise not_a_store(self.where, "no list of objects, or not the whole of it")
        if any(tier in ARCHIVED for tier in _tiers(text)):
            text = await self._with_restored(query, text)
        encoded = _is_encoded(text) is not None
        files = [self._file(dict(_fields(one)), encoded=encoded) for one in elements(text, "Contents")]
        named = _folders(text) if level else []
        folders = [_decoded(one, encoded=encoded) for one in named]
        return StorePage(
            files, self._following(text, token or after, [one.key for one in files] + folders), folders
        )

    async def _text(self, query: str, headers: dict[str, str] | None = None) -> str:
        has_host = self._bucket_url.count("/") == 3
        base = self._bucket_url if has_host else self._bucket_url.removesuffix("/")
        body, url = await self._reader.read_bytes(Request(f"{base}?{query}", headers=headers or {}))
        # By the host of its region, where a redirect led there.
        self._bucket_url = url.partition("?")[0].removesuffix("/") + "/"
        return plain_xml(body.decode("utf-8", "replace"))

    async def _with_restored(self, query: str, text: str) -> str:
        """The page again with what says which of its archived objects are restored at present; the page as it
        is where the store does not know that question. Only where it is needed: some stores refuse it."""
        try:
            again = await self._text(query, RESTORED)
        except Transient:
            raise
        except TransferError:
            return text
        return again if _is_complete(again) else text

    def _following(self, text: str, asked: str, names: list[str]) -> str:
        """What the next page is asked with, "" after the last: the token, or of a store that knows only the
        first version of this listing (ListObjects) the last name. `asked`: what this page was asked with."""
        if not _is_truncated(text):
            return ""
        if (found := _token(text)) is not None:
            return f"{TOKEN}={unescaped(found[1])}"
        if not names or min(names) <= asked.removeprefix(f"{MARKER}="):
            raise not_a_store(self.where, "a list of objects that goes on and does not say how")
        return f"{MARKER}={max(names)}"

    def _file(self, found: dict[str, str], *, encoded: bool) -> FileEntry:
        key = found.get("Key", "")
        key = _decoded(key, encoded=encoded)
        tier = "" if "RestoreExpiryDate" in found else found.get("StorageClass", "")
        return self.entry(
            key,
            found.get("Size", ""),
            unescaped(found.get("ETag", "")),
            found.get("LastModified", ""),
            tier="" if tier == "STANDARD" else tier,
        )


def _is_complete(text: str) -> bool:
    return text.rstrip().endswith(_END)


def _decoded(name: str, *, encoded: bool) -> str:
    return unquote_plus(name) if encoded else unescaped(name)
