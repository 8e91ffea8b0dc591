"""A data set of a Hugging Face hub: its files at one commit.

https://huggingface.co/docs/hub/api. Listing and files name the commit that the revision stood for at the
beginning, so that nothing changes while it is read.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ....core.checksum import multihash
from ....core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError, Transient
from ....core.model import Document, JsonObject, Request
from ....core.urls import quoted_key, term_safe
from ...access import broken_listing
from ...items.streams import RawReader
from ..listing import FileEntry
from ..paths import last_component
from .link_field import link_of

_is_sha256 = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch
_is_commit = re.compile(r"[0-9a-f]{40,64}", re.ASCII).fullmatch


class DataSetListing:
    """The tree of a folder, page by page. The order of its pages is not documented."""

    is_sorted = False

    def __init__(
        self, reader: RawReader, hub: str, name: str, revision: str, folder: str, *, has_token: bool
    ) -> None:
        self._reader = reader
        self._hub = hub
        self._name = quote(name, safe="/")
        self._revision = revision
        self._has_token = has_token
        self._folder = folder.strip("/")
        self.version = ""
        self.is_whole = not self._folder
        self.prefix = f"{self._folder}/" if self._folder else ""
        self.collection = last_component(folder) or last_component(name)
        self.where = term_safe(f"hf://datasets/{name}@{revision}/{folder}".removesuffix("/"), 300)
        self.about: JsonObject = {}
        self.pinned: JsonObject = {}

    async def begin(self) -> None:
        """Find out the commit, and whether the files may be read."""
        if self.version:
            return
        try:
            info = (
                await self._reader.read(Request(self._api("revision", quote(self._revision, safe=""))))
            ).body
        except TransferError as error:
            raise self._unlistable(error) from error
        if not isinstance(info, dict) or not _is_commit(str(info.get("sha", ""))):
            raise SourceError(f"{self.where}: the hub names no commit of it", kind="not-a-hub")
        if info.get("gated") and not self._has_token:
            raise SourceError(
                f"{self.where} is gated: accept its terms at {self._hub}/datasets/{self._name}, then set "
                "HF_TOKEN to a token that may read it",
                kind="gated",
            )
        self.version = info["sha"]
        self.pinned = {"revision": self.version}
        self.about = _about(info)

    def _api(self, *path: str) -> str:
        return f"{self._hub}/api/datasets/{self._name}/{'/'.join(path)}"

    def url_of(self, key: str) -> str:
        return f"{self._hub}/datasets/{self._name}/resolve/{self.version}/{quoted_key(key)}"

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        await self.begin()
        try:
            async with aclosing(self._pages_below(self._folder, recursive=True)) as pages:
                async for page in pages:
                    yield page
        except SourceError as error:
            if error.kind != "not-found" or not self._folder:
                raise
            yield [await self._one_file(error)]

    async def _one_file(self, absent: SourceError) -> FileEntry:
        """The file that was named in place of a folder. Raises that there is no such folder."""
        parent = self._folder.rpartition("/")[0]
        async with aclosing(self._pages_below(parent, recursive=False)) as pages:
            async for page in pages:
                for one in page:
                    if one.key == self._folder:
                        self.prefix = f"{parent}/" if parent else ""
                        return one
        raise absent

    async def _pages_below(
        self, folder: str, *, recursive: bool
    ) -> AsyncGenerator[Sequence[FileEntry], None]:
        path = [quote(folder, safe="")] if folder else []
        url = f"{self._api('tree', self.version, *path)}?recursive={str(recursive).lower()}&expand=false"
        seen: set[str] = set()
        while url:
            if url in seen:
                raise CatalogDefect(f"{self.where}: the listing leads back to a page that it had")
            page = await self._read_page(url, is_first=not seen)
            seen.add(url)
            yield [self._file(one) for one in page.body if one.get("type") == "file"]
            url = self._following(page)

    async def _read_page(self, url: str, *, is_first: bool) -> Document:
        try:
            page = await self._reader.read(Request(url))
        except TransferError as error:
            if is_first:
                raise self._unlistable(error) from error
            raise broken_listing(error, f"{self.where}: the listing broke off") from error
        if not isinstance(page.body, list) or not all(isinstance(one, dict) for one in page.body):
            raise CatalogDefect(f"{self.where}: a page of the listing is no list of files")
        return page

    def _following(self, page: Document) -> str:
        """The next page: what the Link header says (RFC 8288), asked of this hub.

        A proxy of the hub below a path of its own may or may not write that path into the link.
        """
        found = link_of(page.link_field, "next")
        if found is None:
            return ""
        try:
            split = urlsplit(urljoin(page.url, found))
        except ValueError:
            raise CatalogDefect(f"{self.where}: the link to the next page is no URL") from None
        _, api, rest = split.path.partition("/api/datasets/")
        return f"{self._hub}{api or split.path}{rest}?{split.query}"

    def _file(self, found: dict[str, Any]) -> FileEntry:
        """Large files have the SHA-256 of their content in `lfs.oid`, small ones git's id of it in `oid`."""
        path, size, git_id = str(found.get("path", "")), found.get("size"), str(found.get("oid", ""))
        lfs = found.get("lfs")
        digest = str(lfs.get("oid", "")).removeprefix("sha256:") if isinstance(lfs, dict) else ""
        is_large = bool(_is_sha256(digest))
        return FileEntry(
            path,
            size if isinstance(size, int) else None,
            self.url_of(path),
            etag=digest or git_id,
            checksum=multihash("sha256", bytes.fromhex(digest)) if is_large else "",
            git_blob="" if lfs else git_id,
        )

    def _unlistable(self, error: TransferError) -> MlhubError:
        if isinstance(error, Transient):
            return CatalogError(f"{self.where} could not be listed: {error.message}; run again later")
        if error.denied:
            advice = "HF_TOKEN may not read it" if self._has_token else "if it is private, set HF_TOKEN"
            return SourceError(
                f"{self.where}: there is no such data set, or it is not public ({error.message}); {advice}",
                kind="forbidden",
            )
        if error.absent:
            return SourceError(
                f"{self.where}: there is no such data set, revision or folder ({error.message}); "
                "check their names, case counts",
                kind="not-found",
            )
        return SourceError(f"{self.where} cannot be listed: {error.message}", kind=error.kind)


def _about(info: dict[str, Any]) -> JsonObject:
    """Fields for the collection."""
    card = info.get("cardData")
    card = card if isinstance(card, dict) else {}
    license_id = card.get("license")
    return {
        "title": str(card.get("pretty_name") or info.get("id") or ""),
        "license": license_id if isinstance(license_id, str) and license_id != "unknown" else "",
        "updated": str(info.get("lastModified") or ""),
    }
