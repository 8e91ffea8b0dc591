"""Links from item to item: relative where the other item is in the mirror, else as the catalogue has them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ...core.json_text import parse_json
from ...core.model import JsonObject
from ..related import related_links
from .encode import to_json
from .hrefs import UNUSABLE, DocumentLocation, is_absolute, is_remote, outward_href, relative_href

ORIGINAL_HREF = "mlhub:original_href"
"""Field of a link into the mirror: the href that it has where its item is not in the mirror."""
NO_PATHS: Mapping[int, str] = MappingProxyType({})


def with_related(
    links: list[JsonObject], paths: Mapping[int, str], base: str, location: DocumentLocation
) -> list[JsonObject]:
    """The links of a document that was read at `base`, with hrefs that may be written.

    `paths`: of the items in the mirror, by the numbers of the links to them.
    """
    changed: dict[int, JsonObject] = {}
    for number, link in related_links(links):
        outward = _outward(link, base, location) if ORIGINAL_HREF in link else link
        path = paths.get(number)
        if outward is not link or path is not None:
            changed[id(link)] = outward if path is None else _inward(outward, path, location.path)
    return [changed.get(id(link), link) for link in links] if changed else links


def with_new_related(document: bytes, path: str, paths: Mapping[int, str]) -> bytes:
    """The document of the mirror at `path` with links to these items, and to no others in the mirror.

    Raises ValueError for bytes that are no document of an item.
    """
    body = parse_json(document)
    links = body.get("links") if isinstance(body, dict) else None
    if not isinstance(links, list):
        raise ValueError("it has no links")
    changed: dict[int, JsonObject] = {}
    for number, link in related_links(links):
        new = _as_published(link)
        new = _inward(new, paths[number], path) if number in paths else new
        if new != link:
            changed[id(link)] = new
    new_links = [changed.get(id(link), link) for link in links]
    return to_json({**body, "links": new_links}) + b"\n" if changed else document


def _inward(link: JsonObject, target: str, path: str) -> JsonObject:
    original = link.get(ORIGINAL_HREF, link["href"])
    return {**link, "href": relative_href(target, path), ORIGINAL_HREF: original}


def _as_published(link: JsonObject) -> JsonObject:
    """A link as it is where its item is not in the mirror."""
    if ORIGINAL_HREF not in link or is_absolute(link["href"]):
        return link
    kept = {name: value for name, value in link.items() if name != ORIGINAL_HREF}
    return {**kept, "href": link[ORIGINAL_HREF]}


def _outward(link: JsonObject, base: str, location: DocumentLocation) -> JsonObject:
    """A link of another mirror: it leads there, or where its item was before if nobody can be sent there."""
    original = link[ORIGINAL_HREF]
    before = outward_href(original, base, location) if isinstance(original, str) else UNUSABLE
    kept = {name: value for name, value in link.items() if name != ORIGINAL_HREF}
    if not is_remote(before):
        return kept
    return {**kept, ORIGINAL_HREF: before} if is_remote(link["href"]) else {**kept, "href": before}
