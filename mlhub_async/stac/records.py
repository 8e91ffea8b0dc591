"""Hides the records of a page: what is an Item or a Collection, and what is neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import urls
from ..errors import TransferError
from ..model import Collection, Flaw, Item, JsonObject
from .links import links, resolved

NO_COLLECTION = "_no-collection"


def items_of(
    records: list[Any], url: str, collection: str = NO_COLLECTION, first: int = 1
) -> Iterator[Item | Flaw]:
    """The records of a page as items; one that is none becomes a Flaw and the page goes on.

    `collection` is the id of those that name none, `first` the number of the first one. Hrefs of an item
    are relative to its self link if that is on the page's own origin (of a page in a file: anywhere on the
    web), else to the page.
    """
    origin = _prefix(url)
    for number, record in enumerate(records, first):
        found = item_of(record, url, collection)
        if isinstance(found, Item):
            own = _self(record, url, origin)
            yield Item(found.id, found.collection, record, own) if own else found
        else:
            where = f"record {number} of {found.where}"
            yield Flaw(
                where, TransferError(f"record {number} of {found.error.message}", kind=found.error.kind)
            )


def item_of(record: Any, url: str, collection: str = NO_COLLECTION) -> Item | Flaw:
    """One document as an item, or why it is none. It is where it was fetched from, whatever it says."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record)
    if not name:
        return _flaw(url, "has no id")
    if record.get("type") in ("Catalog", "Collection"):
        return _flaw(url, f"is a {record['type']} and no item: a catalogue is given by its own address")
    own = record.get("collection")
    return Item(name, own if isinstance(own, str) and own else collection, record, url)


def collection_of(record: Any, url: str) -> Collection | Flaw:
    """One document as a collection, or why it is none."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record)
    return Collection(name, record, url) if name else _flaw(url, "has no id")


def _id(record: JsonObject) -> str:
    found = record.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def _flaw(url: str, what: str) -> Flaw:
    where = urls.redacted(url)
    return Flaw(where, TransferError(f"{where} {what}", kind="bad-record"))


def _prefix(url: str) -> str:
    """What a self link has to begin with to be believed. Items in a file came from anywhere on the web."""
    if url.startswith("file:"):
        return "http"
    return url[: url.find("/", url.find("://") + 3) + 1]


def _self(record: JsonObject, url: str, origin: str) -> str:
    for link in links(record, "self"):
        own = resolved(link["href"], url)
        if own.startswith(origin):
            return own
    return ""
