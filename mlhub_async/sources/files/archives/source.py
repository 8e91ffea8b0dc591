"""`ArchiveSource`: an archive with or without STAC in it. Nothing of it is unpacked but what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ....core import urls
from ....core.errors import CatalogError, TransferError
from ....core.model import Asset, Document, Flaw, ListingRemarks
from ....core.options import Selection
from ....core.ports import Emit, Source
from ...items.streams import RawReader
from ..source import FilesSource
from .addresses import base_of, is_zip
from .catalogue import read_root
from .member_listing import MemberListing
from .opening import OpenedArchive, open_tar, open_zip
from .workspace import Workspace

OpenStatic = Callable[[Document], Source]
"""Gives the source that reads a catalogue from its root document on."""


class ArchiveSource:
    """The archive at `url`. Its catalogue is read by what `open_static` gives."""

    def __init__(
        self,
        reader: RawReader,
        url: str,
        selection: Selection,
        open_static: OpenStatic,
        workspace: Workspace,
    ) -> None:
        self.name = urls.redacted(url)
        self._reader = reader
        self._url = url
        self._selection = selection
        self._open_static = open_static
        self._workspace = workspace
        self._inner: Source | None = None
        self._broken: CatalogError | None = None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """What is whole of an archive that is not is listed before that is raised."""
        if self._inner is None:
            opened = await self._open()
            if opened.flaws:
                await emit([self._flaw(name, what) for name, what in opened.flaws])
            if opened.remark:
                await emit([ListingRemarks(lines=(opened.remark,))])
            self._broken = opened.broken
            self._inner = await self._source_of(opened)
        await self._inner.list(emit, only)
        if self._broken is not None:
            raise self._broken

    async def refresh(self, asset: Asset) -> Asset | None:
        return None if self._inner is None else await self._inner.refresh(asset)

    async def _open(self) -> OpenedArchive:
        if is_zip(self._url):
            return await open_zip(self._reader, self._url, self._workspace)
        return await open_tar(self._reader, self._url, self._workspace)

    async def _source_of(self, opened: OpenedArchive) -> Source:
        try:
            root = await read_root(self._reader, opened.names(), base_of(self._url))
        except TransferError as error:
            raise CatalogError(f"the catalogue in {self.name} cannot be read: {error.message}") from error
        if root is not None:
            return self._open_static(root)
        if opened.broken is not None and any(name.endswith(".json") for name in opened.names()):
            raise opened.broken  # the missing bytes may have its catalogue
        return FilesSource(MemberListing(self._url, opened), self._selection)

    def _flaw(self, name: str, what: str) -> Flaw:
        where = f"{self.name}: {urls.term_safe(name)}"
        return Flaw(where, TransferError(f"{where}: {what}", kind="refused-member"))
