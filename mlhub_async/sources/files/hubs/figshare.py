"""An article of figshare: its files with the MD5 that figshare computed. https://docs.figshare.com"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....core import checksum
from ....core.errors import CatalogDefect
from ....core.model import Document
from ..listing import FileEntry
from .record_listing import RecordListing, objects_in, size_of, told_apart

PAGE_FILES = 1000
MAX_PAGES = 1000


class FigshareListing(RecordListing):
    """One version of an article. Files that are only links to other places are not figshare's, and have no
    digest. Several files of one name are allowed."""

    async def files_of(self, record: Document) -> Sequence[FileEntry]:
        body = record.body
        license_of = body.get("license")
        updated = str(body.get("modified_date") or "")
        self.about = {
            "title": str(body.get("title") or ""),
            "license": str(license_of.get("name") or "") if isinstance(license_of, dict) else "",
            "sci:doi": str(body.get("doi") or ""),
            "updated": updated,
        }
        self.pinned = {"version": body["version"]} if isinstance(body.get("version"), int) else {}
        listed = await self._all_files(size_of(body.get("size")))
        return told_apart((_file(one, updated), one.get("id")) for one in listed)

    async def _all_files(self, size: int | None) -> list[dict[str, Any]]:
        """The files of all pages, which may be shorter than was asked for; `size` is that of all files
        together, by which their end is known without a page more."""
        files: dict[str, dict[str, Any]] = {}
        for number in range(1, MAX_PAGES + 1):
            page = (await self._read(f"{self._url}/files?page={number}&page_size={PAGE_FILES}")).body
            listed = objects_in(page)
            new = {str(one.get("id", one)): one for one in listed}
            if listed and new.keys() <= files.keys() and size is not None:
                raise CatalogDefect(f"{self.where}: of its files the same page comes again and again")
            if new.keys() <= files.keys():
                return list(files.values())
            files |= new
            if size is not None and sum(size_of(one.get("size")) or 0 for one in files.values()) == size:
                return list(files.values())
        raise CatalogDefect(f"{self.where}: more than {MAX_PAGES * PAGE_FILES} files in one record")


def _file(found: dict[str, Any], updated: str) -> FileEntry:
    digest = str(found.get("computed_md5") or found.get("supplied_md5") or "")
    known = checksum.parse(digest) if digest else None
    return FileEntry(
        str(found.get("name", "")),
        size_of(found.get("size")),
        str(found.get("download_url", "")),
        etag=digest or str(found.get("id", "")),
        modified=updated,
        checksum=checksum.multihash("md5", known.digest) if known and known.algorithm == "md5" else "",
    )
