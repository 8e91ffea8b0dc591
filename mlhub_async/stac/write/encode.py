"""Hides how JSON is encoded: orjson, what orjson refuses, and documents too long to be built whole."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import orjson

from ...core.errors import TransferError
from ...core.model import JsonObject
from ...core.urls import unsigned

_BATCH = 1000
LEVELS = 600
"""Of nesting that is written. How much Python bears differs by its version, the layout and who calls."""
_QUERY = re.compile(rb'[?](?:[^"\\]|\\.)*')
_USER = re.compile(rb'://(?:[^"\\/?]|\\.)*@')
_TOKEN = re.compile(rb'/download/[^"\\/?#]{32}')
_URL = re.compile(rb'"[A-Za-z][A-Za-z0-9+.-]{1,20}://(?:[^"\\]|\\.)*"')
_TEXT = re.compile(rb'"(?:[^"\\?@]|\\.)*[?@](?:[^"\\]|\\.)*"')


def to_json(value: JsonObject, *, indent: bool = False) -> bytes:
    """One JSON document without a trailing newline, and without the secrets of URLs in it.

    Raises `TransferError` for what JSON cannot hold.
    """
    raw = _encoded(value, indent)
    return _URL.sub(_rewriter(unsigned), raw) if _suspect(raw) else raw


def encode_fetchable(value: JsonObject, hide: Callable[[str], str]) -> bytes:
    """The same with the signatures and tokens in it, since nothing could be fetched without them.

    `hide` takes what nobody else may have out of a text that may be a URL.
    """
    return _TEXT.sub(_rewriter(hide), _encoded(value, indent=False))


def _encoded(value: JsonObject, indent: bool) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0)
    except TypeError:
        return _encode_oddity(value, indent)


def _suspect(raw: bytes) -> bool:
    """Whether a closer look is due: most documents have no query, or none with such a name in it."""
    queries = _QUERY.findall(raw) if b"?" in raw else ()
    if any(b"\\" in query or unsigned(text := query.decode()) != text for query in queries):
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


def _deeper(value: object, levels: int) -> bool:
    rest = [value]
    while rest and levels >= 0:
        rest = [child for one in rest for child in _within(one)]
        levels -= 1
    return bool(rest)


def _within(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def stream(head: JsonObject, links: Iterable[JsonObject]) -> Iterator[bytes]:
    """The document `head` with `links`, of which there may be millions, as its last field, one a line."""
    yield to_json(head, indent=True)[:-2] + b',\n  "links": [\n    '
    rest = iter(links)
    separator = b""
    while batch := list(islice(rest, _BATCH)):
        yield separator + b",\n    ".join(map(to_json, batch))
        separator = b",\n    "
    yield b"\n  ]\n}\n"


def _encode_oddity(value: JsonObject, indent: bool) -> bytes:
    """Lone surrogates, integers over 64 bits and deep nesting: legal JSON that orjson does not write."""
    try:
        if _deeper(value, LEVELS):
            raise RecursionError
        return json.dumps(value, indent=2 if indent else None, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    raise TransferError(
        f"the document {value.get('id')!a:.80} cannot be written as JSON ({reason})", kind="json"
    )
