"""Writes items of the mirror again whose links to other items lead elsewhere since they were written.

An item may come before or after those that it links to, in the same run or in another one, and these may
leave the mirror.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.errors import TransferError
from ...core.model import Concern, Flaw
from ...stac.write.related import with_new_related
from ...storage.ledger.database import Statements
from ...storage.ledger.lookups.item_links import (
    OutdatedDocument,
    note_written,
    outdated_documents,
    settle_rewritten,
)

if TYPE_CHECKING:
    from ...core.ports import DocumentStore


def update_item_links(book: Statements, store: DocumentStore) -> Iterator[Flaw]:
    """Do it, in the ledger's thread. Yields a flaw for each document that cannot be written."""
    for batch in outdated_documents(book.database):
        done: list[tuple[OutdatedDocument, _Written | None]] = []
        for one in batch:
            try:
                done.append((one, _rewrite(store, one)))
            except TransferError as error:
                yield Flaw(one.path, error, owner=one.owner, concern=Concern.MIRROR)
            except (OSError, ValueError):
                continue  # somebody removed or changed it: the next run that lists the item writes it
        store.sync_names(one.path for one, written in done if written)
        with book.transaction():
            for one, written in done:
                if written is None:
                    note_written(book.database, one.owner, one.after)
                else:
                    settle_rewritten(book.database, one, *written)


_Written = tuple[int, int, str]
"""Size, mtime (ns) and SHA-256 of a document."""


def _rewrite(store: DocumentStore, one: OutdatedDocument) -> _Written | None:
    """Write the document; None if it is right and as recorded.

    A run that was killed may have written it and not recorded it. Raises ValueError for a document that no
    run has written so.
    """
    document = store.read_document(one.path)
    is_recorded = _digest(document) == one.sha256
    if not is_recorded and _digest(with_new_related(document, one.path, one.before)) != one.sha256:
        raise ValueError("it was changed")
    new = with_new_related(document, one.path, one.after)
    if is_recorded and new == document:
        return None
    return len(new), store.put_pieces(one.path, [new]), _digest(new)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
