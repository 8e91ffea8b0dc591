"""Hides how a href is spelled in the mirror: relative inside, absolute and without secrets outside.

A path is written into a href as it stands, not percent-encoded: pystac opens a relative href as a file
name without decoding it, so the file "a%3Ab" is found as "./a%3Ab" and never as "./a%253Ab". Spaces and
letters beyond ASCII are found by pystac and rustac alike; "#", "?" and ";", which would end the path for
them, are in no name that we make.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from ...core import urls
from ...core.errors import MlhubError
from ...core.model import JsonObject

_STRUCTURAL = frozenset(
    {"self", "root", "parent", "collection", "child", "item", "items", "next", "prev", "previous"}
)
_REMOTE = re.compile(r"(https?|s3|gs|az|abfss?)://", re.I)
_OPENS_NO_FILE = re.compile(r"(?!file:|https?:|[a-z]:)[a-z][a-z0-9+.-]*:", re.I)
INERT = "unusable:"


@dataclass(frozen=True, slots=True)
class DocumentLocation:
    """Where a document lies in the mirror; paths are relative to DEST, with forward slashes.

    `collection` is the path of its collection.json, None for an item that belongs straight to the root.
    `base` is the absolute path or URL of DEST when asset hrefs shall be absolute, else "".
    `source_root` is the absolute path of a local source: only what lies in it may be pointed to on disk.
    """

    path: str
    collection: str | None = None
    base: str = ""
    source_root: str = ""


def relative(target: str, start: str) -> str:
    """The href of the file `target` as the file `start` writes it."""
    folder = start[: start.rfind("/") + 1]
    if target.startswith(folder):
        return "./" + target[len(folder) :]
    here, there = folder.split("/")[:-1], target.split("/")
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    return "../" * (len(here) - shared) + "/".join(there[shared:])


def asset_href(path: str, place: DocumentLocation) -> str:
    """The href of an asset file that is in the mirror."""
    if not place.base:
        return relative(path, place.path)
    return f"{place.base.rstrip('/')}/{quote(path) if _REMOTE.match(place.base) else path}"


def outward(href: str, base: str, place: DocumentLocation) -> str:
    """The href of something that is not in the mirror.

    1. It leads to the network: absolute, without what is secret in its query.
    2. It leads to a file of the local source: a file: URL.
    3. It is of a scheme that opens no file (mailto:, doi:): as it is.
    4. Anything else could make a reader open a file because a catalogue said so: kept, but made inert.
    """
    try:
        target = urls.public(urls.parse(href, base or None))
    except MlhubError:
        shown = urls.redacted(href) if "://" in href and ("@" in href or "?" in href) else href
        return shown if _OPENS_NO_FILE.match(href) else _inert(shown)
    if target.startswith("file:") and not _within(target, base, place.source_root):
        return _inert(href)
    return target


def links(listed: object, base: str, place: DocumentLocation) -> Iterator[JsonObject]:
    """The links of a document, as read at `base`, that hold in its new place too.

    What ties a document to its siblings is left out: the mirror has its own. So is what is no link at all.
    A dangling relative link of a local source stays as it is as long as it does not leave the mirror.
    """
    for link in listed if isinstance(listed, list) else ():
        rel, href = (link.get("rel"), link.get("href")) if isinstance(link, dict) else (None, None)
        if isinstance(rel, str) and isinstance(href, str) and rel not in _STRUCTURAL:
            target = outward(href, base, place)
            yield {**link, "href": href if target.startswith(INERT) and _inside(href, place) else target}


def origin_link(listed: object, base: str, place: DocumentLocation, media_type: str) -> list[JsonObject]:
    """Where the document came from: its own self link if it has a usable one, else where it was read.

    The publisher's own canonical link, if any, stays the only one: ours is then called via. Documents
    read from a disk have no origin that would mean anything elsewhere.
    """
    own = [link for link in listed if isinstance(link, dict)] if isinstance(listed, list) else []
    stated = [link["href"] for link in own if link.get("rel") == "self" and isinstance(link.get("href"), str)]
    for href in (*stated, base):
        target = outward(href, base, place)
        if _REMOTE.match(target):
            rel = "via" if any(link.get("rel") == "canonical" for link in own) else "canonical"
            return [{"rel": rel, "href": target, "type": media_type}]
    return []


def _inert(href: str) -> str:
    return INERT + quote(href, errors="replace")


def _within(target: str, base: str, source_root: str) -> bool:
    """Whether a file: URL lies in the local source; a document from the network never has one."""
    if not source_root or _REMOTE.match(base):
        return False
    path = posixpath.normpath(unquote(urlsplit(target).path))
    return path.startswith(source_root.rstrip("/") + "/")


def _inside(href: str, place: DocumentLocation) -> bool:
    """Whether a relative href, read in its new place, stays below DEST."""
    if not href or href.startswith("/") or "\\" in href or ":" in href.partition("/")[0]:
        return False
    return not posixpath.normpath(posixpath.join(posixpath.dirname(place.path), href)).startswith("..")
