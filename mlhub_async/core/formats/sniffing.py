"""Recognises a page, a message or a pointer that a server sent in place of a file, by its first bytes.

Refused is a text (HTML, XML, JSON or plain) where neither suffix nor media type declare a format that may be
such a text, and HTML that the server calls a page where they declare anything but one. Binary data of any
other format than the declared one is accepted: catalogues often declare wrong types. A picture for
browsers in place of data, which the server calls a picture too, is a placeholder.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from .. import pattern_on_use
from ..errors import TransferError, Transient
from . import kinds
from .kinds import Kind, Markup

SNIFF_BYTES = 256
"""Bytes that are enough to recognise a page; a shorter body is examined when it is complete."""
_HTML = pattern_on_use(
    rb"(?:<\?xml[^>]*+>|(?><!--.*?-->)|\s)*+<(?:!doctype\s+html|(?:html|head|body|script|title|meta|center)[\s>])",
    re.IGNORECASE | re.DOTALL,
)
_FRAGMENT = pattern_on_use(
    rb"<(?:div|p|span|h[1-6]|form|style|link|base|main|section|noscript|iframe|pre|br)[\s>/]", re.IGNORECASE
)
"""What else a page may begin with, where the server calls it one."""
_XML = pattern_on_use(rb"<(?:\?xml\s|[A-Za-z_][\w.:-]*(?:[\s>]|/>))")
_LISTING = pattern_on_use(rb"(?:<\?xml[^>]*+>\s*+)?<(?:ListBucketResult|EnumerationResults)[\s>]")
"""How S3 and Azure list a container."""
_JSON = pattern_on_use(rb'\{\s*(?:"|\}|\Z)|\[\s*(?:[{\["\]\d-]|\Z)')
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_JSON_VALUE = pattern_on_use(rb'["\[{]|-?\d|(?:true|false|null|NaN|-?Infinity)\b')
_GZIP_SUFFIXES = frozenset({"gz", "GZ", "tgz"})
_POINTERS = {
    "a Git LFS pointer": pattern_on_use(
        rb"version https?://[\w./-]+/spec/v1\r?\n(?:[\w-]+ \S+\r?\n)*oid sha256:"
    ),
    "a git-annex pointer": pattern_on_use(rb"(?:(?:\.\./)*+\.git|)/annex/objects/\S"),
    "a Xet pointer": pattern_on_use(rb"# xet version \d+\s+filesize = "),
}
"""Small files that a repository of source code holds in place of large ones, by their first bytes."""
PLAIN_TEXT = "plain text"
UNKNOWN = Kind("unknown", (), Markup.ANYTHING)
_PAGE_TYPES = ("text/html", "application/xhtml")
_UTF8 = codecs.getincrementaldecoder("utf-8")
_NOT_ASCII = bytes(range(128, 256))
_control = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]").search
"""A character that no text has. In binary data there nearly always is one among the first."""


def unexpected_text(first: bytes, path: str, media_type: str | None = None, content_type: str = "") -> str:
    """What a body is ("HTML", "plain text" …) that the file at `path` cannot be; "" if nothing is wrong.

    `first`: its first `SNIFF_BYTES` bytes, or all that there are. `media_type`: that of the catalogue.
    `content_type`: the Content-Type of the response. Servers guess it, so it counts only for text where no
    text can be, and for HTML where another text is declared: what comes as text/html is a page then.
    """
    return _unexpected(_declared_at(path, media_type), first, content_type)


def is_expected(first: bytes, path: str, media_type: str | None, content_type: str) -> bool:
    """Whether neither `unexpected_text` nor `is_undecided` finds anything: the usual case, at less cost."""
    kind = _declared_at(path, media_type)
    if first.startswith(kind.magics):
        return True
    if kind is not UNKNOWN and _control(first) and first[:2] not in _BYTE_ORDER_MARKS:
        return not placeholder(first, path, media_type, content_type)
    return not (kind.late or _unexpected(kind, first, content_type))


def _unexpected(kind: Kind, first: bytes, content_type: str) -> str:
    if first.startswith(kind.magics) or kind is kinds.PAGE or not first:
        return ""
    if kind is UNKNOWN:
        return _pointer(first)
    is_page = content_type.strip().lower().startswith(_PAGE_TYPES)
    if kind is kinds.TEXT and not is_page:
        return ""
    if (text := _text(first)) is None:
        return ""
    if is_page and (_HTML.match(text) or _FRAGMENT.match(text)):
        return "HTML"
    if kind is kinds.TEXT:
        return ""
    name, needed = _markup_of(text)
    if name:
        return "" if needed & kind.markup else name
    if (pointer := _pointer(text)) or kind.markup & Markup.PLAIN:
        return pointer
    if is_page and not kind.markup:
        return "HTML"
    return "" if _may_begin(kind, text, len(first)) else PLAIN_TEXT


def _may_begin(kind: Kind, text: bytes, size: int) -> bool:
    """Whether a file of a format that is no plain text may begin with a text, of `size` bytes here."""
    if kind.markup & Markup.JSON and _JSON_VALUE.match(text):
        return True
    if kind.markup & Markup.XML and text.startswith(b"<"):
        return True
    return kind.late and (size >= SNIFF_BYTES or any(magic in text for magic in kind.magics))


def is_undecided(first: bytes, path: str, media_type: str | None) -> bool:
    """Whether only the rest of a file can show that it is no text: a ZIP or HDF5 file may follow one."""
    kind = _declared_at(path, media_type)
    if not kind.late or kind.markup or first.startswith(kind.magics):
        return False
    return len(first) >= SNIFF_BYTES and _text(first) is not None


def placeholder(first: bytes, path: str, media_type: str | None, content_type: str) -> str:
    """The picture that came in place of data, as in "the server sent a picture (image/png) instead"; or "".

    Both suffix and media type, where known, must declare formats that no browser shows, and the Content-Type
    be that of the picture: a server that takes it from the name of a file would send another one.
    """
    if "image/" not in content_type.lower():
        return ""
    found = kinds.recognised(first)
    if found not in kinds.PICTURES or kinds.of_media_type(content_type) is not found:
        return ""
    declared = kinds.declared(path, media_type)
    if not declared or not all(one in kinds.NO_PICTURES for one in declared):
        return ""
    return f"a picture ({content_type.partition(';')[0].strip().lower()})"


def directory_listing(first: bytes, content_type: str = "") -> str:
    """What a body is ("HTML", "XML") that lists a directory, by its first bytes; "" if it is none.

    Any page counts: none is the content of a directory.
    """
    text = _text(first)
    if not text:
        return ""
    if _HTML.match(text) or content_type.strip().lower().startswith(_PAGE_TYPES):
        return "HTML"
    return "XML" if _LISTING.match(text) else ""


def wrong_content_error(name: str, found: str, redirected_to: str = "") -> TransferError:
    """The error for a text in place of a file. A page or a message may be temporary, the rest is permanent;
    so is what a file on this machine holds.

    `name`, `redirected_to`: URLs as they may be shown. `found`: what `unexpected_text` returned.
    """
    if name.startswith("file:"):
        return TransferError(f"{name}: it is {found}, not what its name says", kind="wrong-content")
    words = f"{name}: the server sent {found} instead"
    if redirected_to:
        words += f", after a redirect to {redirected_to}"
        words += ": a login may be needed there (--netrc)" if found == "HTML" else ""
    if found in ("HTML", PLAIN_TEXT):
        return Transient(words, kind="wrong-content", tries=3)
    if found in _POINTERS:
        words += "; take the URL at which the repository serves the file itself"
    return TransferError(words, kind="wrong-content")


def _declared_at(path: str, media_type: str | None) -> Kind:
    stem, dot, suffix = path[-24:].rpartition(".")
    within = stem.rpartition(".")[2] if suffix in _GZIP_SUFFIXES else ""
    return _declared(dot and suffix, (media_type or "")[:80], within)


@lru_cache(1024)
def _declared(suffix: str, media_type: str | None, within: str) -> Kind:
    """The first declared format, with the text that any of the declared formats may be.

    `within`: the suffix before that of gzip, which tells what text comes if it was decompressed in transit.
    """
    found = kinds.declared(f"x.{suffix}", media_type)
    if within or suffix == "tgz":
        inner = kinds.of_suffix(f"x.{within if suffix != 'tgz' else 'tar'}")
        if inner is not None and not inner.late:
            markup = inner.markup & kinds.GZIP.markup
            found = [kind._replace(markup=markup) if kind is kinds.GZIP else kind for kind in found]
    if not found:
        return UNKNOWN
    if (text := next((kind for kind in (kinds.PAGE, kinds.TEXT) if kind in found), None)) is not None:
        return text
    markup = Markup.NOTHING
    for kind in found:
        markup |= kind.markup
    return found[0]._replace(markup=markup, late=any(kind.late for kind in found))


def _text(first: bytes) -> bytes | None:
    """A body as UTF-8 without byte order mark and leading space, if it is a text; None for binary data."""
    text = first
    if (coding := _BYTE_ORDER_MARKS.get(first[:2])) is not None:
        text = first[2 : len(first) & ~1].decode(coding, "replace").encode()
        if not _is_mostly_ascii(text):
            return None
    if not _is_text(text) or kinds.recognised(first) or kinds.is_other(first):
        return None
    return text.removeprefix(b"\xef\xbb\xbf").lstrip()


def _is_text(first: bytes) -> bool:
    """Whether this is UTF-8, perhaps with its last character cut off, or a text in an 8-bit encoding."""
    if _control(first):
        return False
    try:
        _UTF8().decode(first)
    except UnicodeDecodeError:
        return first.lstrip().startswith((b"<", b"{")) or (len(first) >= 16 and _is_mostly_ascii(first))
    return True


def _pointer(text: bytes) -> str:
    return next((name for name, form in _POINTERS.items() if form.match(text)), "")


def _is_mostly_ascii(text: bytes) -> bool:
    return len(text.translate(None, _NOT_ASCII)) * 4 >= len(text) * 3


def _markup_of(text: bytes) -> tuple[str, Markup]:
    """The name of the markup that a text begins with, and what a format must allow for it."""
    if _HTML.match(text):
        return "HTML", Markup.HTML
    if _XML.match(text):
        return "XML", Markup.XML
    if _JSON.match(text):
        return "JSON", Markup.JSON
    return "", Markup.NOTHING
