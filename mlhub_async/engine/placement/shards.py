"""One shard of a mirror: which items are its own, and what it says of the whole listing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from ...core.errors import UsageError
from ...core.model import Collection, Entry, Item
from ...core.options import Options, shard_of
from ...storage.ledger.ledger import Ledger

DIGEST_BYTES = 16
_WORDS = {"prune": "--prune", "index": "--index", "croissant": "--croissant", "ro_crate": "--ro-crate"}


class Shard(NamedTuple):
    """Number `number`, from 1 on, of `of_all` shards."""

    number: int
    of_all: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Of a text that was checked."""
        numbers = shard_of(text)
        assert numbers is not None
        return cls(*numbers)

    def has(self, collection: str, item: str) -> bool:
        """Whether an item, or the files of a collection itself (`item` ""), are of this shard."""
        return int.from_bytes(digest_of(collection, item), "big") % self.of_all == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of_all}"


def digest_of(collection: str, item: str) -> bytes:
    """The same in every run and for every version of this program: shards of one mirror depend on it."""
    text = f"{collection}\0{item}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()


def refuse_unusable(options: Options) -> None:
    """Raise `UsageError` for options that need all items, or the same paths for items of several shards."""
    if options.selection.max_items is not None:
        raise UsageError(
            "--shard lists all items, and --max-items would be other ones in each shard: save them by "
            "'mlhub-async plan SOURCE --max-items N --save plan.ndjson', and give that file to all shards"
        )
    for name, word in _WORDS.items():
        if getattr(options, name):
            raise UsageError(f"{word} needs the whole mirror: give it to a run after `mlhub-async merge`")
    if options.layout is not None or not {"collection", "id"} <= set(_names_in(options.template)):
        raise UsageError("--shard needs paths with ${collection} and ${id}: no two shards may have one path")


def _names_in(template: str) -> list[str]:
    import string

    return string.Template(template).get_identifiers()


class Share:
    """The items of a listing that are of one shard, and the count and digest of all items of the listing."""

    def __init__(self, shard: Shard, ledger: Ledger, base: str, source_root: str) -> None:
        self._shard = shard
        self._ledger = ledger
        self._places = {"base": base, "source_root": source_root}
        self._items = self._listed = self._sum = 0

    def own(self, owners: Sequence[Item | Collection]) -> list[Item | Collection]:
        """Those of this shard."""
        return [owner for owner in owners if self._shard.has(*_identity(owner))]

    async def repeated(self, entries: Sequence[Entry], pass_name: str | None) -> tuple[int, int]:
        """How many items of other shards were listed before in this run, and how many in this pass over
        their listing. Counts all items."""
        items = [_identity(entry) for entry in entries if isinstance(entry, Item)]
        others = [one for one in items if not self._shard.has(*one)]
        first = set(await self._ledger.first_time([_key("", one) for one in items]))
        new = [one for one in dict.fromkeys(items) if _key("", one) in first]
        self._listed += len(new)
        self._sum += sum(int.from_bytes(digest_of(*one), "big") for one in new)
        self._items += sum(self._shard.has(*one) for one in new)
        repeated = len(others) - sum(not self._shard.has(*one) for one in new)
        if pass_name is None:
            return repeated, 0
        return repeated, len(others) - len(
            await self._ledger.first_time([_key(pass_name, one) for one in others])
        )

    def receipt(self) -> dict[str, Any]:
        """What the shard says of itself, and of all items that were listed."""
        listing = f"{self._sum % (1 << 8 * DIGEST_BYTES):032x}"
        return {
            "number": self._shard.number,
            "of": self._shard.of_all,
            "items": self._items,
            "listed": self._listed,
            "listing": listing,
            **self._places,
        }


def _identity(owner: Item | Collection) -> tuple[str, str]:
    return (owner.collection, owner.id) if isinstance(owner, Item) else (owner.id, "")


def _key(pass_name: str, identity: tuple[str, str]) -> str:
    return "\0".join(("shard", pass_name, *identity))
