"""Hides what an item's document is made of: the same seal means the same document with the same assets."""

from __future__ import annotations

from hashlib import blake2b

import orjson

from ... import __version__
from ...core.model import Item


class Sealer:
    """Gives the seals of one run. `context`: what beside the item decides on documents, assets and places."""

    def __init__(self, *context: object) -> None:
        self._begun = blake2b(repr((__version__, *context)).encode("utf-8", "surrogatepass"), digest_size=16)

    def seal(self, item: Item, collection: str | None) -> str:
        """`collection` is the path of its collection's document. "" for an item whose JSON is too odd."""
        try:
            said = orjson.dumps((item.id, item.collection, item.href, collection, item.body))
        except TypeError:
            return ""
        digest = self._begun.copy()
        digest.update(said)
        return digest.hexdigest()
