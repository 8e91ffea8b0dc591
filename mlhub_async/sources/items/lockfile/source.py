"""A lockfile as a source: its items, with the digest and the path that each file must have."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from ....core import urls
from ....core.errors import CatalogError, SourceError, TransferError, UsageError
from ....core.formats.archives.names import containing_archive
from ....core.formats.directories import kind_of_directory, member_media_type
from ....core.model import (
    NO_DIRECTORIES,
    Asset,
    Checksum,
    Collection,
    Concern,
    Directory,
    Entry,
    Flaw,
    Item,
    JsonObject,
    ListingRemarks,
    Member,
    Page,
    Request,
)
from ....core.options import Selection
from ...access import unreadable
from ..streams import RawReader
from .format import Header, LockedFile
from .reading import LockedItem, checked_items, locked_items, read_header

if TYPE_CHECKING:
    from ....core.ports import Emit
    from .elsewhere import Elsewhere

BATCH = 100
"""Items at a time."""
NO_ADDRESS = "the lockfile has no address of it; --from SOURCE names another place"
Owner = tuple[str, str]


async def grouped_as_locked(reader: RawReader, url: str, selection: Selection) -> Selection:
    """The selection by which files without STAC are the items of the lockfile at a URL again: as they were
    grouped, and with their archives opened. Raises `SourceError` for what is no lockfile."""
    source = LockfileSource(reader, url, Selection())
    with closing(await source.opened()) as file:
        made = read_header(file, source.name).about.get("selection")
    made = made if isinstance(made, dict) else {}
    grouped = made.get("group_by")
    return replace(
        selection,
        open_archives=made.get("open_archives") is True,
        group_by=grouped if grouped in ("folder", "stem", "none") else selection.group_by,
    )


class LockfileSource:
    """The items of a lockfile at a URL, all of which is checked before the first of them is emitted.

    With `elsewhere` the files are looked for there first. Raises `UsageError` for a selection: the bytes of a
    lockfile are all of them, or other ones.
    """

    def __init__(
        self, reader: RawReader, url: str, selection: Selection, elsewhere: Elsewhere | None = None
    ) -> None:
        if asked := selection.asked():
            raise UsageError(f"a lockfile is taken whole: leave out {', '.join(sorted(asked))}")
        self.name = urls.redacted(url)
        self._reader = reader
        self._url = url
        self._elsewhere = elsewhere
        self._header: Header | None = None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """Raises `SourceError` for what is no lockfile, or one that was cut or changed."""
        with closing(await self.opened()) as file:
            header, places = await asyncio.to_thread(self._check, file)
            self._header = header
            await emit([_remarks(header)])
            if self._elsewhere is not None:
                await self._list_from(self._elsewhere, file, header, places, emit)
                return
            items = map(self._entry, locked_items(file, self.name))
            while batch := [*islice(items, BATCH)]:
                await emit(_page(batch))

    async def refresh(self, asset: Asset) -> Asset | None:
        return None if self._elsewhere is None else await self._elsewhere.refresh(asset)

    async def opened(self) -> BinaryIO:
        """The lockfile, to be closed. Raises `SourceError` where it cannot be read."""
        try:
            if self._url.startswith("file:"):
                return urls.to_path(self._url).open("rb")
            return io.BytesIO((await self._reader.read_bytes(Request(self._url)))[0])
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read: {error.strerror}") from None
        except TransferError as error:
            raise unreadable(error, self._url) from error

    def _check(self, file: BinaryIO) -> tuple[Header, dict[Owner, int]]:
        """The header, behind which the file stands then, and where each item begins, if that is needed."""
        places: dict[Owner, int] = {}
        for one in checked_items(file, self.name):
            if self._elsewhere is not None:
                places[one.collection, one.item] = one.offset
        file.seek(0)
        return read_header(file, self.name), places

    async def _list_from(
        self, elsewhere: Elsewhere, file: BinaryIO, header: Header, places: dict[Owner, int], emit: Emit
    ) -> None:
        """Emit each item when the other source has listed it: archives have its files only then."""
        matches = _Matches(places)
        has_assets = False

        def entry(offset: int) -> Item | Collection:
            file.seek(offset)
            return self._entry(next(locked_items(file, self.name)))

        async def pass_on(entries: Sequence[Entry]) -> None:
            nonlocal has_assets
            owners = [one for one in entries if isinstance(one, Item | Collection)]
            has_assets = has_assets or any(one.body.get("assets") for one in owners)
            elsewhere.note(owners)
            offsets = [offset for one in owners if (offset := matches.take(one)) is not None]
            await emit(_page([entry(offset) for offset in offsets]))

        try:
            await elsewhere.source.list(pass_on)
        except CatalogError as error:
            await emit([Flaw(elsewhere.source.name, error, benign=True, concern=Concern.ANSWER)])
        else:
            if not has_assets:
                await emit([_remarks(header, f"--from {elsewhere.source.name}: there are no assets in it")])
        for offset in matches.left():
            await emit(_page([entry(offset)]))

    def _entry(self, locked: LockedItem) -> Item | Collection:
        body = {**locked.document, "assets": self._assets(locked)}
        paths = {one.directory or one.key: _place(one) for one in locked.files}
        within = self._directories(locked)
        located = {one.key: self._location(one) for one in locked.files if not one.directory}
        if not locked.item:
            named = {"type": "Collection", **body, "id": locked.collection}
            return Collection(
                locked.collection,
                named,
                _origin(locked.document),
                directories=within,
                paths=paths,
                locations=located,
            )
        least = {"type": "Feature", "geometry": None, "properties": {"datetime": None}}
        named = {**least, **body, "id": locked.item, "collection": locked.collection}
        where = _origin(locked.document)
        return Item(
            locked.item, locked.collection, named, where, directories=within, paths=paths, locations=located
        )

    def _assets(self, locked: LockedItem) -> JsonObject:
        known = locked.document.get("assets")
        described = known if isinstance(known, dict) else {}
        assets: JsonObject = {}
        for one in locked.files:
            if not one.directory:
                assets[one.key] = self._asset(described.get(one.key), one)
            elif one.directory not in assets:
                assets[one.directory] = _directory_asset(described.get(one.directory), one)
        return assets

    def _directories(self, locked: LockedItem) -> Mapping[str, Directory]:
        """The assets that are directories, each with the files that it had."""
        members: dict[str, list[LockedFile]] = {}
        for one in locked.files:
            if one.directory:
                members.setdefault(one.directory, []).append(one)
        return {key: self._directory(rows) for key, rows in members.items()} or NO_DIRECTORIES

    def _directory(self, rows: Sequence[LockedFile]) -> Directory:
        digest = blake2b(digest_size=16)
        members: list[Member] = []
        for row in rows:
            digest.update(f"{row.member}\0{row.size}\0{row.sha256}\n".encode())
            hrefs = tuple([(href, "" if by == "lockfile" else by) for by, href in self._addresses(row)])
            checksum = Checksum("sha256", bytes.fromhex(row.sha256))
            about = Member(row.member, member_media_type(row.member), row.size)
            if not hrefs:
                return Directory(error=TransferError(f"{row.path}: {NO_ADDRESS}", kind="unavailable"))
            members.append(about._replace(checksum=checksum, hrefs=hrefs))
        return Directory(tuple(members), digest.hexdigest())

    def _asset(self, described: Any, row: LockedFile) -> JsonObject:
        asset = {**described} if isinstance(described, dict) else {}
        return {**asset, "href": row.href, "file:size": row.size, "file:checksum": f"1220{row.sha256}"}

    def _location(self, row: LockedFile) -> JsonObject:
        """Where an asset is fetched from. It is no part of its document, which is the same wherever its
        bytes come from."""
        addresses = [*self._addresses(row)]
        if not addresses:
            return {"href": row.path, "unavailable": NO_ADDRESS}
        (_, href), *others = addresses
        location: JsonObject = {"href": href}
        if why := self._in_archive(row):
            location["unavailable"] = why
        if others:
            named = enumerate(others, 1)
            location["alternate"] = {f"{name}-{number}": {"href": one} for number, (name, one) in named}
        return location

    def _in_archive(self, row: LockedFile) -> str:
        """Why a file cannot be fetched that was a member of an archive, where no other place is named."""
        header = self._header
        if self._elsewhere is not None or row.alternates or header is None:
            return ""
        selection = header.about.get("selection")
        opened = isinstance(selection, dict) and bool(selection.get("open_archives"))
        archive = containing_archive(row.href)
        if not archive or not (opened or urls.redacted(archive) == header.source):
            return ""
        where = urls.redacted(archive)
        return f"it is a member of the archive {where}: --from SOURCE names that, or where it is by now"

    def _addresses(self, row: LockedFile) -> Iterator[tuple[str, str]]:
        """The addresses of a file, the best first, each with who knows it."""
        if self._elsewhere is not None:
            yield from [("from", one) for one in self._elsewhere.addresses(row)]
        own = [row.href] if row.href else []
        yield from [("lockfile", one) for one in dict.fromkeys([*own, *row.alternates])]


class _Matches:
    """Finds the locked item that an item of another source is, each once."""

    def __init__(self, places: dict[Owner, int]) -> None:
        self._places = places
        self._by_id: dict[str, Owner | None] = {}
        for owner in places:
            self._by_id[owner[1]] = None if owner[1] in self._by_id else owner

    def take(self, one: Item | Collection) -> int | None:
        """Where it begins in the lockfile. By its id alone, where no other item has that."""
        owner = (one.collection, one.id) if isinstance(one, Item) else (one.id, "")
        if owner not in self._places and isinstance(one, Item):
            owner = self._by_id.get(one.id) or owner
        return self._places.pop(owner, None)

    def left(self) -> Iterable[int]:
        """Where the others begin."""
        return self._places.values()


def _place(row: LockedFile) -> str:
    """The path in DEST of the asset that a file is, or is a file of."""
    return row.path[: -len(row.member) - 1] if row.directory else row.path


def _directory_asset(described: Any, row: LockedFile) -> JsonObject:
    """The asset of a directory, by one of its files: its address is what comes before the member's path."""
    asset = {**described} if isinstance(described, dict) else {}
    path, mark, query = row.href.partition("?")
    end = "/" + quote(row.member)
    href = path.removesuffix(end) + mark + query if path.endswith(end) else _place(row)
    media_type = asset.get("type")
    if not kind_of_directory(href, media_type if isinstance(media_type, str) else None):
        href += "/"
    return {**asset, "href": href}


def _page(found: Sequence[Item | Collection]) -> Sequence[Entry]:
    return [Page(returned=sum(isinstance(one, Item) for one in found)), *found]


def _remarks(header: Header, *lines: str) -> ListingRemarks:
    about = {"manifest_sha256": header.manifest_sha256, "source": header.source}
    return ListingRemarks({"lockfile": about}, lines)


def _origin(document: JsonObject) -> str:
    """The URL that a document was read from, as its copy in the mirror says."""
    links = document.get("links")
    named = {str(one.get("rel")): str(one.get("href")) for one in links} if isinstance(links, list) else {}
    return named.get("canonical") or named.get("via") or ""
