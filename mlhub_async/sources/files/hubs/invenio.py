"""A record of Zenodo, or of another repository that runs InvenioRDM: its files with their MD5.

https://developers.zenodo.org, https://inveniordm.docs.cern.ch/reference/rest_api_drafts_records/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....core.errors import SourceError
from ....core.model import Document, JsonObject
from ....core.urls import quoted_key
from ..listing import FileEntry
from .record_listing import RecordListing, multihash_of, objects_in, size_of


class InvenioListing(RecordListing):
    """The id of all versions of a record leads to the newest: that one's own id is the collection's."""

    async def files_of(self, record: Document) -> Sequence[FileEntry]:
        body = record.body
        own = body.get("id")
        if isinstance(own, str | int) and not isinstance(own, bool) and str(own):
            self.collection = str(own)
            self.pinned = {"record": self.collection}
        root = f"{self._url.rpartition('/')[0]}/{self.collection}"
        self._refuse_restricted(body)
        self.about = _about(body)
        listed = body.get("files")
        if not isinstance(listed, list):
            answer = (await self._read(f"{root}/files")).body
            listed = answer.get("entries") if isinstance(answer, dict) else None
        return [self._file(one, root, str(body.get("updated") or "")) for one in objects_in(listed)]

    def _refuse_restricted(self, body: JsonObject) -> None:
        access, metadata = body.get("access"), body.get("metadata")
        kinds = [access.get("files") if isinstance(access, dict) else None]
        kinds += [metadata.get("access_right") if isinstance(metadata, dict) else None]
        if "restricted" in kinds or "closed" in kinds or "embargoed" in kinds:
            raise SourceError(f"{self.where}: the files of this record are not public", kind="forbidden")

    def _file(self, found: dict[str, Any], root: str, updated: str) -> FileEntry:
        key, links = str(found.get("key", "")), found.get("links")
        links = links if isinstance(links, dict) else {}
        linked = links.get("content") or links.get("self")
        is_linked = isinstance(linked, str) and "content" in linked
        url = _quoted(str(linked), key) if is_linked else f"{root}/files/{quoted_key(key)}/content"
        digest = found.get("checksum")
        return FileEntry(
            key,
            size_of(found.get("size")),
            url,
            etag=str(digest or ""),
            modified=updated,
            checksum=multihash_of(digest) if isinstance(digest, str) else "",
        )


def _quoted(link: str, key: str) -> str:
    """A link with the name of its file quoted: repositories write it as it is, also with `#`, `?` or `%`."""
    return link.replace(f"/{key}/", f"/{quoted_key(key)}/")


def _about(body: JsonObject) -> JsonObject:
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    license_of = metadata.get("license")
    return {
        "title": str(metadata.get("title") or ""),
        "license": str(license_of.get("id") or "") if isinstance(license_of, dict) else "",
        "sci:doi": str(body.get("doi") or ""),
        "updated": str(body.get("updated") or ""),
    }
