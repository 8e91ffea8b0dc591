"""Recognises an error or login page that a server sent in place of a file, by the first bytes of the body.

Refused is HTML, XML or JSON where neither suffix nor media type declare a format that may be such a text.
Binary data of any other format than the declared one is accepted: catalogues often declare wrong types.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from ..errors import TransferError, Transient
from . import kinds
from .kinds import Kind, Markup

SNIFF_BYTES = 256
"""Bytes that are enough to recognise a page; a shorter body is examined when it is complete."""
_HTML = re.compile(
    rb"(?:<\?xml[^>]*+>|(?><!--.*?-->)|\s)*+<(?:!doctype\s+html|(?:html|head|body|script|title|meta|center)[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(rb"<(?:\?xml\s|[A-Za-z_][\w.:-]*(?:[\s>]|/>))")
_JSON = re.compile(rb'\{\s*(?:"|\}|\Z)|\[\s*(?:[{\["\]\d-]|\Z)')
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_PAGE_TYPES = ("text/html", "application/xhtml")
_UTF8 = codecs.getincrementaldecoder("utf-8")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r")) + b"\x7f"


def unexpected_markup(first: bytes, path: str, media_type: str | None = None, content_type: str = "") -> str:
    """What a body is ("HTML", "XML" or "JSON") that the file at `path` cannot be; "" if nothing is wrong.

    `first`: its first `SNIFF_BYTES` bytes, or all that there are. `media_type`: that of the catalogue.
    `content_type`: the Content-Type of the response. Servers guess it, so it counts only for text where no
    text can be: any text that comes as text/html is a page then.
    """
    _, dot, suffix = path[-12:].rpartition(".")
    kind, markup = _declared(dot and suffix, (media_type or "")[:80])
    if first.startswith(kind.magics) or markup is Markup.ANYTHING:
        return ""
    text = _text(first)
    name, needed = _markup_of(text)
    if (
        text
        and not name
        and markup is Markup.NOTHING
        and content_type.strip().lower().startswith(_PAGE_TYPES)
    ):
        return "HTML"
    return "" if needed & markup else name


def wrong_content_error(name: str, found: str) -> TransferError:
    """The error for a page in place of a file. An HTML page may be temporary, the rest is permanent.

    `name`: the URL as it may be shown. `found`: what `unexpected_markup` returned.
    """
    words = f"{name}: the server sent {found} instead"
    if found == "HTML":
        return Transient(words, kind="wrong-content", tries=3)
    return TransferError(words, kind="wrong-content")


@lru_cache(1024)
def _declared(suffix: str, media_type: str | None) -> tuple[Kind, Markup]:
    """The first declared format, and the text that any of the declared formats may be."""
    found = kinds.declared(f"x.{suffix}", media_type)
    if not found:
        return Kind("unknown"), Markup.ANYTHING
    markup = Markup.NOTHING
    for kind in found:
        markup |= kind.markup
    return found[0], markup


def _text(first: bytes) -> bytes:
    """A body as UTF-8 without byte order mark and leading space, if it is a text; b"" for binary data."""
    text = first
    if (coding := _BYTE_ORDER_MARKS.get(first[:2])) is not None:
        text = first[2 : len(first) & ~1].decode(coding, "replace").encode()
    if not _is_text(text) or kinds.recognised(first) or kinds.is_other(first):
        return b""
    return text.removeprefix(b"\xef\xbb\xbf").lstrip()


def _is_text(first: bytes) -> bool:
    """Whether this is UTF-8, perhaps with its last character cut off, or markup in an 8-bit encoding."""
    if first.translate(None, _CONTROLS) != first:
        return False
    try:
        _UTF8().decode(first)
    except UnicodeDecodeError:
        return first.lstrip().startswith((b"<", b"{"))
    return True


def _markup_of(text: bytes) -> tuple[str, Markup]:
    """The name of the markup that a text begins with, and what a format must allow for it."""
    if _HTML.match(text):
        return "HTML", Markup.HTML
    if _XML.match(text):
        return "XML", Markup.XML
    if _JSON.match(text):
        return "JSON", Markup.JSON
    return "", Markup.NOTHING  # plain text: only a digest can show that it is wrong
