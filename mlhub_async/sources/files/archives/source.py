"""`ArchiveSource`: an archive with or without STAC in it. Nothing of it is unpacked but what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ....core import urls
from ....core.errors import CatalogDefect, CatalogError, SourceError, TransferError
from ....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from ....core.formats.archives.names import is_junk
from ....core.model import Asset, Document, Flaw
from ....core.options import Selection
from ....core.ports import Emit, Source
from ...access import unreadable
from ...items.streams import RawReader
from .addresses import base_of
from .catalogue import read_root
from .ranges import ArchiveBytes
from .zip_members import ZipMembers, read_directory

OpenStatic = Callable[[Document], Source]
"""Gives the source that reads a catalogue from its root document on."""


class ArchiveSource:
    """The archive at `url`. Its catalogue is read by what `open_static` gives."""

    def __init__(self, reader: RawReader, url: str, selection: Selection, open_static: OpenStatic) -> None:
        self.name = urls.redacted(url)
        self._reader = reader
        self._url = url
        self._selection = selection
        self._open_static = open_static
        self._inner: Source | None = None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        if self._inner is None:
            members = await self._open_zip()
            if flaws := [*self._flaws(members.directory.flaws)]:
                await emit(flaws)
            self._inner = await self._source_of(members)
        await self._inner.list(emit, only)

    async def refresh(self, asset: Asset) -> Asset | None:
        return None if self._inner is None else await self._inner.refresh(asset)

    async def _open_zip(self) -> ZipMembers:
        """Raises `CatalogError` for what is no whole ZIP, `SourceError` for what cannot be read at all."""
        archive, base = ArchiveBytes(self._url), base_of(self._url)
        try:
            directory = await read_directory(archive, self._reader)
        except ArchiveCut as error:
            raise CatalogError(f"{self.name} {error}", kind="truncated") from None
        except ArchiveDefect as error:
            raise CatalogDefect(f"{self.name} {error}", kind="damaged-archive") from None
        except TransferError as error:
            raise unreadable(error, self._url) from error
        members = ZipMembers(archive, directory, base)
        self._reader.mount(base, members)
        return members

    async def _source_of(self, members: ZipMembers) -> Source:
        names = [name for name in members.directory.names() if not is_junk(name)]
        try:
            root = await read_root(self._reader, names, base_of(self._url))
        except TransferError as error:
            raise CatalogError(f"the catalogue in {self.name} cannot be read: {error.message}") from error
        if root is not None:
            return self._open_static(root)
        raise SourceError(f"{self.name} has no catalogue in it", kind="not-stac")

    def _flaws(self, found: Iterable[tuple[str, str]]) -> Iterable[Flaw]:
        for name, what in found:
            if not is_junk(name):
                where = f"{self.name}: {urls.term_safe(name)}"
                yield Flaw(where, TransferError(f"{where}: {what}", kind="refused-member"))
