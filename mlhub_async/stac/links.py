"""Links of STAC documents: found by relation, made absolute, and followed to trusted origins only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ..core import urls
from ..core.errors import CatalogError, MlhubError
from ..core.model import JsonObject

IS_JSON, UNSTATED, MAY_BE_JSON, IS_OTHER = range(4)
"""Ranks of links by their media type; see `media_rank`."""
_JSON_TYPES = frozenset(
    {
        "application/json",
        "application/geo+json",
        "application/vnd.geo+json",
        "application/geojson",
        "text/json",
        "json",
        "geojson",
    }
)
_TABLE_SUFFIXES = (".parquet", ".geoparquet", ".ndjson", ".jsonl", ".geojsonl", ".ndgeojson", ".geojsonseq")
_TABLE_WORDS = ("parquet", "ndjson", "jsonl", "json-seq", "jsonlines", "json-lines")
_OTHER_SUFFIXES = (
    *_TABLE_SUFFIXES,
    *(".html", ".htm", ".xhtml", ".csv", ".xml", ".osdd", ".atom", ".rss", ".kml", ".gml", ".txt", ".md"),
    *(".pdf", ".zip", ".gpkg", ".fgb", ".arrow", ".tif", ".tiff", ".png", ".jpg", ".jpeg"),
)
_OTHER_FORMATS = frozenset(
    {
        "html",
        "htm",
        "text/html",
        "csv",
        "text/csv",
        "xml",
        "atom",
        "kml",
        "gml",
        "parquet",
        "ndjson",
        "jsonld",
    }
)

_PLAIN = frozenset(
    {
        *("self", "root", "parent", "collection", "child", "item", "items", "data", "search", "next", "prev"),
        *("canonical", "via", "source", "derived_from", "related", "license", "about", "cite-as"),
        *("predecessor-version", "successor-version", "latest-version", "preview", "thumbnail"),
        *("alternate", "describedby", "service-desc", "service-doc", "conformance", "xyz", "tiles"),
    }
)
"""Relations that say what they are as they are written: nearly all that there are."""


def relations(link: JsonObject) -> Collection[str]:
    """The relations of a link, in lower case.

    Their case has no meaning (RFC 8288, section 2.1), and where white space is written there are several
    (section 3.3). STAC has one text; some programs write a list of them.
    """
    stated = link.get("rel")
    if stated.__class__ is str:
        return _of_text(stated)
    listed = stated if isinstance(stated, list) else ()
    return [one for text in listed if isinstance(text, str) for one in _of_text(text)]


def has_relation(link: JsonObject, rels: frozenset[str]) -> bool:
    """Whether one of the relations of a link is among these. It is asked of every link of every item."""
    stated = link.get("rel")
    if stated.__class__ is str and stated in _PLAIN:
        return stated in rels
    return not rels.isdisjoint(relations(link))


@lru_cache(256)
def _of_text(stated: str) -> Collection[str]:
    return tuple(stated.lower().split())


def listed_links(body: JsonObject) -> list[JsonObject]:
    """The links of a document that are objects, also where they are an object by relation (before STAC 0.6).

    There a value is a link, its href, or a list of either; a link without a relation gets its key.
    """
    listed: Any = body.get("links")
    if isinstance(listed, list):
        return [link for link in listed if isinstance(link, dict)]
    found: list[JsonObject] = []
    for rel, value in listed.items() if isinstance(listed, dict) else ():
        for link in value if isinstance(value, list) else [value]:
            if isinstance(link, str):
                found.append({"rel": rel, "href": link})
            elif isinstance(link, dict):
                found.append(link if relations(link) else {**link, "rel": rel})
    return found


def links_of(body: JsonObject, rel: str) -> Iterator[JsonObject]:
    """The links with this relation (`relations`) that have an href. Anything else is skipped."""
    listed: Any = body.get("links")
    for link in listed if isinstance(listed, list) else listed_links(body):
        if not isinstance(link, dict):
            continue
        stated = link.get("rel")
        is_plain = stated.__class__ is str and stated in _PLAIN  # most are, of many in each item
        if stated == rel or (not is_plain and rel in relations(link)):
            href = link.get("href")
            if isinstance(href, str) and href.strip():
                yield link


def media_rank(link: JsonObject) -> int:
    """How likely a link leads to JSON, the likeliest first.

    `IS_JSON` by its type; `UNSTATED` without one; `MAY_BE_JSON` where it has another type, and `IS_OTHER`
    where its path or its query names another format too.
    """
    stated = link.get("type")
    media_type = stated.partition(";")[0].strip().lower() if isinstance(stated, str) else ""
    if media_type in _JSON_TYPES:
        return IS_JSON
    path, _, query = str(link.get("href")).partition("#")[0].lower().partition("?")
    if path.endswith(_OTHER_SUFFIXES) or _asks_for_other(query) or is_table_or_lines(link):
        return IS_OTHER
    return MAY_BE_JSON if media_type else UNSTATED


def json_links(body: JsonObject, rel: str) -> list[JsonObject]:
    """The links with this relation that may lead to JSON, the likeliest first."""
    ranked = [(media_rank(link), link) for link in links_of(body, rel)]
    return [link for rank, link in sorted(ranked, key=lambda one: one[0]) if rank < IS_OTHER]


def is_table_or_lines(link: JsonObject) -> bool:
    """Whether a link leads to items as Parquet or NDJSON, which are not read at links."""
    stated = link.get("type")
    media_type = stated.lower() if isinstance(stated, str) else ""
    path = str(link.get("href")).partition("#")[0].partition("?")[0].lower()
    return path.endswith(_TABLE_SUFFIXES) or any(word in media_type for word in _TABLE_WORDS)


def _asks_for_other(query: str) -> bool:
    """Whether a query in lower case names another format than JSON."""
    if not query:
        return False
    pairs = parse_qsl(query)
    return any(name in ("f", "format", "outputformat") and value in _OTHER_FORMATS for name, value in pairs)


def resolve(href: str, base: str) -> str:
    """`href` as an absolute URL, or as it was written if it makes none: its transfer then fails by name."""
    if href.startswith(("https://", "http://")):
        return href
    try:
        return urls.parse(href, base)
    except MlhubError:
        return href


def resolve_trusted(href: str, base: str, allowed: Collection[str]) -> str:
    """The URL that a link of the document at `base` leads to.

    Raises `TransferError` for a bad href, `CatalogError` for an origin that is neither that of `base` nor
    one of `allowed` (written as `str(urls.origin(url))`). A link with http to an https origin is changed
    to https: servers behind a proxy write such links, and no key should be sent over them.
    """
    url = urls.parse(href, base)
    trusted = {str(urls.origin(base)), *allowed}
    for known in (url, _with_https(url)):
        if str(urls.origin(known)) in trusted:
            return known
    other = str(urls.origin(_with_https(url) if base.startswith("https:") else url))
    if not url.startswith(("https://", "http://")):
        raise CatalogError(
            f"{urls.redacted(base)} leads on to a file, which is not followed", kind="cross-origin"
        )
    raise CatalogError(
        f"{urls.redacted(base)} leads on to another origin, {other}: "
        f"if you trust it, add --allow-origin {other}",
        kind="cross-origin",
    )


def _with_https(url: str) -> str:
    split = urlsplit(url)
    if split.scheme != "http":
        return url
    return urlunsplit(split._replace(scheme="https", netloc=split.netloc.removesuffix(":80")))
