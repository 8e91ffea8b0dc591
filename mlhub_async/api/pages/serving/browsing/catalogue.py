"""Items and collections of the mirror as the pages need them: rows of the ledger, documents on disk."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from .....core.json_text import parse_json
from .....core.model import JsonObject
from .....engine.verify.following import FollowedLedger
from .....storage.ledger.lookups import browsing
from .....storage.ledger.lookups.browsing import CollectionRow, FileRow, ItemRow
from .....storage.ledger.schema import ASSET, ITEM
from ..files.opened import open_file

MAX_DOCUMENT_BYTES = 8 << 20
MAX_LINKED = 24
KEPT_COLLECTIONS = 64
KEPT_FIELDS = ("title", "description", "license", "item_assets", "summaries")
"""Of a collection's document, which may also link to each of its items."""


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """One item. `document` is None where it has none yet; `body` is {} if it cannot be read.

    `linked`: documents of the items in the mirror that it links to, of a label its source imagery;
    `linking`: collections and ids of the items that link to it.
    """

    collection: str
    id: str
    document: FileRow | None
    assets: list[FileRow]
    body: JsonObject
    about: JsonObject
    linked: list[FileRow]
    linking: list[tuple[str, str]]

    @property
    def properties(self) -> JsonObject:
        found = self.body.get("properties")
        return found if isinstance(found, dict) else {}

    def asset(self, key: str) -> FileRow | None:
        return next((row for row in self.assets if row.key == key), None)

    def described(self, key: str) -> JsonObject:
        """What the item says of an asset."""
        assets = self.body.get("assets")
        found = assets.get(key) if isinstance(assets, dict) else None
        return found if isinstance(found, dict) else {}


@dataclass(slots=True)
class Catalogue:
    """Blocks: its methods are for threads."""

    dest: Path
    ledger: FollowedLedger
    _about: OrderedDict[tuple[int, str], JsonObject] = field(default_factory=OrderedDict)

    def collections(self) -> list[CollectionRow]:
        """All of them, with counts; reads every row of the ledger."""
        return self.ledger.ask(lambda snapshot: browsing.collection_rows(snapshot.statements.database))

    def item(self, collection: str, item: str, *, with_linking: bool = False) -> ItemFacts | None:
        """None if the mirror has no such item. `with_linking`: reads all links."""

        def look(database: browsing.Database) -> tuple[list[FileRow], list[FileRow], list[tuple[str, str]]]:
            rows = browsing.files_of(database, collection, item)
            linked = browsing.linked_items(database, collection, item, MAX_LINKED)
            document = next((row for row in rows if row.role == ITEM), None)
            wanted = document is not None and with_linking
            linking = (
                browsing.linking_items(database, document.path, MAX_LINKED) if wanted and document else []
            )
            return rows, linked, linking

        rows, linked, linking = self.ledger.ask(lambda snapshot: look(snapshot.statements.database))
        document = next((row for row in rows if row.role == ITEM), None)
        if not rows or (not item and document is None):
            return None
        assets = [row for row in rows if row.role == ASSET]
        body = self.document(document) if document is not None else {}
        return ItemFacts(collection, item, document, assets, body, self.about(collection), linked, linking)

    def document(self, row: FileRow) -> JsonObject:
        """A document on disk; {} where it cannot be read."""
        try:
            opened = open_file(self.dest, row.path, known=row.is_there)
            if opened is None:
                return {}
            with opened.file:
                found = parse_json(opened.file.read()) if opened.state.size <= MAX_DOCUMENT_BYTES else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def about(self, collection: str) -> JsonObject:
        """What the catalogue says of a collection, without its links."""
        key = (self.ledger.generation, collection)
        if (known := self._about.get(key)) is not None:
            return known
        body = self.ledger.ask(
            lambda snapshot: browsing.collection_body(snapshot.statements.database, collection)
        )
        try:
            found = parse_json(body) if body else {}
        except ValueError:
            found = {}
        parsed = found if isinstance(found, dict) else {}
        about = {name: parsed[name] for name in KEPT_FIELDS if name in parsed}
        self._about[key] = about
        while len(self._about) > KEPT_COLLECTIONS:
            with contextlib.suppress(KeyError):  # another thread was faster
                self._about.popitem(last=False)
        return about

    def items(self, collection: str, place: str, item: str, limit: int) -> list[ItemRow]:
        """`place`: "after", "before" or "from" the item with this id, which need not exist."""
        look = {"after": browsing.items_after, "before": browsing.items_before, "from": browsing.items_from}[
            place
        ]
        return self.ledger.ask(lambda snapshot: look(snapshot.statements.database, collection, item, limit))
