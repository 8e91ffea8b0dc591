"""Hrefs of the mirror's documents: relative within it, absolute and without secrets to anything else.

A path is written into a href as it is, not percent-encoded: pystac opens a relative href as a file name
without decoding it. Spaces and letters beyond ASCII work in pystac and rustac alike; "#", "?" and ";", which
would end the path, and "%", which some readers decode, are in no name that storage/naming makes.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from ...core import pattern_on_use, urls
from ...core.errors import MlhubError
from ...core.model import JsonObject
from ..links import has_relation, relations

_STRUCTURAL_RELS = frozenset(
    {"self", "root", "parent", "collection", "child", "item", "items", "next", "prev", "previous"}
)
_OF_ITSELF = frozenset({"self", "canonical"})
is_remote = re.compile(r"(https?|s3|gs|az|abfss?)://", re.I).match
_ABSOLUTE = pattern_on_use(r"[a-z][a-z0-9+.-]*:|/", re.I)
_OPENS_NO_FILE = pattern_on_use(r"(?!file:|https?:|[a-z]:)[a-z][a-z0-9+.-]*:", re.I)
UNUSABLE = "unusable:"
"""Scheme of hrefs that no reader shall open."""


class DocumentLocation(NamedTuple):
    """Where a document is in the mirror; paths are relative to DEST, with forward slashes.

    `collection` is the path of its collection.json, None for an item without collection. `base` is the
    absolute path or URL of DEST where asset hrefs shall be absolute, else "". `source_root` is the absolute
    path of a local catalogue, else "": of local files outside of DEST, hrefs may lead to those in it only.
    """

    path: str
    collection: str | None = None
    base: str = ""
    source_root: str = ""


def is_absolute(href: str) -> bool:
    """Whether it is a URL or an absolute path."""
    return _ABSOLUTE.match(href) is not None


def relative_href(target: str, start: str) -> str:
    """The href of the file `target` in the document `start`; both are paths relative to DEST."""
    folder = start[: start.rfind("/") + 1]
    if target.startswith(folder):
        return "./" + target[len(folder) :]
    above = target[: target.rfind("/") + 1]
    if folder.startswith(above):
        return "../" * folder.count("/", len(above)) + target[len(above) :]
    here, there = folder.split("/")[:-1], target.split("/")
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    return "../" * (len(here) - shared) + "/".join(there[shared:])


def relative_hrefs(targets: Iterable[str], start: str) -> Iterator[str]:
    """The same for many files."""
    folder = start[: start.rfind("/") + 1]
    length = len(folder)
    for target in targets:
        yield "./" + target[length:] if target.startswith(folder) else relative_href(target, start)


def asset_href(path: str, location: DocumentLocation) -> str:
    """The href of an asset file that is in the mirror."""
    if not location.base:
        return relative_href(path, location.path)
    return f"{location.base.rstrip('/')}/{quote(path) if is_remote(location.base) else path}"


def outward_href(href: str, base: str, location: DocumentLocation) -> str:
    """The href of a thing that is not in the mirror; `base` is where the document was read.

    1. It leads to the network: absolute, without secrets in its query.
    2. It leads to a file of the local catalogue: a file: URL.
    3. It has a scheme that opens no file (mailto:, doi:): as it is.
    4. Anything else could make a reader open any local file: the text stays, with the scheme `unusable:`.
    """
    try:
        target = urls.without_secrets(urls.parse(href, base or None))
    except MlhubError:
        shown = urls.redacted(href) if "://" in href and ("@" in href or "?" in href) else href
        return shown if _OPENS_NO_FILE.match(href) else _unusable(shown)
    if target.startswith("file:") and not _is_in_source(target, base, location.source_root):
        return _unusable(href)
    return target


def kept_links(listed: object, base: str, location: DocumentLocation) -> Iterator[JsonObject]:
    """The links of a document, read at `base`, that still make sense in the mirror, with hrefs for it.

    Links to other documents of the catalogue are left out, because the mirror has its own; so are values
    that are no link. A relative link of a local catalogue to nothing stays as it is if it does not lead out
    of the mirror.
    """
    for link in listed if isinstance(listed, list) else ():
        rel, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if isinstance(rel, str | list) and isinstance(href, str) and not has_relation(link, _STRUCTURAL_RELS):
            target = outward_href(href, base, location)
            keeps = target.startswith(UNUSABLE) and _stays_inside(href, location)
            yield {**link, "href": href if keeps else target}


def origin_link(listed: object, base: str, location: DocumentLocation, media_type: str) -> list[JsonObject]:
    """A link to where the document came from: its self link if that is usable, else where it was read.

    Its relation is canonical, or via if the publisher has a canonical link. No link for a document from a
    local disk, whose path means nothing elsewhere.
    """
    stated, rel = [], "canonical"
    for link in listed if isinstance(listed, list) else ():
        if not isinstance(link, dict) or not has_relation(link, _OF_ITSELF):
            continue
        if "canonical" in relations(link):
            rel = "via"
        elif isinstance(link.get("href"), str):
            stated.append(link["href"])
    for href in (*stated, base):
        target = outward_href(href, base, location)
        if is_remote(target):
            return [{"rel": rel, "href": target, "type": media_type}]
    return []


def _unusable(href: str) -> str:
    return UNUSABLE + quote(href, errors="replace")


def _is_in_source(target: str, base: str, source_root: str) -> bool:
    """Whether a file: URL is in the local catalogue; for a document from the network it never is."""
    if not source_root or is_remote(base):
        return False
    path = posixpath.normpath(unquote(urlsplit(target).path))
    return path.startswith(source_root.rstrip("/") + "/")


def _stays_inside(href: str, location: DocumentLocation) -> bool:
    """Whether a relative href of the document in the mirror stays below DEST."""
    if not href or href.startswith("/") or "\\" in href or ":" in href.partition("/")[0]:
        return False
    return not posixpath.normpath(posixpath.join(posixpath.dirname(location.path), href)).startswith("..")
