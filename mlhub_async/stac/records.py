"""Hides the records of a page: what is an Item or a Collection, and what is neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import urls
from ..errors import TransferError
from ..model import Collection, Flaw, Item, JsonObject
from .links import links, resolved

NO_COLLECTION = "_no-collection"


def items_of(records: list[Any], url: str, collection: str = NO_COLLECTION) -> Iterator[Item | Flaw]:
    """The records of a page as items; one that is none becomes a Flaw and the page goes on.

    `collection` is the id of those that name none.
    """
    origin = _prefix(url)
    for number, record in enumerate(records, 1):
        where = f"record {number} of {urls.redacted(url)}"
        yield item_of(record, url, collection, where=where, origin=origin)


def item_of(
    record: Any, url: str, collection: str = NO_COLLECTION, *, where: str = "", origin: str = ""
) -> Item | Flaw:
    """One document as an item, or why it is none."""
    where = where or urls.redacted(url)
    if not isinstance(record, dict):
        return _flaw(where, "is not a JSON object")
    name = _id(record)
    if not name:
        return _flaw(where, "has no id")
    own = record.get("collection")
    return Item(name, own if isinstance(own, str) and own else collection, record, _base(record, url, origin))


def collection_of(record: Any, url: str) -> Collection | Flaw:
    """One document as a collection, or why it is none."""
    where = urls.redacted(url)
    if not isinstance(record, dict):
        return _flaw(where, "is not a JSON object")
    name = _id(record)
    return Collection(name, record, url) if name else _flaw(where, "has no id")


def _id(record: JsonObject) -> str:
    found = record.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def _flaw(where: str, what: str) -> Flaw:
    return Flaw(where, TransferError(f"{where} {what}", kind="bad-record"))


def _prefix(url: str) -> str:
    """What a self link has to begin with to be believed. Items in a file came from anywhere on the web."""
    if url.startswith("file:"):
        return "http"
    return url[: url.find("/", url.find("://") + 3) + 1]


def _base(record: JsonObject, url: str, origin: str) -> str:
    """Where the item itself is: its self link if that begins with `origin`, else the page.

    Only items of a page need it; a document of its own is where it was fetched from.
    """
    if not origin:
        return url
    for link in links(record, "self"):
        own = resolved(link["href"], url)
        if own.startswith(origin):
            return own
    return url
