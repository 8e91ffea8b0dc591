"""Where the files of a lockfile are in another catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .... import stac
from ....core.model import Asset, Collection, Item

if TYPE_CHECKING:
    from ....core.ports import Source
    from .format import LockedFile

Identity = tuple[str, str, str]


class Elsewhere:
    """The assets that a source lists, by digest and by identity: that of the same digest is the first choice.

    An asset of the same item and key in a collection of another name is a choice where there is only one; so
    is one of the same key in the item that bears the name of the collection, as that of an archive's files
    does. The bytes decide: a file with another digest is not taken. Memory grows with what the source lists.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._by_digest: dict[bytes, Asset] = {}
        self._by_identity: dict[Identity, Asset] = {}
        self._by_key: dict[tuple[str | None, str], Asset | None] = {}

    def note(self, owners: Iterable[Item | Collection]) -> None:
        """Remember the assets of what the source has listed."""
        for owner in owners:
            found = stac.assets_of(owner) if isinstance(owner, Item) else stac.collection_assets(owner)
            for asset in found:
                self._add(asset)

    def _add(self, asset: Asset) -> None:
        self._by_identity[asset.identity] = asset
        for short in _short(*asset.identity):
            self._by_key[short] = asset if self._by_key.get(short, asset) is asset else None
        if asset.checksum is not None and asset.checksum.algorithm == "sha256":
            self._by_digest.setdefault(asset.checksum.digest, asset)

    def best(self, row: LockedFile) -> Asset | None:
        """The asset there whose description says most of a file: that of its digest, else of its identity.

        None for a file of a directory, which is described as a whole.
        """
        if row.directory:
            return None
        return self._by_digest.get(bytes.fromhex(row.sha256)) or self._same(row, row.key)

    def addresses(self, row: LockedFile) -> list[str]:
        """Addresses of a file there, the best first; none where the source has nothing like it."""
        key = row.directory or row.key
        digest = bytes.fromhex(row.sha256)
        same = self._same(row, key)
        if row.directory:
            from ....stac.listing.directories import member_url

            return [member_url(href, row.member) for href in _hrefs(same)]
        return list(dict.fromkeys([*_hrefs(self._by_digest.get(digest)), *_hrefs(same)]))

    def _same(self, row: LockedFile, key: str) -> Asset | None:
        identity = row.collection, row.item, key
        known = (self._by_key.get(short) for short in _short(*identity))
        return self._by_identity.get(identity) or next(filter(None, known), None)

    async def refresh(self, asset: Asset) -> Asset | None:
        """The present href of an asset that the source has by the same identity."""
        known = self._by_identity.get(asset.identity)
        fresh = None if known is None else await self.source.refresh(known)
        return None if fresh is None else asset._replace(href=fresh.href)


def _short(collection: str, item: str, key: str) -> list[tuple[str | None, str]]:
    """What remains of an identity where a collection has another name, and an item with its name."""
    return [(item, key), (None, key)] if item == collection else [(item, key)]


def _hrefs(asset: Asset | None) -> list[str]:
    return [] if asset is None else [asset.href, *[href for href, _ in asset.others]]
