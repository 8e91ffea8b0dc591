"""Hides how the ledger tells that the catalogue has changed its word about an item in the middle of a run."""

from __future__ import annotations

from collections.abc import Sequence

from .book import Book
from .claims import Wanted
from .schema import ASSET, DONE

DIFFERS = "SELECT 1 FROM file WHERE collection=? AND item=? AND role=? AND key=? AND state=? AND stamp<>?"


def changed(book: Book, wanted: Sequence[Wanted]) -> int:
    """How many of these items have an asset on disk that is described otherwise now."""
    return sum(_differs(book, one) for one in wanted)


def _differs(book: Book, wanted: Wanted) -> bool:
    identities = (
        (wanted.collection, wanted.item, ASSET, wish.asset.key, DONE, wish.asset.stamp)
        for wish in wanted.assets
    )
    return any(book.database.execute(DIFFERS, row).fetchone() for row in identities)
