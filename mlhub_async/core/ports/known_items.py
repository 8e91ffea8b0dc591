"""What an earlier run knows of the documents of items, so that they are read only if they have changed."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class DocumentVersion(NamedTuple):
    """What tells a document from its next version. `url`: the one that answered, after redirects.

    `validator`: an ETag, which may be weak, or a Last-Modified that counts as strong; "": there is none.
    `modified`: the Last-Modified in seconds since 1970, 0 where it is not known.
    """

    url: str = ""
    validator: str = ""
    modified: float = 0


class KnownItem(NamedTuple):
    """The item that a document was. `item` "": the selection left it out. `fingerprint`: of the item."""

    collection: str
    item: str
    fingerprint: str
    version: DocumentVersion


class KnownItems(Protocol):
    """What is known of the documents of the last complete listing."""

    async def find(self, url: str) -> KnownItem | None: ...

    async def take_over(self, known: KnownItem) -> bool:
        """Count an item as listed, as its document is the same. False: its files are not, read it again."""
        ...

    def note(self, url: str, version: DocumentVersion, collection: str, item: str) -> None:
        """Keep what a document was for the next run."""
        ...
