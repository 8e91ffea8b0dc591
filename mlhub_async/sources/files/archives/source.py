"""`ArchiveSource`: an archive with or without STAC in it. Nothing of it is unpacked but what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from .... import stac
from ....core import urls
from ....core.errors import CatalogError, TransferError
from ....core.model import Asset, Collection, Document, Entry, Flaw, Item, ListingRemarks, Version
from ....core.options import Selection
from ....core.ports import Emit, Source
from ...access import broken_listing
from ...items.streams import RawReader
from ..source import FilesSource
from .addresses import ArchiveFile, base_of, is_zip
from .catalogue import read_root
from .member_listing import MemberListing
from .opening import OpenedArchive, open_tar, open_zip
from .workspace import Workspace

OpenStatic = Callable[[Document], Source]
"""Gives the source that reads a catalogue from its root document on."""


class ArchiveSource:
    """An archive. Its catalogue is read by what `open_static` gives."""

    def __init__(
        self,
        reader: RawReader,
        archive: ArchiveFile,
        selection: Selection,
        open_static: OpenStatic,
        workspace: Workspace,
    ) -> None:
        self.name = urls.redacted(archive.url)
        self._reader = reader
        self._archive = archive
        self._selection = selection
        self._open_static = open_static
        self._workspace = workspace
        self._inner: Source | None = None
        self._broken: CatalogError | None = None
        self._version_of: Callable[[str], Version | None] = lambda url: None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """What is whole of an archive that is not is listed before that is raised."""
        if self._inner is None:
            opened = await self._open()
            if opened.flaws:
                await emit([self._flaw(name, what) for name, what in opened.flaws])
            if opened.remark:
                await emit([ListingRemarks(lines=(opened.remark,))])
            self._broken, self._version_of = opened.broken, opened.version_of
            self._inner = await self._source_of(opened)
        has_versions = isinstance(self._inner, FilesSource)
        await self._inner.list(emit if has_versions else partial(self._emit_versioned, emit), only)
        if self._broken is not None:
            raise self._broken

    async def _emit_versioned(self, emit: Emit, entries: Sequence[Entry]) -> None:
        """A file may be another one by now under the same name: what the archive says of it tells."""
        await emit([self._versioned(one) if isinstance(one, Item | Collection) else one for one in entries])

    def _versioned(self, owner: Item | Collection) -> Item | Collection:
        assets = owner.body.get("assets")
        versions: dict[str, Version] = {}
        for key, asset in assets.items() if isinstance(assets, dict) else ():
            if not isinstance(asset, dict) or asset.get("etag"):
                continue
            href = asset.get("href")
            if isinstance(href, str) and (version := self._version_of(stac.resolve(href, owner.href))):
                versions[key] = version
        return owner._replace(versions=versions) if versions else owner

    async def refresh(self, asset: Asset) -> Asset | None:
        return None if self._inner is None else await self._inner.refresh(asset)

    async def _open(self) -> OpenedArchive:
        opening = open_zip if is_zip(self._archive.name) else open_tar
        return await opening(self._reader, self._archive, self._workspace)

    async def _source_of(self, opened: OpenedArchive) -> Source:
        try:
            root = await read_root(self._reader, opened.names_ending, base_of(self._archive.url))
        except TransferError as error:
            raise broken_listing(error, f"the catalogue in {self.name} cannot be read") from error
        if root is not None:
            return self._open_static(root)
        if opened.broken is not None and (opened.rest_may_come or _has_documents(opened)):
            raise opened.broken  # the missing bytes may have its catalogue
        return FilesSource(MemberListing(self._archive, opened), self._selection)

    def _flaw(self, name: str, what: str) -> Flaw:
        where = f"{self.name}: {urls.term_safe(name)}"
        return Flaw(where, TransferError(f"{where}: {what}", kind="refused-member"))


def _has_documents(opened: OpenedArchive) -> bool:
    return next(iter(opened.names_ending(".json")), None) is not None
