"""Any source, with the files of those selected assets that are directories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import stac
from ...core import urls
from ...core.concurrency import map_in_order
from ...core.errors import TransferError
from ...core.formats.directories import kind_of_directory, may_be_directories, unlisted_error
from ...core.model import Asset, Collection, Directory, Entry, Item, Member
from ...core.options import Selection

if TYPE_CHECKING:
    from ...core.ports import Emit, Source
    from ..items.streams import RawReader

CONCURRENT_READS = 16
Owner = Item | Collection
Assets = list[Asset]
Members = list[Member]


class DirectorySource:
    """The entries of `inner`; items and collections with assets that are directories know their files.

    A directory is listed on this machine, and a Zarr store on a server by its metadata. Another one is
    emitted without files: it is fetched as a file, in case the server packs it. One that cannot be
    copied has an error. `admits`: see `FileTransport`.
    """

    def __init__(
        self,
        inner: Source,
        reader: RawReader,
        selection: Selection,
        admits: Callable[[Path], bool] | None,
    ) -> None:
        self.name = inner.name
        self._inner = inner
        self._reader = reader
        self._wants_of = stac.asset_filters(selection)
        self._admits = admits

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        async def emit_with_files(entries: Sequence[Entry]) -> None:
            await emit(await self._with_files(entries))

        await self._inner.list(emit_with_files, only)

    async def refresh(self, asset: Asset) -> Asset | None:
        """A file of a directory is where the directory is."""
        if not asset.directory:
            return await self._inner.refresh(asset)
        found = await self._inner.refresh(asset._replace(href="", key=asset.directory))
        if found is None:
            return None
        from ...stac.listing.directories import member_url

        return asset._replace(href=member_url(found.href, asset.member))

    async def _with_files(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        wanted = [
            (number, asset)
            for number, owner in enumerate(entries)
            if isinstance(owner, Item | Collection)
            for asset in self._directories_of(owner)
        ]
        if not wanted:
            return entries
        found = await map_in_order(self._listed, [asset for _, asset in wanted], CONCURRENT_READS)
        of_owner: dict[int, dict[str, Directory]] = {}
        for (number, asset), directory in zip(wanted, found, strict=True):
            of_owner.setdefault(number, {})[asset.key] = directory
        return [_joined(one, of_owner.get(number)) for number, one in enumerate(entries)]

    def _directories_of(self, owner: Owner) -> Assets:
        if not _may_have_directories(owner.body.get("assets")):
            return []
        wants = self._wants_of(owner)
        assets = stac.assets_of(owner) if isinstance(owner, Item) else stac.collection_assets(owner)
        return [
            one
            for one in assets
            if one.key not in owner.directories
            and not one.unavailable
            and kind_of_directory(one.href, one.media_type)
            and wants(one, owner.body)
        ]

    async def _listed(self, asset: Asset) -> Directory:
        from .directories.members import directory_of

        try:
            members = await self._members(asset)
            return Directory() if members is None else directory_of(members)
        except TransferError as error:
            return Directory(error=unlisted_error(asset.href, asset.key, asset.media_type, error))

    async def _members(self, asset: Asset) -> Members | None:
        from .directories.local import members_at
        from .directories.zarr import read_store

        url = urls.parse(asset.href)
        if url.startswith("file:"):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, partial(members_at, url, self._admits))
        return await read_store(self._reader, url)


def _may_have_directories(assets: Any) -> bool:
    """Whether an asset may be a directory: cheaper than to make the assets, of which nearly none is one."""
    raw = assets.values() if isinstance(assets, dict) else ()
    try:
        hrefs, kinds = [one["href"] for one in raw], {one.get("type") for one in raw}
        if not may_be_directories(hrefs, kinds):
            return False
        return any([kind_of_directory(one["href"], one.get("type")) for one in raw])
    except (AttributeError, KeyError, TypeError):  # one has no such href or type: they are made
        return True


def _joined(entry: Entry, directories: dict[str, Directory] | None) -> Entry:
    if directories is None or not isinstance(entry, Item | Collection):
        return entry
    return entry._replace(directories={**entry.directories, **directories})
