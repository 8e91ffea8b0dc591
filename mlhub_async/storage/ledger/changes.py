"""Hides how the ledger tells that the catalogue has changed its word about an item in the middle of a run."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.model import Asset
from .claims import Wanted
from .database import Book
from .schema import ASSET

STAMP = "SELECT stamp FROM file WHERE collection=? AND item=? AND role=? AND key=?"


def changed(book: Book, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those items that have an asset now which they had not, or one that is described otherwise."""
    return [one for one in wanted if any(_differs(book, wish.asset) for wish in one.assets)]


def _differs(book: Book, asset: Asset) -> bool:
    identity = (asset.collection, asset.item, ASSET, asset.key)
    found = book.database.execute(STAMP, identity).fetchone()
    return found is None or found[0] != asset.stamp
