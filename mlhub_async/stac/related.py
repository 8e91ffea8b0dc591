"""Links between items: which URLs lead to an item, and to which URLs its links to other items lead."""

from __future__ import annotations

from collections.abc import Iterator

from ..core import urls
from ..core.errors import MlhubError
from ..core.model import Item, JsonObject
from .links import has_relation, links_of

RELATED_RELS = frozenset(
    {
        *("source", "derived_from", "related"),
        *("predecessor-version", "successor-version", "latest-version"),
    }
)
"""Relations of links from item to item: of the label, version and STAC Item specifications."""


def related_links(links: object) -> Iterator[tuple[int, JsonObject]]:
    """The links among these that may lead to another item, numbered from 0.

    The numbers in a document of the mirror are those in the document that it was made from.
    """
    number = 0
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and has_relation(link, RELATED_RELS) and isinstance(link.get("href"), str):
            yield number, link
            number += 1


def addresses_of(item: Item) -> set[str]:
    """URLs, without secrets, that lead to the item: where it was read alone, and what it says itself.

    A canonical link counts where there is no self link: that is how documents of a mirror name their origin.
    """
    own = next(links_of(item.body, "self"), None) or next(links_of(item.body, "canonical"), None)
    found = {_identity(url, None) for url in item.addresses}
    if own is not None:
        found.add(_identity(own["href"], item.href))
    return found - {""}


def source_addresses(item: Item) -> list[str]:
    """URLs, without secrets, that the `source` links of an item lead to."""
    found = (_identity(link["href"], item.href) for link in links_of(item.body, "source"))
    return [url for url in found if url]


def targets_of(item: Item) -> list[tuple[int, str]]:
    """The URLs, without secrets, that the `related_links` of the item lead to, by their numbers."""
    found = ((number, link["href"]) for number, link in related_links(item.body.get("links")))
    targets = ((number, _identity(href, item.href)) for number, href in found)
    return [(number, url) for number, url in targets if url]


def _identity(href: str, base: str | None) -> str:
    """The same text for all URLs of one document: servers mix http and https in their links."""
    try:
        url = urls.without_secrets(urls.parse(href, base or None))
    except MlhubError:
        return ""
    return f"https://{url[len('http://') :]}" if url.startswith("http://") else url
