"""`--open-archives`: a listing of files whose archives are opened, each as if it were SOURCE."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace

from ... import stac
from ...core.errors import CatalogError, SourceError, UsageError
from ...core.model import Asset, Collection, Entry, Flaw, Item, JsonObject, ListingRemarks
from ...core.options import Selection
from ...core.ports import Emit, Source
from ..access import ENOUGH_IDS, unknown_id
from ..items.item_limit import ItemQuota
from .archives.addresses import ArchiveFile, OpenArchive, base_of, collection_id, is_archive
from .archives.workspace import Workspace
from .listing import FileEntry, FileListing
from .paths import KeyGlob
from .pseudo_items.documents import item_id
from .source import FilesSource, has_place_or_time

MAX_ARCHIVES = 1_000
"""A listing with more archives than this is not opened: their directories are held in memory."""


class OpenedArchives:
    """The files of a listing that are no archives, then the members of one archive after another.

    Each archive has a collection of its own, or those of the STAC in it. Conditions on collections, ids and
    numbers of items hold for all of them together.
    """

    def __init__(
        self,
        listing: FileListing,
        selection: Selection,
        open_archive: OpenArchive,
        workspace: Workspace,
        glob: KeyGlob | None = None,
    ) -> None:
        self.name = listing.where
        self._listing = listing
        self._selection = selection
        self._inner = replace(selection, collections=(), ids=(), max_items=None, split=1)
        self._open = open_archive
        self._workspace = workspace
        self._glob = glob
        self._opened: dict[str, Source] = {}
        """by what the URLs of their members begin with"""

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """There is one listing: to read it again is to read all of it."""
        rest, joined = _Rest(self._listing, self._glob), _Joined(self._selection, emit)
        with suppress(_Enough):
            await self._list_rest(rest, joined)
            archives = self._named(rest)
            self._workspace.keep_parts(_part_of(one) for one in archives)
            if not archives and not rest.count:
                raise SourceError(f"{self.name} holds no files", kind="not-found")
            alone = len(archives) == 1 and not rest.count
            for archive in archives:
                await self._list_archive(archive, joined, alone=alone)
            await emit(joined.missing(self.name))

    async def refresh(self, asset: Asset) -> Asset | None:
        for base, source in self._opened.items():
            if asset.href.startswith(base):
                return await source.refresh(asset)
        return None

    async def _list_rest(self, rest: _Rest, joined: _Joined) -> None:
        if not has_place_or_time(self._inner):
            await FilesSource(rest, self._inner, self._glob, is_rest=True).list(joined.emit)
            return
        async with aclosing(rest.pages()) as pages:
            async for _ in pages:
                pass
        if rest.count:
            told = (
                f"{rest.count} files beside the archives, which say nothing of place and time, are left out"
            )
            await joined.emit([ListingRemarks(lines=(f"{self.name}: {told}",))])

    async def _list_archive(self, archive: ArchiveFile, joined: _Joined, *, alone: bool) -> None:
        source = self._open(archive, self._inner, self._workspace.part(_part_of(archive)))
        self._opened[base_of(archive.url)] = source
        try:
            await source.list(joined.emit)
        except (CatalogError, SourceError) as error:
            if alone:
                raise
            await joined.emit([Flaw(source.name, error, listing="")])

    def _named(self, rest: _Rest) -> Sequence[ArchiveFile]:
        taken = {self._listing.collection} if rest.count else set()
        names = _collection_ids([one.key[len(self._listing.prefix) :] for one in rest.archives], taken)
        return [
            ArchiveFile(one.url, one.key.rpartition("/")[2], name, one.size, one.checksum)
            for one, name in zip(rest.archives, names, strict=True)
        ]


class _Rest:
    """The files of a listing without its archives, which are kept: see `FileListing`."""

    is_whole = True

    def __init__(self, listing: FileListing, glob: KeyGlob | None) -> None:
        self._listing = listing
        self._glob = glob
        self.archives: list[FileEntry] = []
        self.count = 0
        """files that are no archives"""
        self.is_sorted = listing.is_sorted
        self.where = listing.where

    @property
    def collection(self) -> str:
        return self._listing.collection

    @property
    def prefix(self) -> str:
        return self._listing.prefix

    @property
    def about(self) -> JsonObject:
        return self._listing.about

    @property
    def pinned(self) -> JsonObject:
        return self._listing.pinned

    @property
    def version(self) -> str:
        return self._listing.version

    async def begin(self) -> None:
        await self._listing.begin()

    def url_of(self, key: str) -> str:
        return self._listing.url_of(key)

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        self.archives, self.count = [], 0
        async with aclosing(self._listing.pages()) as pages:
            async for page in pages:
                yield list(self._sorted_out(page))

    def _sorted_out(self, page: Iterable[FileEntry]) -> Iterator[FileEntry]:
        for one in page:
            path = one.key[len(self._listing.prefix) :]
            if one.is_folder or (one.key and self._glob is not None and not self._glob.matches(path)):
                continue
            if one.unavailable or not is_archive(path):
                self.count += 1
                yield one
            elif len(self.archives) == MAX_ARCHIVES:
                raise UsageError(
                    f"--open-archives: {self._listing.where} holds more than {MAX_ARCHIVES} archives: "
                    "name a part of them"
                )
            else:
                self.archives.append(one)


class _Enough(Exception):
    """As many items as were asked for have come."""


class _Joined:
    """The entries of several sources as those of one: selected, counted, and with all their remarks."""

    def __init__(self, selection: Selection, emit: Emit) -> None:
        self._selection = selection
        self._emit = emit
        self._choice = stac.CollectionChoice(selection.collections)
        self._quota = ItemQuota(selection)
        self._found: set[str] = set()
        self._remarks = ListingRemarks()

    async def emit(self, entries: Sequence[Entry]) -> None:
        """Raises `_Enough` after the last item that is wanted."""
        await self._emit(self._quota.admit([self._merged(one) for one in entries if self._admits(one)]))
        if self._quota.used_up:
            raise _Enough

    def missing(self, where: str) -> list[Entry]:
        """At the end: what was asked for by name and did not come. Raises `SourceError` if all of it."""
        names = sorted(self._choice.unmatched(self._found))
        what = f"{where} has no items of the collection"
        errors = [unknown_id(what, name, sorted(self._found)) for name in names]
        if errors and len(errors) == len(set(self._selection.collections)):
            raise errors[0]
        return [*(Flaw(where, error) for error in errors), *self._quota.missing(where)]

    def _admits(self, entry: Entry) -> bool:
        if not isinstance(entry, Item | Collection):
            return True
        name = entry.id if isinstance(entry, Collection) else entry.collection
        if len(self._found) < ENOUGH_IDS:
            self._found.add(name)
        if not self._choice.admits(name):
            return False
        return isinstance(entry, Collection) or not self._selection.ids or entry.id in self._selection.ids

    def _merged(self, entry: Entry) -> Entry:
        """Remarks replace earlier ones, so those of all sources are told together."""
        if not isinstance(entry, ListingRemarks):
            return entry
        before = self._remarks
        lines = tuple(dict.fromkeys((*before.lines, *entry.lines)))
        told = {**before.receipt, **entry.receipt}
        self._remarks = ListingRemarks(told, lines, {**before.decided, **entry.decided})
        return self._remarks


def _part_of(archive: ArchiveFile) -> str:
    """The name of the folder for what is unpacked of an archive."""
    return hashlib.sha256(archive.url.partition("?")[0].encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _collection_ids(paths: Sequence[str], taken: set[str]) -> list[str]:
    """An id for the collection of each archive: its name, or its path where several have that name."""
    forms = (
        lambda path: collection_id(path.rpartition("/")[2]),
        lambda path: path.rpartition("/")[2],
        lambda path: item_id(path, ""),
    )
    found = [""] * len(paths)
    for form in forms:
        names = {at: form(paths[at]) for at, name in enumerate(found) if not name}
        often = Counter([*names.values(), *filter(None, found), *taken])
        for at, name in names.items():
            found[at] = name if often[name] == 1 else ""
    return [name or item_id(f"{path}/", "") for name, path in zip(found, paths, strict=True)]
