"""Hides the records of a page: what is an Item or a Collection, and what is neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from ..core import checksum, urls
from ..core.errors import MlhubError, TransferError
from ..core.model import NO_COLLECTION, Asset, Collection, Flaw, Item, JsonObject
from .links import links_of, resolved

NO_TEXT = "has an id, or names a collection, that is not valid Unicode"

_WEB = ("https://", "http://")
_PAGES = ("text/html", "application/xhtml", "application/pdf")


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


class _Common(NamedTuple):
    """What all assets of one owner share."""

    item: str
    collection: str
    base: str
    date: str
    updated: str


class Outline(NamedTuple):
    """As much of an asset as tells whether it is wanted, and how large it is."""

    key: str
    media_type: str | None
    size: int | None


def outlines(owner: Item | Collection) -> list[Outline]:
    """The owner's assets as far as counting them takes: what only a transfer needs is not worked out."""
    raw = owner.body.get("assets")
    return [_outline(key, one) for key, one in raw.items()] if isinstance(raw, dict) else []


def _outline(key: str, raw: Any) -> Outline:
    about = raw if isinstance(raw, dict) else {}
    media_type = about.get("type")
    return Outline(key, media_type if isinstance(media_type, str) else None, _size(about.get("file:size")))


def assets_of(item: Item) -> list[Asset]:
    """The item's assets. One without a usable href is among them: its transfer fails by name."""
    return _assets(item.body, item.id, item.collection, item.href)


def collection_assets(collection: Collection) -> list[Asset]:
    """The collection's own assets; their item is ""."""
    return _assets(collection.body, "", collection.id, collection.href)


def is_label(body: JsonObject) -> bool:
    """Whether an item is a label: it declares the extension, in whatever version, or uses it undeclared."""
    declared = body.get("stac_extensions")
    for one in declared if isinstance(declared, list) else ():
        if one == "label" or (isinstance(one, str) and "/label/" in one):
            return True
    properties = body.get("properties")
    if isinstance(properties, dict) and any(name.startswith("label:") for name in properties):
        return True
    return next(links_of(body, "source"), None) is not None


def source_links(item: Item) -> list[str]:
    """Where the item's source imagery is said to be. Links to web pages and papers are not meant."""
    return [resolved(link["href"], item.href) for link in links_of(item.body, "source") if not _is_page(link)]


def _is_page(link: JsonObject) -> bool:
    media_type = link.get("type")
    if isinstance(media_type, str) and media_type:
        return media_type.lower().startswith(_PAGES)
    path = str(link["href"]).partition("#")[0].partition("?")[0]
    return path.lower().endswith((".html", ".htm", ".pdf"))


def _assets(body: JsonObject, item: str, collection: str, base: str) -> list[Asset]:
    raw = body.get("assets")
    if not isinstance(raw, dict):
        return []
    properties = body.get("properties")
    known: JsonObject = properties if isinstance(properties, dict) else {}
    date = known.get("datetime") or known.get("start_datetime")
    common = _Common(item, collection, base, date if isinstance(date, str) else "", str(known.get("updated")))
    return [_asset(key, one, common) for key, one in raw.items()]


def _asset(key: str, raw: Any, owner: _Common) -> Asset:
    about = raw if isinstance(raw, dict) else {}
    href = about.get("href")
    if not isinstance(href, str):
        href = ""
    elif not href.startswith(_WEB):
        href = resolved(href, owner.base)
    size = _size(about.get("file:size"))
    published = about.get("file:checksum") or about.get("checksum:multihash")
    media_type = about.get("type")
    return Asset(
        href,
        key,
        owner.item,
        owner.collection,
        media_type if isinstance(media_type, str) else None,
        size,
        checksum.parse(published) if published is not None else None,
        _stamp(href, size, published, owner.updated),
        owner.date,
    )


def _size(told: object) -> int | None:
    return told if type(told) is int and told >= 0 else None


def _stamp(href: str, size: int | None, published: Any, updated: str) -> str:
    """Tells one content from another as far as the catalogue does. An href that expires tells nothing."""
    lasting = href
    if "?" in href or "/download/" in href:
        lasting = "" if urls.expiring(href) else _public(href)
    told = f"{size}\n{published}\n{updated}\n{lasting}"
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _public(href: str) -> str:
    if "?" not in href:
        return href
    try:
        return urls.public(href)
    except MlhubError:
        return href
