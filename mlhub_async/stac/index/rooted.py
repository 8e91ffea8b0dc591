"""Item documents as they are beside the root catalogue: their hrefs are relative to the root."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core.model import JsonObject
from ..links import relations
from ..write.hrefs import is_absolute


class WrittenItem(NamedTuple):
    """An item document of the mirror; `path` is relative to the root, with forward slashes."""

    path: str
    body: JsonObject


def rooted(item: WrittenItem) -> JsonObject:
    """The item with its relative hrefs, which are relative to its document, made relative to the root."""
    folder = posixpath.dirname(item.path)
    body = dict(item.body)
    assets = body.get("assets")
    if isinstance(assets, dict):
        body["assets"] = {key: _with_root_href(asset, folder) for key, asset in assets.items()}
    links = body.get("links")
    if isinstance(links, list):
        body["links"] = [_with_root_href(link, folder) for link in links]
    return body


def _with_root_href(described: Any, folder: str) -> Any:
    href = described.get("href") if isinstance(described, dict) else None
    if not isinstance(href, str):
        return described
    return {**described, "href": root_href(href, folder)}


def root_href(href: str, folder: str) -> str:
    """A href of a document in `folder`, relative to the root; an absolute one stays."""
    return href if is_absolute(href) else posixpath.normpath(posixpath.join(folder, href))


def source_paths(item: WrittenItem) -> Iterator[str]:
    """Paths of the item documents in the mirror that its `source` links lead to (label extension)."""
    links = item.body.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and "source" in relations(link) and isinstance(link.get("href"), str):
            path = root_href(link["href"], posixpath.dirname(item.path))
            if not is_absolute(path) and not path.startswith("../"):
                yield path
