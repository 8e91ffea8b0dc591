"""The members of an archive without STAC as a listing of files, of which items are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import islice

from ....core import urls
from ....core.model import JsonObject
from ..listing import FileEntry
from .addresses import ArchiveFile, base_of, member_url
from .opening import OpenedArchive

PAGE_FILES = 1_000


class MemberListing:
    """See `FileListing`. The one folder at the top that all members are in, if there is one, is left out."""

    is_sorted = is_whole = True

    def __init__(self, archive: ArchiveFile, opened: OpenedArchive) -> None:
        self.collection = archive.collection
        self.where = urls.redacted(archive.url)
        self.prefix = opened.top()
        self.about: JsonObject = {}
        self.pinned: JsonObject = {}
        self.version = ""
        self._base = base_of(archive.url)
        self._opened = opened

    async def begin(self) -> None:
        """Everything is known."""

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        files, page = self._opened.files(), None
        while page is None or page:
            page = list(islice(files, PAGE_FILES))
            yield page

    def url_of(self, key: str) -> str:
        return member_url(self._base, key)
