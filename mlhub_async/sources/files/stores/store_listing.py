"""What the listings of all object stores have in common: pages by a token, the prefix, and their errors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from ....core import decimal_number
from ....core.checksum import multihash
from ....core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError, Transient
from ....core.model import JsonObject
from ....core.urls import StoreAddress, quoted_key, term_safe
from ...access import broken_listing
from ...items.streams import RawReader
from ..listing import FileEntry
from ..paths import last_component


class StorePage(NamedTuple):
    """Files of one page, and what to ask the next one with; "" after the last. `folders`: of a level, the
    prefixes of the files in the folders there, each with its slash."""

    files: Sequence[FileEntry]
    following: str
    folders: Sequence[str] = ()


class StoreListing:
    """The objects below one prefix. A subclass reads one page.

    A prefix without a slash at its end is a folder, if there is one of that name; else it is what the names
    of the objects begin with, as the stores themselves mean it.
    """

    is_sorted = True
    starts_after = True
    page_keys = 1000

    def __init__(self, reader: RawReader, address: StoreAddress, endpoint: str = "") -> None:
        self._reader = reader
        self._address = address
        self._endpoint = endpoint
        self._bucket_url = address.bucket_url(endpoint)
        self.where = term_safe(str(address), 300)
        self.collection = last_component(address.key) or address.bucket
        self.about: JsonObject = {}
        self.pinned: JsonObject = {}
        self.version = ""
        self.is_whole = not address.key
        self.prefix = address.key
        if self.prefix and not self.prefix.endswith("/"):
            self.prefix += "/"

    async def read_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        """One page of the keys that begin with `prefix`. Raises `TransferError`, or `SourceError`.

        `level`: without those that have a slash behind it, whose folders are named. `after`: the first page
        has only keys behind this one, where the store can (`starts_after`).
        """
        raise NotImplementedError

    async def begin(self) -> None:
        """All is known from the address."""

    def url_of(self, key: str) -> str:
        return self._bucket_url + quoted_key(key)

    def entry(
        self, key: str, size: str, etag: str, modified: str, checksum: str = "", tier: str = ""
    ) -> FileEntry:
        """An object as the listing tells it; `size` in decimal digits, any other text where it is unknown."""
        return FileEntry(key, decimal_number(size), self.url_of(key), etag, modified, checksum, tier=tier)

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        asked, page = await self.first_page()
        async for one in self.following_pages(asked, page):
            yield one.files

    async def first_page(self) -> tuple[str, StorePage]:
        """The prefix that is asked for, and its first page. Sets `prefix`."""
        asked = self._address.key
        if asked and not asked.endswith("/"):
            asked += "/"
        self.prefix = asked
        page = await self._first_page(asked)
        if not page.files and not page.following and asked != self._address.key:
            asked = self._address.key
            self.prefix = asked[: asked.rfind("/") + 1]
            page = await self._first_page(asked)
        return asked, page

    async def following_pages(
        self, prefix: str, page: StorePage, *, level: bool = False, after: str = ""
    ) -> AsyncGenerator[StorePage, None]:
        """A first page and those that follow it. Raises `CatalogError`, also where they lead in a circle."""
        asked: set[str] = set()
        while True:
            yield page
            if not page.following:
                return
            if page.following in asked:
                raise CatalogDefect(f"{self.where}: the listing leads back to a page that it had")
            asked.add(page.following)
            page = await self.next_page(prefix, page.following, level=level, after=after)

    async def _first_page(self, prefix: str) -> StorePage:
        try:
            return await self.read_page(prefix, "")
        except TransferError as error:
            raise self._unlistable(error) from error

    async def next_page(self, prefix: str, token: str, *, level: bool = False, after: str = "") -> StorePage:
        """A page that is not the first one of the whole. Raises `CatalogError`."""
        try:
            page = await self.read_page(prefix, token, level=level, after=after)
        except (TransferError, SourceError) as error:
            raise broken_listing(error, f"{self.where}: the listing broke off") from error
        return page

    def _unlistable(self, error: TransferError) -> MlhubError:
        """The error for a first page that could not be read: why, and what to do."""
        if isinstance(error, Transient):
            return CatalogError(f"{self.where} could not be listed: {error.message}; run again later")
        if error.absent:
            return SourceError(f"{self.where}: there is no such bucket ({error.message})", kind="not-found")
        advice = ""
        if error.denied and error.signed:
            advice = "; the keys that there are may not list it: see 'mlhub-async auth status'"
        elif error.denied:
            advice = (
                "; it is read without keys, and is not public, or its objects are and its listing is not: "
                "then give the address of a catalogue or list of its files"
            )
        return SourceError(f"{self.where} cannot be listed: {error.message}{advice}", kind=error.kind)


def not_a_store(where: str, found: str) -> SourceError:
    """The error for an answer that is no page of a listing."""
    return SourceError(
        f"{where} cannot be listed: the answer is {found}; check --endpoint-url", kind="not-a-store"
    )


def md5_multihash(text: str) -> str:
    """A multihash of an MD5 in base64; "" for what is none."""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return multihash("md5", digest) if len(digest) == 16 else ""
