"""Encodes JSON documents without the secrets of URLs in them; also odd values, and long documents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from ...core import pattern_on_use
from ...core.errors import TransferError
from ...core.json_text import dumps
from ...core.model import JsonObject
from ...core.urls import without_credentials

T = TypeVar("T")
_LINKS_PER_PIECE = 1000
_SEPARATOR = b",\n    "
MAX_DEPTH = 600
"""Levels of nesting that are written. How many Python can encode differs by version, layout and caller."""
_QUERY = pattern_on_use(rb'[?](?:[^"\\]|\\.)*')
_USER = pattern_on_use(rb'://(?:[^"\\/?]|\\.)*@')
_TOKEN = pattern_on_use(rb'/download/[^"\\/?#]{32}')
_URL = pattern_on_use(rb'"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^"\\]|\\.)*"')
_TEXT = pattern_on_use(rb'"(?:[^"\\?@]|\\.)*[?@](?:[^"\\]|\\.)*"')


def to_json(value: JsonObject, *, indent: bool = False) -> bytes:
    """One JSON document, without a trailing newline and without credentials in its URLs.

    Raises `TransferError` for a value that JSON cannot hold.
    """
    raw = _encoded(value, indent)
    return _URL.sub(_rewriter(without_credentials), raw) if _may_hold_secrets(raw) else raw


def encode_fetchable(value: JsonObject, hide: Callable[[str], str]) -> bytes:
    """The same with signatures and tokens, without which its assets could not be fetched.

    `hide` removes the user's own secrets from a text that may be a URL.
    """
    return _TEXT.sub(_rewriter(hide), _encoded(value, indent=False))


def _encoded(value: JsonObject, indent: bool) -> bytes:
    try:
        return dumps(value, indent=indent)
    except TypeError:
        return _encode_oddity(value, indent)


def _may_hold_secrets(raw: bytes) -> bool:
    """Cheap: most documents have no query at all, or none that changes without its credentials."""
    queries = _QUERY.findall(raw) if b"?" in raw else ()
    if any(b"\\" in query or without_credentials(text := query.decode()) != text for query in queries):
        return True
    if b"/download/" in raw and _TOKEN.search(raw) is not None:
        return True
    return b"@" in raw and _USER.search(raw) is not None


def _rewriter(hide: Callable[[str], str]) -> Callable[[re.Match[bytes]], bytes]:
    def rewritten(found: re.Match[bytes]) -> bytes:
        text = json.loads(found[0])
        kept = hide(text)
        return found[0] if kept == text else json.dumps(kept).encode("ascii")

    return rewritten


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    while level and depth >= 0:
        level = [child for one in level for child in _children(one)]
        depth -= 1
    return bool(level)


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def stream(head: JsonObject, links: Iterable[JsonObject], items: Iterable[str] = ()) -> Iterator[bytes]:
    """The document `head` with its links as its last field, one per line; in pieces, for millions of links.

    `items` are hrefs of items, relative ones, for links that follow `links`.
    """
    yield to_json(head, indent=True)[:-2] + b',\n  "links": [\n    '
    separator = b""
    for batch in _batches(links):
        yield separator + _SEPARATOR.join(map(to_json, batch))
        separator = _SEPARATOR
    for hrefs in _batches(items):
        yield separator + _item_links(hrefs)
        separator = _SEPARATOR
    yield b"\n  ]\n}\n"


def _batches(found: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(found)
    while batch := list(islice(remaining, _LINKS_PER_PIECE)):
        yield batch


def _item_links(hrefs: list[str]) -> bytes:
    """What `to_json` makes of a link for each href, with the separators: all at once, by the array of hrefs.

    No href begins with a comma, and a quote inside of one is escaped: so `","` is between two of them.
    """
    begin, end = b'{"rel":"item","href":"', b'","type":"application/geo+json"}'
    try:
        text = dumps(hrefs)[2:-2]
    except TypeError:
        links = ({"rel": "item", "href": one, "type": "application/geo+json"} for one in hrefs)
        return _SEPARATOR.join(map(to_json, links))
    return begin + text.replace(b'","', end + _SEPARATOR + begin) + end


def _encode_oddity(value: JsonObject, indent: bool) -> bytes:
    """Lone surrogates, integers over 64 bits, deep nesting: JSON that the strict codec does not write."""
    try:
        if _is_deeper(value, MAX_DEPTH):
            raise RecursionError
        return json.dumps(value, indent=2 if indent else None, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    raise TransferError(
        f"the document {value.get('id')!a:.80} cannot be written as JSON ({reason})", kind="json"
    )
