"""Listings of containers of Azure Blob Storage (List Blobs).

https://learn.microsoft.com/rest/api/storageservices/list-blobs
"""

from __future__ import annotations

import re
from datetime import UTC
from urllib.parse import quote, unquote

from ....core import http_date
from ....core.formats.xml_text import elements, plain_xml, unescaped
from ....core.model import Request
from ..listing import FileEntry
from .store_listing import StoreListing, StorePage, md5_multihash, not_a_store

API_VERSION = "2021-06-08"
"""The first that encodes names which XML cannot hold."""
PAGE_BLOBS = 5000
_name = re.compile(r"<Name(?:\s+Encoded=[\"'](\w+)[\"']\s*)?>([^<]*)<").search
_fields = re.compile(
    r"<(Content-Length|Etag|Last-Modified|Content-MD5|AccessTier|ResourceType|hdi_isfolder)>([^<]*)<"
).findall
_following = re.compile(r"<NextMarker>([^<]+)<").search
_END = "</EnumerationResults>"


class AzureListing(StoreListing):
    """Directories of accounts with a hierarchy are in the list too: they are no files."""

    starts_after = False
    page_keys = PAGE_BLOBS

    async def read_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        query = f"restype=container&comp=list&include=metadata&maxresults={PAGE_BLOBS}"
        query += f"&prefix={quote(prefix, safe='')}"
        if level:
            query += "&delimiter=%2F"
        if token:
            query += f"&marker={quote(token, safe='')}"
        url = f"{self._bucket_url.removesuffix('/')}?{query}"
        body, _ = await self._reader.read_bytes(Request(url, headers={"x-ms-version": API_VERSION}))
        text = plain_xml(body.decode("utf-8-sig", "replace"))
        if not text.rstrip().endswith(_END):
            raise not_a_store(self.where, "no list of blobs, or not the whole of it")
        found = [self._file(one) for one in elements(text, "Blob")]
        named = (_name(one) for one in elements(text, "BlobPrefix"))
        folders = [_key_of(one) for one in named if one is not None]
        following = _following(text)
        files = [one for one in found if one is not None]
        return StorePage(files, unescaped(following[1]) if following else "", folders)

    def _file(self, text: str) -> FileEntry | None:
        name, found = _name(text), dict(_fields(text))
        if found.get("ResourceType") == "directory" or "hdi_isfolder" in found:
            return None
        return self.entry(
            _key_of(name) if name is not None else "",
            found.get("Content-Length", ""),
            f'"{unescaped(found.get("Etag", "")).strip(chr(34))}"',
            _rfc3339(found.get("Last-Modified", "")),
            md5_multihash(found.get("Content-MD5", "")),
            tier="Archive" if found.get("AccessTier") == "Archive" else "",
        )


def _key_of(name: re.Match[str]) -> str:
    return unquote(unescaped(name[2])) if name[1] == "true" else unescaped(name[2])


def _rfc3339(date: str) -> str:
    try:
        return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if (found := http_date(date)) else ""
    except OverflowError:  # the first or last day of the calendar
        return ""
