"""Turns strings of a catalogue into relative paths that are valid and safe on every file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from ..core import pattern_on_use
from ..core.errors import UsageError
from ..core.urls import term_safe
from .layout import CATALOG_FILE, COLLECTION_FILE, COMMON_DIR, collection_document, item_document

MAX_COMPONENT_BYTES = 180
"""Of one path component: file systems take 255; the rest is for suffixes that programs add."""
MAX_LEVELS = 64

DEFAULT_TEMPLATE = "${collection}/${id}/${key}${ext}"
VARIABLES = (
    "collection",
    "id",
    "key",
    "ext",
    "filename",
    "datetime",
    "year",
    "month",
    "day",
    "label",
    "scene",
)
OPTIONAL_LEVEL = "${scene}"
"""A level of a path template that is left out where it is empty."""

_RESERVED = r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)"
_plain = re.compile(
    rf"(?!{_RESERVED})[A-Za-z0-9_!$&'()+,=@\[\]^`{{}}](?:[A-Za-z0-9_.~!$&'()+,=@\[\]^`{{}} -]*"
    r"[A-Za-z0-9_~!$&'()+,=@\[\]^`{}-])?"
).fullmatch
_reserved = re.compile(_RESERVED).match
_BAD = '\x00-\x1f\x7f-\x9f/\\\\:*?#;"<>|%\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff'
"""Beside what file systems refuse: # ? ; end the path of a href, and % is decoded by some readers only."""
_UNSAFE = pattern_on_use(rf"[{_BAD}]|\A[.~ -]|[. ]\Z")
_NOT_ASCII = pattern_on_use(r"[^\x00-\x7f]")
_SUFFIX = pattern_on_use(r"(?<=.)\.[A-Za-z0-9]{1,8}\Z", re.DOTALL)
_suffix = re.compile(r"\.[A-Za-z0-9]{1,8}", re.ASCII).fullmatch
_HALF_ESCAPE = pattern_on_use(r"~[0-9A-F]?\Z")
_VARIABLE = pattern_on_use(r"\$\{([^}]*)\}")


def safe_component(text: str, spare: int = 0) -> str:
    """One path component for this text: the text if it is safe, else escaped (`~3A`) with a hash.

    A text that is too long is cut so that `spare` bytes may follow. Deterministic and idempotent; different
    texts give different names unless their SHA-256 collides.
    """
    if len(text) <= MAX_COMPONENT_BYTES and _plain(text):
        return text
    # The middle of a very long text is left out of the name, but not of the hash.
    seen = text if len(text) <= 2048 else text[:1024] + text[-16:]
    name = _escaped(unicodedata.normalize("NFC", seen))
    if name == text and _byte_length(name) <= MAX_COMPONENT_BYTES:
        return name
    return with_hash(name, text, MAX_COMPONENT_BYTES - spare)


def is_plain_path(path: str) -> bool:
    """Whether every file system takes the names of a relative path as they are. They may begin with a dot."""
    names = path.split("/")
    return len(names) < MAX_LEVELS and all(
        name == safe_component(name)
        or (name[:1] == "." and name[1:] and name[1:] == safe_component(name[1:]))
        for name in names
    )


def _escaped(text: str) -> str:
    text = _UNSAFE.sub(_escape, text)
    # The last letter of an escape may compose with an accent after it: escape all non-ASCII then.
    if unicodedata.normalize("NFC", text) != text:
        text = _NOT_ASCII.sub(_escape, text)
    return f"_{text}" if not text or text[0] == "~" or _reserved(text) else text


def _escape(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _byte_length(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))


def with_hash(name: str, seed: str, longest: int = MAX_COMPONENT_BYTES) -> str:
    """The name with a hash of the seed before its extension, cut to `longest` bytes."""
    return with_tag(name, hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:10], longest)


def with_tag(name: str, tag: str, longest: int = MAX_COMPONENT_BYTES) -> str:
    """The same with these hexadecimal digits."""
    found = _SUFFIX.search(name)
    stem, suffix = (name[: found.start()], found[0]) if found else (name, "")
    room = longest - len(tag) - len(suffix) - 1
    if _byte_length(stem) > room:
        stem = _HALF_ESCAPE.sub("", stem.encode("utf-8")[:room].decode("utf-8", "ignore"))
    return f"{stem}~{tag}{suffix}"


def distinct(path: str, seed: str) -> str:
    """The same path with a hash of the seed in its last component: for the second of two that collide."""
    parent, slash, name = path.rpartition("/")
    return parent + slash + with_hash(name, seed)


def distinct_document(path: str, seed: str) -> str:
    """The same for the path of a document: its directory gets the hash, and the document with it."""
    *above, folder, name = path.split("/")
    other = with_hash(folder, seed, MAX_COMPONENT_BYTES - len(".json"))
    return "/".join((*above, other, f"{other}.json" if name == f"{folder}.json" else name))


def fold(path: str) -> str:
    """A key that is equal for paths that are one path on some file system: by case or Unicode composition."""
    if path.isascii():
        folded = path.lower()
        return path if folded == path else folded  # kept for every open file
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


@lru_cache(maxsize=1024)
def collection_dir(id: str) -> str:
    """The directory of a collection under DEST; never the name of a file of the mirror itself."""
    return _avoid_names(safe_component(id), id, CATALOG_FILE)


@lru_cache(maxsize=4096)
def item_dir(id: str) -> str:
    """The directory of an item in its collection's; "" stands for the collection's own assets."""
    if not id:
        return COMMON_DIR
    return _avoid_names(safe_component(id, len(".json")), id, COLLECTION_FILE, COMMON_DIR)


def _avoid_names(name: str, id: str, *taken: str) -> str:
    return distinct(name, id) if fold(name) in taken else name


def check_template(template: str) -> None:
    """Raise `UsageError` for a path template that `render` could not follow literally."""
    for name in _VARIABLE.findall(template):
        if name not in VARIABLES:
            known = " ".join(f"${{{known}}}" for known in VARIABLES)
            raise UsageError(
                f"the path template has an unknown variable ${{{term_safe(name)}}}; known are {known}"
            )
    parts = _VARIABLE.sub("x", template).split("/")
    if len(parts) > MAX_LEVELS:
        raise UsageError(f"the path template has {len(parts)} levels; no more than {MAX_LEVELS} are made")
    for part in parts:
        if "$" in part or any(f"{{{name}}}" in part for name in VARIABLES):
            raise UsageError("variables of a path template are written ${name}, with dollar and both braces")
        if safe_component(part) != part:
            raise UsageError(
                f"the path template must be a relative path with / between its levels, and each level a file"
                f" name that every system takes: {term_safe(part)!r} is not"
            )


def names_labels(template: str) -> bool:
    """Whether paths depend on the label item that an item is source imagery of."""
    return "${label}" in template or "${scene}" in template


def render(template: str, fields: Mapping[str, str]) -> str:
    """The relative path of one asset; it has the levels of the template, whatever the values contain, but
    for one of `${scene}` alone that is empty.

    `collection` and `id` may also be the names that their directories have got. A missing value counts as
    empty, an empty `id` as the collection itself. A path that the mirror needs for a document of its own
    gets a hash.
    """
    if template == DEFAULT_TEMPLATE:
        name = fields.get("key", "") + fields.get("ext", "")
        return path_in_folder(item_folder(fields.get("collection", ""), fields.get("id", "")), name)
    parts = [part for part in template.split("/") if part != OPTIONAL_LEVEL or fields.get("scene")]
    path = "/".join(_level(part, fields) for part in parts)
    collection, item = fields.get("collection", ""), fields.get("id", "")
    return _avoid_documents(path, collection, item) if ".json" in path.casefold() else path


class ItemFolder(NamedTuple):
    """The directory of an item in the default template. `may_collide`: its path may be a document's."""

    collection: str
    item: str
    path: str
    may_collide: bool


def item_folder(collection: str, item: str) -> ItemFolder:
    """By the ids, or by the names that their directories have got."""
    folder = f"{collection_dir(collection)}/{item_dir(item)}"
    return ItemFolder(collection, item, folder, ".json" in folder.casefold())


def path_in_folder(folder: ItemFolder, text: str) -> str:
    """The path of a file in the directory, with a name made of `text`."""
    name, may_collide = _file_name(text)
    path = f"{folder.path}/{name}"
    if may_collide or folder.may_collide:
        return _avoid_documents(path, folder.collection, folder.item)
    return path


@lru_cache(maxsize=4096)
def _file_name(text: str) -> tuple[str, bool]:
    """Cached, as asset keys are the same in every item. True for a name that may collide with a document."""
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


def _avoid_documents(path: str, collection: str, item: str) -> str:
    above, folder = collection_dir(collection), item_dir(item)
    ours = (CATALOG_FILE, collection_document(above), item_document(above, folder))
    taken = {fold(document) for document in ours}
    levels = path.split("/")
    for depth, level in enumerate(levels):
        place = "/".join(levels[: depth + 1])
        if fold(place) in taken:
            levels[depth] = distinct(level, place)
    return "/".join(levels)
