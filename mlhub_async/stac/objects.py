"""Turns JSON records into items, collections and assets; a record that is none becomes a flaw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import checksum, urls
from ..core.errors import MlhubError, TransferError
from ..core.model import NO_COLLECTION, Asset, Collection, Flaw, Item, JsonObject, Version
from .documents import DocumentKind, is_item, kind_of, looks_like
from .fields.legacy import hidden_members, present_structure
from .links import is_table_or_lines, links_of, resolve

if TYPE_CHECKING:
    from .fields.locations import Location

_NOT_UNICODE = "has an id, or names a collection, that is not valid Unicode"

_ABSOLUTE = ("https://", "http://", "file:///")
"""Begin hrefs that need nothing else to be fetched."""
REFS = "auth:refs"
PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/"
"""Its items are read from anywhere without signatures: their own address says what their files need."""
Pairs = tuple[tuple[str, str], ...]
_WEB_PAGES = ("text/html", "application/xhtml", "application/pdf")


def items_of(
    records: list[Any], url: str, collection: str = NO_COLLECTION, first: int = 1
) -> Iterator[Item | Flaw]:
    """The records of a page as items, with a `Flaw` in the place of each that is none.

    `collection` is that of items that name none, `first` the number of the first record. Hrefs of an item
    are relative to its self link if that is on the page's own origin (for a page in a file: anywhere on
    the web), else to the page.
    """
    origin = _self_link_prefix(url)
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
    """One document as an item, or why it is none. Its hrefs are relative to where it was read from."""
    found = _item(record, url, collection, "")
    return found._replace(addresses=(url,)) if isinstance(found, Item) else found


def _item(record: Any, url: str, collection: str, origin: str) -> Item | Flaw:
    """`origin`: what its self link must begin with to be its base; "" if the self link does not count."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record)
    if not name:
        return _flaw(url, "has no id")
    if not is_item(record):
        return _flaw(url, _no_item(record))
    named = record.get("collection")
    collection = named if isinstance(named, str) and named else collection
    if not _is_text(name) or not _is_text(collection):
        return _flaw(url, _NOT_UNICODE)
    if hidden := hidden_members(record):
        return _flaw(url, hidden)
    base = (origin and _self_link(record, url, origin)) or url
    return Item(name, collection, _usable(record), base)


def _no_item(record: JsonObject) -> str:
    stated, kind = record.get("type"), kind_of(record)
    if kind is DocumentKind.NONE and stated not in ("Catalog", "Collection"):
        return f"is no STAC item, but {looks_like(record)}"
    name = stated if kind is DocumentKind.NONE else kind.value
    return f"is a {name} and no item: a catalogue is given by its own address"


def collection_of(record: Any, url: str) -> Collection | Flaw:
    """One document as a collection, or why it is none."""
    if not isinstance(record, dict):
        return _flaw(url, "is not a JSON object")
    name = _id(record) or _old_name(record)
    if not _is_text(name):
        return _flaw(url, _NOT_UNICODE)
    if hidden := hidden_members(record):
        return _flaw(url, hidden)
    return Collection(name, _usable(record), url) if name else _flaw(url, "has no id")


def _id(record: JsonObject) -> str:
    found = record.get("id")
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) else ""


def _old_name(record: JsonObject) -> str:
    """Before STAC 0.6 a catalogue had a name in place of an id."""
    found = record.get("name") if "id" not in record and "stac_version" in record else None
    return found if isinstance(found, str) else ""


def _is_text(text: str) -> bool:
    """A lone surrogate (half a character) fits into a Python string, but into no file and no database."""
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


def _usable(record: JsonObject) -> JsonObject:
    """The record with links in a list, and with assets by keys that can be stored; the same object if it is
    written so."""
    record = present_structure(record)
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


def _self_link_prefix(url: str) -> str:
    """What a self link must begin with to count. Items in a file came from anywhere on the web."""
    if url.startswith("file:"):
        return "http"
    return url[: url.find("/", url.find("://") + 3) + 1]


def _self_link(record: JsonObject, url: str, origin: str) -> str:
    for link in links_of(record, "self"):
        own = resolve(link["href"], url)
        if own.startswith(origin):
            return own
    return ""


class _Owner(NamedTuple):
    """What all assets of one item, or of one collection, have in common."""

    item: str
    collection: str
    base: str
    date: str
    updated: str
    about: JsonObject
    """the properties of the item, or the collection"""
    endpoints: urls.StoreEndpoints | None
    schemes: JsonObject | None
    """the authentication schemes of the collection of an item"""
    versions: Mapping[str, Version]
    """see `Item.versions`"""
    described: dict[str, str]
    """the authentication schemes that its assets have referred to"""


class AssetOutline(NamedTuple):
    """The part of an asset that decides whether it is wanted; size in bytes, href as it is written."""

    key: str
    media_type: str | None
    size: int | None
    href: str = ""


def outlines_of(owner: Item | Collection) -> list[AssetOutline]:
    """The owner's assets, as far as they are needed for counting: cheaper than `assets_of`."""
    raw = owner.body.get("assets")
    known = owner.versions
    return [_outline(key, one, known.get(key)) for key, one in raw.items()] if isinstance(raw, dict) else []


def _outline(key: str, raw: Any, version: Version | None) -> AssetOutline:
    about = raw if isinstance(raw, dict) else {}
    media_type, href = about.get("type"), about.get("href")
    return AssetOutline(
        key,
        media_type if isinstance(media_type, str) else None,
        _size(about["file:size"]) if "file:size" in about else version and version[1],
        href if isinstance(href, str) else "",
    )


def assets_of(item: Item, schemes: JsonObject | None = None) -> list[Asset]:
    """The item's assets. One without a usable href is among them: its transfer fails by name.

    `schemes`: the authentication schemes of its collection.
    """
    return _assets(item, item.id, item.collection, schemes)


def collection_assets(collection: Collection) -> list[Asset]:
    """The collection's own assets; their item is ""."""
    return _assets(collection, "", collection.id)


def is_item_list(asset: object) -> bool:
    """Whether an asset of a collection is its items once more, as a table in an object store.

    Planetary Computer has one in each collection, which nobody reads without a key.
    """
    if not isinstance(asset, dict) or not urls.is_store_address(str(asset.get("href"))):
        return False
    roles = asset.get("roles")
    return isinstance(roles, list) and "stac-items" in roles


def is_label(body: JsonObject) -> bool:
    """Whether an item is a label: it declares the label extension, in any version, or uses it."""
    declared = body.get("stac_extensions")
    for one in declared if isinstance(declared, list) else ():
        if one == "label" or (isinstance(one, str) and "/label/" in one):
            return True
    properties = body.get("properties")
    if isinstance(properties, dict) and any(name.startswith("label:") for name in properties):
        return True
    return next(links_of(body, "source"), None) is not None


def source_links(item: Item) -> list[str]:
    """The URLs of the item's source imagery. Links to web pages and papers are left out.

    So are lists of items as Parquet or NDJSON, which are not read at links, where JSON is beside them.
    """
    links = [link for link in links_of(item.body, "source") if not _is_web_page(link)]
    if len(links) > 1:
        links = [link for link in links if not is_table_or_lines(link)] or links
    return [resolve(link["href"], item.href) for link in links]


def _is_web_page(link: JsonObject) -> bool:
    media_type = link.get("type")
    if isinstance(media_type, str) and media_type:
        return media_type.lower().startswith(_WEB_PAGES)
    path = str(link["href"]).partition("#")[0].partition("?")[0]
    return path.lower().endswith((".html", ".htm", ".pdf"))


def _assets(
    given: Item | Collection, item: str, collection: str, schemes: JsonObject | None = None
) -> list[Asset]:
    body = given.body
    raw = body.get("assets")
    if not isinstance(raw, dict):
        return []
    properties = body.get("properties")
    known: JsonObject = properties if isinstance(properties, dict) else {}
    date = known.get("datetime") or known.get("start_datetime")
    text = date if isinstance(date, str) else ""
    about = known if item else body
    updated = str(known.get("updated"))
    place = (given.endpoints, schemes, given.versions)
    owner = _Owner(item, collection, given.href, text, updated, about, *place, {})
    located = given.locations
    return [
        _asset(key, {**one, **located[key]} if key in located else one, owner) for key, one in raw.items()
    ]


def _asset(key: str, raw: Any, owner: _Owner) -> Asset:
    about = raw if isinstance(raw, dict) else {}
    href, via = about.get("href"), ""
    others: Pairs = ()
    auth: Pairs = ()
    if not isinstance(href, str):
        href = ""
    elif not href.startswith(_ABSOLUTE) or "alternate" in about:
        href, via, others, auth = _located(about, href, owner)
    elif REFS in about:
        from .fields.locations import Location

        auth = _auth([Location(href, "", about[REFS])], owner)
    elif owner.base.startswith(PLANETARY_COMPUTER):
        from .fields.authentication import scheme_of_place

        auth = scheme_of_place(href)
    size = _size(about["file:size"]) if "file:size" in about else None
    published = about.get("file:checksum") or about.get("checksum:multihash")
    if published is None and "git:blob" in about:
        published = checksum.git_blob(about["git:blob"], size)
    version = owner.versions.get(key)
    media_type, etag = about.get("type"), about.get("etag") or (version and version[0])
    return Asset(
        href,
        key,
        owner.item,
        owner.collection,
        media_type if isinstance(media_type, str) else None,
        version[1] if size is None and version else size,
        checksum.parse(published) if published is not None else None,
        _stamp("" if etag else href, size, published, owner.updated if not etag else str(etag)),
        owner.date,
        str(about.get("unavailable", "")),
        via,
        others,
        auth=auth,
    )


def _located(about: JsonObject, href: str, owner: _Owner) -> tuple[str, str, Pairs, Pairs]:
    """The href to fetch first, which one it is, the others, and the authentication schemes of all."""
    if "alternate" not in about and "://" not in href and REFS not in about:
        return resolve(href, owner.base), "", (), ()
    from .fields.locations import Location, locations_of

    found = [Location(resolve(href, owner.base), "", about.get(REFS))]
    if "alternate" in about or "://" in href:
        schemes = owner.about.get("storage:schemes")
        found = locations_of(about, owner.base, schemes, owner.about, owner.endpoints) or found
    auth = _auth(found, owner) if any([one.refs for one in found]) else ()
    return found[0].href, found[0].via, tuple([(one.href, one.via) for one in found[1:]]), auth


def _auth(locations: Sequence[Location], owner: _Owner) -> Pairs:
    from .fields.authentication import described_schemes

    return described_schemes(locations, owner.about, owner.schemes, owner.described)


def _size(declared: object) -> int | None:
    return declared if type(declared) is int and declared >= 0 else None


def _stamp(href: str, size: int | None, published: Any, updated: str) -> str:
    """Changes when the catalogue says that the content changed. An href that expires says nothing."""
    lasting = href
    if "?" in href or "/download/" in href:
        lasting = "" if urls.is_expiring(href) else _without_secrets(href)
    text = f"{size}\n{published}\n{updated}\n{lasting}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def is_version(asset: Asset, validator: str) -> bool:
    """Whether the listing that an asset is of names this validator, an ETag, as that of its present version.

    Listings of object stores do, beside the size; some write it without quotes.
    """
    tags = {validator, validator.strip('"')} - {""}
    return any(asset.stamp == _stamp("", asset.size, None, tag) for tag in tags)


def _without_secrets(href: str) -> str:
    if "?" not in href:
        return href
    try:
        return urls.without_secrets(href)
    except MlhubError:
        return href
