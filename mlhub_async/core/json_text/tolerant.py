"""JSON as catalogues have it: strict, except that a text may hold half a character (a lone surrogate)."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any, NoReturn

from .. import pattern_on_use
from .codec import JSONDecodeError, dumps, loads

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = pattern_on_use(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_ESCAPE = pattern_on_use(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
"""An escape: a pair of surrogates, a lone one (group 1), or another."""
_POSITION = pattern_on_use(r": (line \d+ column \d+) \(char \d+\)$")


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte order mark.

    Raises `ValueError` for anything else: NaN, comments, single quotes, trailing commas. Its message says
    what is wrong, and in which line and column.
    """
    text = raw.removeprefix(BYTE_ORDER_MARK)
    try:
        return loads(text)
    except JSONDecodeError as error:
        if not _SURROGATE.search(text):
            raise ValueError(_reason(text, error)) from None
    try:
        loads(_SURROGATE.sub(rb"\\u0041", text))
        return _DECODER.decode(text.decode())
    except JSONDecodeError as error:
        raise ValueError(_reason(text, error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_json_with_nan(raw: bytes) -> Any:
    """The same for a text that may hold NaN and Infinity, as programs for arrays write them."""
    try:
        return parse_json(raw)
    except ValueError:
        try:
            return json.loads(raw.removeprefix(BYTE_ORDER_MARK))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def encode_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """The JSON text of a value that `parse_json` gave. Half a character is written as its escape."""
    try:
        return dumps(value, sort_keys=sort_keys)
    except TypeError:
        return json.dumps(value, sort_keys=sort_keys).encode("ascii")


def with_whole_characters(value: Any) -> Any:
    """The value with U+FFFD in place of each half a character, for formats that cannot hold one."""
    text = encode_json(value)
    if b"\\ud" not in text:
        return value
    return parse_json(_ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text))


def decode_next(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises `ValueError` as `parse_json` does."""
    try:
        return _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        raise ValueError(_POSITION.sub(r": \1", str(error))) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(digits: str) -> float:
    if not isfinite(value := float(digits)):
        raise ValueError(f"{digits:.40} is more than a number can be")
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _reason(text: bytes, error: JSONDecodeError) -> str:
    try:
        text.decode()
    except UnicodeDecodeError as found:
        before = text[: found.start]
        line, column = before.count(b"\n") + 1, found.start - before.rfind(b"\n")
        return f"it is not UTF-8: line {line} column {column}"
    return _POSITION.sub(r": \1", str(error))
