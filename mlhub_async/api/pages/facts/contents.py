"""What a mirror holds: counts and bytes of its assets by collection, time and label class; footprints."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from ....core.json_text import parse_json
from ....core.model import JsonObject
from ....stac.conditions.classes import classes_of, counts_of
from ....stac.datetimes import item_span
from ....storage.integrity import open_unfollowed
from ....storage.ledger.database import Statements
from ....storage.ledger.lookups.overview import ItemTotals, item_totals
from .footprints import Footprints

MAX_DOCUMENT_BYTES = 16 << 20
"""A larger document of an item is counted as unreadable."""
MAX_CLASSES = 10_000
"""Names of classes that are kept in memory; those of further names are counted together."""

Month = tuple[int, int]
"""Year and month."""


@dataclass(slots=True)
class Totals:
    """Items, and their assets on disk."""

    items: int = 0
    assets: int = 0
    bytes: int = 0

    def add(self, item: ItemTotals) -> None:
        self.items += bool(item.item)
        self.assets += item.done
        self.bytes += item.bytes

    def join(self, other: Totals) -> None:
        self.items += other.items
        self.assets += other.assets
        self.bytes += other.bytes


@dataclass(slots=True)
class CollectionFacts(Totals):
    """One collection. `failed` and `planned` are assets that are not there."""

    id: str = ""
    title: str = ""
    licence: str = ""
    by_checksum: int = 0
    by_size: int = 0
    failed: int = 0
    planned: int = 0

    def count(self, item: ItemTotals) -> None:
        """Add an item, or the collection's own assets."""
        self.add(item)
        self.by_checksum += item.by_checksum
        self.by_size += item.by_size
        self.failed += item.failed
        self.planned += item.planned

    @property
    def unverifiable(self) -> int:
        return self.assets - self.by_checksum - self.by_size


@dataclass(slots=True)
class ClassFacts:
    """One label class: the items that show it, and what their overviews count, such as pixels."""

    items: int = 0
    counted: float = 0


@dataclass(slots=True)
class Contents:
    """Everything in a mirror, whichever run brought it."""

    collections: dict[str, CollectionFacts] = field(default_factory=dict)
    total: Totals = field(default_factory=Totals)
    months: dict[Month, Totals] = field(default_factory=dict)
    undated: int = 0
    classes: dict[str, ClassFacts] = field(default_factory=dict)
    footprints: Footprints = field(default_factory=Footprints)
    unwritten: int = 0
    """items without a document: not one of their assets has come yet"""
    unreadable: int = 0
    """items whose document is damaged, or gone"""


def read_contents(dest: Path, book: Statements) -> Contents:
    """Read the ledger once, and the document of every item once."""
    found = Contents()
    for id, body, *_ in book.collections():
        found.collections[id] = _described(id, body)
    for item in item_totals(book.database):
        one = found.collections.setdefault(item.collection, CollectionFacts(id=item.collection))
        one.count(item)
        found.total.add(item)
        if item.item:
            _add_item(found, item, dest)
    return found


def _described(id: str, body: bytes | None) -> CollectionFacts:
    found = _object(body) if body else {}
    title, licence = found.get("title"), found.get("license")
    return CollectionFacts(
        id=id,
        title=title if isinstance(title, str) else "",
        licence=licence if isinstance(licence, str) else "",
    )


def _object(text: bytes) -> JsonObject:
    try:
        found = parse_json(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _add_item(found: Contents, item: ItemTotals, dest: Path) -> None:
    if item.document is None:
        found.unwritten += 1
        return
    body = _document(f"{dest}/{item.document}")
    if not body:
        found.unreadable += 1
        return
    found.footprints.add(item.collection, item.item, body)
    properties = body.get("properties")
    _add_time(found, item, properties if isinstance(properties, dict) else {})
    counts = counts_of(body)
    for name in classes_of(body):
        one = _class(found.classes, name)
        one.items += 1
        one.counted += counts.get(name, 0)


def _document(path: str) -> JsonObject:
    """A document of the mirror; {} for one that cannot be read."""
    try:
        with open_unfollowed(path) as file:
            return _object(file.read()) if os.fstat(file.fileno()).st_size <= MAX_DOCUMENT_BYTES else {}
    except OSError:
        return {}


def _add_time(found: Contents, item: ItemTotals, properties: JsonObject) -> None:
    first, last = item_span(properties)
    moment = first or last
    if moment is None:
        found.undated += 1
    else:
        found.months.setdefault((moment.year, moment.month), Totals()).add(item)


def _class(classes: dict[str, ClassFacts], name: str) -> ClassFacts:
    known = name if name in classes or len(classes) < MAX_CLASSES else ""
    return classes.setdefault(known, ClassFacts())
