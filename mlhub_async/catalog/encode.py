"""Hides how JSON is encoded: orjson, what orjson refuses, and documents too long to be built whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice

import orjson

from ..errors import TransferError
from ..model import JsonObject

_BATCH = 1000


def encode(value: JsonObject, *, indent: bool = False) -> bytes:
    """One JSON document without a trailing newline. Raises `TransferError` for what JSON cannot hold."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0)
    except TypeError:
        return _encode_oddity(value, indent)


def stream(head: JsonObject, links: Iterable[JsonObject]) -> Iterator[bytes]:
    """The document `head` with `links`, of which there may be millions, as its last field, one a line."""
    yield encode(head, indent=True)[:-2] + b',\n  "links": [\n    '
    rest = iter(links)
    separator = b""
    while batch := list(islice(rest, _BATCH)):
        yield separator + b",\n    ".join(map(encode, batch))
        separator = b",\n    "
    yield b"\n  ]\n}\n"


def _encode_oddity(value: JsonObject, indent: bool) -> bytes:
    """Lone surrogates, integers over 64 bits and deep nesting: legal JSON that orjson does not write."""
    try:
        return json.dumps(value, indent=2 if indent else None, allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__
    raise TransferError(
        f"the document {value.get('id')!a:.80} cannot be written as JSON ({reason})", kind="json"
    )
