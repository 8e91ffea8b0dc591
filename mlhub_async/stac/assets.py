"""Hides how assets are written in items and collections, and what of it can be believed."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, NamedTuple

from ..core import checksum, urls
from ..core.errors import MlhubError
from ..core.model import Asset, Collection, Item, JsonObject
from .links import links_of, resolved

_WEB = ("https://", "http://")
_PAGES = ("text/html", "application/xhtml", "application/pdf")


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
