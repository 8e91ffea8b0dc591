"""What a body is by its first bytes: an error page where data should be is seen before it is kept.

The catalogue's word is not enough to refuse a body, for catalogues declare wrong types: data of any other
format is taken. Refused is HTML, XML or JSON where a format that cannot be text is declared, by suffix and
by media type.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from ..errors import TransferError, Transient
from . import kinds
from .kinds import Kind, Room

ENOUGH = 256
"""Bytes that tell one kind from another; a body with fewer is judged when it is whole."""
_HTML = re.compile(
    rb"(?:<\?xml[^>]*+>|(?><!--.*?-->)|\s)*+<(?:!doctype\s+html|(?:html|head|body|script|title|meta|center)[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(rb"<(?:\?xml\s|[A-Za-z_][\w.:-]*(?:[\s>]|/>))")
_JSON = re.compile(rb'\{\s*(?:"|\}|\Z)|\[\s*(?:[{\["\]\d-]|\Z)')
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_PAGES = ("text/html", "application/xhtml")
_UTF8 = codecs.getincrementaldecoder("utf-8")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r")) + b"\x7f"


def impostor(first: bytes, path: str, media_type: str | None = None, said: str = "") -> str:
    """The name of what a body is that the file at `path` cannot be; "" where nothing is wrong.

    `first`: its first ENOUGH bytes, or all there are. `said`: the Content-Type it came with, which servers
    make up for what they do not know: it is believed of a text alone, in place of what cannot be one.
    """
    _, dot, suffix = path[-12:].rpartition(".")
    kind, room = _declared(dot and suffix, (media_type or "")[:80])
    if first.startswith(kind.magics) or room is Room.ANYTHING:
        return ""
    text = _text(first)
    name, needed = _which(text)
    if text and not name and room is Room.NOTHING and said.strip().lower().startswith(_PAGES):
        return "HTML"
    return "" if needed & room else name


def refusal(name: str, found: str) -> TransferError:
    """What to raise for an impostor: a login or maintenance page may be gone next time, the rest stays."""
    words = f"{name}: {found} came instead"
    if found == "HTML":
        return Transient(words, kind="wrong-content", tries=3)
    return TransferError(words, kind="wrong-content")


@lru_cache(1024)
def _declared(suffix: str, media_type: str | None) -> tuple[Kind, Room]:
    """The format by its most telling declaration, and the markup that any declaration has room for."""
    found = kinds.declared(f"x.{suffix}", media_type)
    if not found:
        return Kind("unknown"), Room.ANYTHING
    room = Room.NOTHING
    for kind in found:
        room |= kind.room
    return found[0], room


def _text(first: bytes) -> bytes:
    """A body as far as it is a text; nothing of data."""
    text = first
    if (coding := _WIDE.get(first[:2])) is not None:
        text = first[2 : len(first) & ~1].decode(coding, "replace").encode()
    if not _readable(text) or kinds.recognised(first) or kinds.is_other(first):
        return b""
    return text.removeprefix(b"\xef\xbb\xbf").lstrip()


def _readable(first: bytes) -> bool:
    """Text in UTF-8, its last character perhaps cut off; in an older coding only if it is marked up."""
    if first.translate(None, _CONTROLS) != first:
        return False
    try:
        _UTF8().decode(first)
    except UnicodeDecodeError:
        return first.lstrip().startswith((b"<", b"{"))
    return True


def _which(text: bytes) -> tuple[str, Room]:
    """What markup a text is, and the room it needs."""
    if _HTML.match(text):
        return "HTML", Room.HTML
    if _XML.match(text):
        return "XML", Room.XML
    if _JSON.match(text):
        return "JSON", Room.JSON
    return "", Room.NOTHING  # plain text is odd data, which only a digest can call wrong
