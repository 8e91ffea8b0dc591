"""Hides how assets are written in items and collections, and what of it can be believed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from .. import checksum, urls
from ..errors import MlhubError
from ..model import Asset, Collection, Item, JsonObject
from .links import links, resolved

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_PARTS = {"year": 1, "month": 2, "day": 3}
_PAGES = ("text/html", "application/xhtml", "application/pdf")


class _Common(NamedTuple):
    """What all assets of one owner share."""

    item: str
    collection: str
    base: str
    date: str
    updated: str


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
    return next(links(body, "source"), None) is not None


def source_links(item: Item) -> list[str]:
    """Where the item's source imagery is said to be. Links to web pages and papers are not meant."""
    return [resolved(link["href"], item.href) for link in links(item.body, "source") if not _is_page(link)]


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
    href = resolved(href, owner.base) if isinstance(href, str) else ""
    size = about.get("file:size")
    size = size if type(size) is int and size >= 0 else None
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
        Fields(href, owner.date),
    )


def _stamp(href: str, size: int | None, published: Any, updated: str) -> str:
    """Tells one content from another as far as the catalogue does. An href that expires tells nothing."""
    lasting = "" if urls.expiring(href) else _canonical(href)
    told = f"{size}\n{published}\n{updated}\n{lasting}"
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _canonical(href: str) -> str:
    if "?" not in href:
        return href
    try:
        return urls.canonical(href)
    except MlhubError:
        return href


class Fields(Mapping[str, str]):
    """What a path template may ask for: the file name in the href, the item's date. Worked out when asked."""

    __slots__ = ("_date", "_href")

    def __init__(self, href: str, date: str) -> None:
        self._href = href
        self._date = date

    def __getitem__(self, name: str) -> str:
        if name == "filename" and (found := urls.filename(self._href)):
            return found
        if name == "datetime" and self._date:
            return self._date
        day = _DAY.match(self._date)
        if name in _PARTS and day:
            return day.group(_PARTS[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in ("filename", "datetime", *_PARTS) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
