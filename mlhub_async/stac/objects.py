"""Hides the records of a page: what is an Item or a Collection, and what is neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..core import urls
from ..core.errors import TransferError
from ..core.model import Collection, Flaw, Item, JsonObject
from .links import links_of, resolved

NO_COLLECTION = "_no-collection"
NO_TEXT = "has an id, or names a collection, that is not valid Unicode"


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
        found = _item(record, url, collection, origin)
        if isinstance(found, Item):
            yield found
        else:
            where = f"record {number} of {found.where}"
            yield Flaw(
                where, TransferError(f"record {number} of {found.error.message}", kind=found.error.kind)
            )


def item_of(record: Any, url: str, collection: str = NO_COLLECTION) -> Item | Flaw:
    """One document as an item, or why it is none. It is where it was fetched from, whatever it says."""
    return _item(record, url, collection, "")


def _item(record: Any, url: str, collection: str, origin: str) -> Item | Flaw:
    """`origin`: what its own self link has to begin with to say where it is; "" if it is not asked."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record)
    if not name:
        return _flaw(url, "has no id")
    if record.get("type") in ("Catalog", "Collection"):
        return _flaw(url, f"is a {record['type']} and no item: a catalogue is given by its own address")
    own = record.get("collection")
    own = own if isinstance(own, str) and own else collection
    if not _is_text(name) or not _is_text(own):
        return _flaw(url, NO_TEXT)
    return Item(name, own, _with_text_keys(record), (origin and _self(record, url, origin)) or url)


def collection_of(record: Any, url: str) -> Collection | Flaw:
    """One document as a collection, or why it is none."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record)
    if not _is_text(name):
        return _flaw(url, NO_TEXT)
    return Collection(name, _with_text_keys(record), url) if name else _flaw(url, "has no id")


def _id(record: JsonObject) -> str:
    found = record.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def _is_text(text: str) -> bool:
    """Half a character (a lone surrogate) fits into a Python string, but into no file and no database."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _are_text(keys: Iterable[Any]) -> bool:
    try:
        return _is_text("".join(keys))
    except TypeError:  # one of them is no text at all
        return False


def _with_text_keys(record: JsonObject) -> JsonObject:
    """The record with asset keys that can be written down; the same one where they all can."""
    assets = record.get("assets")
    if not isinstance(assets, dict) or _are_text(assets):
        return record
    named: JsonObject = {}
    for key, asset in assets.items():
        name = str(key).encode("utf-8", "backslashreplace").decode()
        while name in named or (name != key and name in assets):
            name += "_"
        named[name] = asset
    return {**record, "assets": named}


def _flaw(url: str, what: str) -> Flaw:
    where = urls.redacted(url)
    return Flaw(where, TransferError(f"{where} {what}", kind="bad-record"))


def _prefix(url: str) -> str:
    """What a self link has to begin with to be believed. Items in a file came from anywhere on the web."""
    if url.startswith("file:"):
        return "http"
    return url[: url.find("/", url.find("://") + 3) + 1]


def _self(record: JsonObject, url: str, origin: str) -> str:
    for link in links_of(record, "self"):
        own = resolved(link["href"], url)
        if own.startswith(origin):
            return own
    return ""
