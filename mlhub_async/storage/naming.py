"""Hides what file systems can bear: turns a catalogue's strings into relative paths safe on all of them."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from ..core.errors import UsageError
from ..core.urls import term_safe
from .layout import CATALOG_FILE, COLLECTION_FILE, COMMON_DIR, collection_document, item_document

LONGEST = 180
"""Bytes of one component: file systems take 255, partial names and other people's suffixes want room."""
MOST_LEVELS = 64

DEFAULT_TEMPLATE = "${collection}/${id}/${key}${ext}"
VARIABLES = ("collection", "id", "key", "ext", "filename", "datetime", "year", "month", "day")

_RESERVED = r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)"
_plain = re.compile(
    rf"(?!{_RESERVED})[A-Za-z0-9_!$&'()+,=@\[\]^`{{}}](?:[A-Za-z0-9_.~!$&'()+,=@\[\]^`{{}} -]*"
    r"[A-Za-z0-9_~!$&'()+,=@\[\]^`{}-])?"
).fullmatch
_reserved = re.compile(_RESERVED).match
_BAD = '\x00-\x1f\x7f-\x9f/\\\\:*?#;"<>|\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff'
_UNSAFE = re.compile(rf"[{_BAD}%]|\A[.~ -]|[. ]\Z")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ours = re.compile(rf"(?:[^{_BAD}%]|%[0-9A-F]{{2}})+~[0-9a-f]{{10}}(?:\.[A-Za-z0-9]{{1,8}})?").fullmatch
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,8}\Z", re.DOTALL)
_suffix = re.compile(r"\.[A-Za-z0-9]{1,8}", re.ASCII).fullmatch
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?\Z")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def safe_component(text: str, spare: int = 0) -> str:
    """One path component for this text: itself if that is safe everywhere, else encoded and tagged.

    What has to be cut is cut so that `spare` bytes may follow.
    Deterministic, and different for different texts as far as SHA-256 is; a name made here stays as it is.
    """
    if len(text) <= LONGEST and _plain(text):
        return text
    # The middle of a text beyond all limits cannot be seen in its name; its hash still counts.
    seen = text if len(text) <= 2048 else text[:1024] + text[-16:]
    name = _encoded(unicodedata.normalize("NFC", seen))
    if name == text and _size(name) <= LONGEST:
        return name
    return _tagged(name, text, LONGEST - spare)


def _encoded(text: str) -> str:
    if not _made_here(text):
        text = _UNSAFE.sub(_percent, text)
        # An escape's last letter may take up the accent that follows it: then nothing but ASCII is left.
        if unicodedata.normalize("NFC", text) != text:
            text = _NOT_ASCII.sub(_percent, text)
    return f"_{text}" if not text or _reserved(text) else text


def _made_here(text: str) -> bool:
    return bool("%" in text and _ours(text) and text[0] not in ".~ -")


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _size(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))


def _tagged(name: str, seed: str, longest: int = LONGEST) -> str:
    """The name with the hash of the seed before its extension, cut to fit."""
    found = _SUFFIX.search(name)
    stem, suffix = (name[: found.start()], found[0]) if found else (name, "")
    tag = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    room = longest - len(tag) - len(suffix) - 1
    if _size(stem) > room:
        stem = _HALF_ESCAPE.sub("", stem.encode("utf-8")[:room].decode("utf-8", "ignore"))
    return f"{stem}~{tag}{suffix}"


def distinct(path: str, seed: str) -> str:
    """The same path, its last component marked by the seed's hash: for the second of two that collide."""
    parent, slash, name = path.rpartition("/")
    return parent + slash + _tagged(name, seed)


def fold(path: str) -> str:
    """The key under which a path collides with another on some file system: by case or composition."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


@lru_cache(maxsize=1024)
def collection_dir(id: str) -> str:
    """The directory of a collection under DEST; never the name of a file that DEST has itself."""
    return _beside(safe_component(id), id, CATALOG_FILE)


@lru_cache(maxsize=4096)
def item_dir(id: str) -> str:
    """The directory of an item in its collection's; "" stands for the collection's own assets."""
    return _beside(safe_component(id, len(".json")), id, COLLECTION_FILE, COMMON_DIR) if id else COMMON_DIR


def _beside(name: str, id: str, *taken: str) -> str:
    return distinct(name, id) if fold(name) in taken else name


def check_template(template: str) -> None:
    """Raise `UsageError` for a path template that `render` could not follow as its author meant it."""
    for name in _VARIABLE.findall(template):
        if name not in VARIABLES:
            known = " ".join(f"${{{known}}}" for known in VARIABLES)
            raise UsageError(
                f"the path template has an unknown variable ${{{term_safe(name)}}}; known are {known}"
            )
    parts = _VARIABLE.sub("x", template).split("/")
    if len(parts) > MOST_LEVELS:
        raise UsageError(f"the path template has {len(parts)} levels; no more than {MOST_LEVELS} are made")
    for part in parts:
        if "$" in part or any(f"{{{name}}}" in part for name in VARIABLES):
            raise UsageError("variables of a path template are written ${name}, with dollar and both braces")
        if safe_component(part) != part:
            raise UsageError(
                f"the path template must be a relative path with / between its levels, and each level a file"
                f" name that every system takes: {term_safe(part)!r} is not"
            )


def render(template: str, fields: Mapping[str, str]) -> str:
    """The relative path of one asset; its levels are the template's, whatever the values contain.

    A value that is missing counts as empty, an empty `id` as the collection itself. A path that the
    mirror needs for a document of its own is moved aside.
    """
    if template == DEFAULT_TEMPLATE:
        leaf = fields.get("key", "") + fields.get("ext", "")
        return at_home(home(fields.get("collection", ""), fields.get("id", "")), leaf)
    path = "/".join(_level(part, fields) for part in template.split("/"))
    collection, item = fields.get("collection", ""), fields.get("id", "")
    return _aside(path, collection, item) if ".json" in path.casefold() else path


class Home(NamedTuple):
    """Where the default template puts what belongs to one item. `suspect`: it looks like a document."""

    collection: str
    item: str
    folder: str
    suspect: bool


def home(collection: str, item: str) -> Home:
    folder = f"{collection_dir(collection)}/{item_dir(item)}"
    return Home(collection, item, folder, ".json" in folder.casefold())


def at_home(home: Home, leaf: str) -> str:
    """The path of a file that would like to be called `leaf` there."""
    name, suspect = _leaf(leaf)
    path = f"{home.folder}/{name}"
    return _aside(path, home.collection, home.item) if suspect or home.suspect else path


@lru_cache(maxsize=4096)
def _leaf(text: str) -> tuple[str, bool]:
    """Asset keys come again with every item."""
    name = safe_component(text)
    return name, ".json" in name.casefold()


def _level(part: str, fields: Mapping[str, str]) -> str:
    return safe_component(_VARIABLE.sub(lambda found: _value(found[1], fields), part) or "_")


def _value(name: str, fields: Mapping[str, str]) -> str:
    text = fields.get(name, "")
    if name == "collection":
        return collection_dir(text)
    if name == "id":
        return item_dir(text)
    if not text or (name == "ext" and _suffix(text)):
        return text
    return safe_component(text.replace(":", "-") if name == "datetime" else text)


def _aside(path: str, collection: str, item: str) -> str:
    above, folder = collection_dir(collection), item_dir(item)
    ours = (CATALOG_FILE, collection_document(above), item_document(above, folder))
    taken = {fold(document) for document in ours}
    levels = path.split("/")
    for depth, level in enumerate(levels):
        place = "/".join(levels[: depth + 1])
        if fold(place) in taken:
            levels[depth] = distinct(level, place)
    return "/".join(levels)
