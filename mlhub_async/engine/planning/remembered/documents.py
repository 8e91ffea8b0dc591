"""The documents of a static catalogue that the last complete listing has read: see `KnownItems`."""

from __future__ import annotations

from collections import Counter

from ....core.ports.known_items import DocumentVersion, KnownItem
from ....storage.ledger.database import Statements, hash64
from ....storage.ledger.lookups.documents import (
    ItemDocument,
    find_document,
    forget_documents,
    note_documents,
)
from ....storage.ledger.lookups.unchanged import ItemFingerprint
from ...pipeline import Run

RELIES_ON = (
    "the server gives a document that changes another ETag or Last-Modified: what it says is the same as "
    "before was not read again"
)


class RememberedDocuments:
    """See `KnownItems`. Before `begin` nothing is known."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._before: int | None = None
        self.not_modified = 0
        """documents that were not sent again"""

    async def begin(self, before: int | None) -> None:
        """Ask on condition where the run `before` is the last one; None: read all, for the next run."""
        self._before = before
        if before is None:
            await self._run.ledger.query(lambda book: forget_documents(book.database))

    async def find(self, url: str) -> KnownItem | None:
        if (before := self._before) is None:
            return None
        found = await self._run.ledger.ask(lambda book: find_document(book.database, hash64(url), before))
        if found is None:
            return None
        (_, collection, item, answered, validator, modified), fingerprint = found
        return KnownItem(collection, item, fingerprint, DocumentVersion(answered, validator, modified))

    async def take_over(self, known: KnownItem) -> bool:
        run = self._run
        if known.item:
            asked = ItemFingerprint(known.collection, known.item, known.fingerprint)
            [unchanged] = await run.ledger.confirm([asked])
            if unchanged is None:
                return False
            size = sum(unchanged.sizes)
            run.report.carried += 1
            run.report.add_unchanged(len(unchanged.sizes), size, Counter(unchanged.proofs), unchanged.absent)
            run.meter.add_unchanged(len(unchanged.sizes), size)
        self.not_modified += 1
        return True

    def note(self, url: str, version: DocumentVersion, collection: str, item: str) -> None:
        if not version.validator:
            return
        row = ItemDocument(hash64(url), collection, item, *version)

        def write(book: Statements) -> None:
            note_documents(book.database, [row])

        self._run.ledger.enqueue(write)

    def basis(self) -> dict[str, object]:
        """What the receipt says of a listing that was made so."""
        facts = {"not_modified": self.not_modified, "carried": self._run.report.carried}
        return {"kind": "conditional", **facts, "relies_on": RELIES_ON}
