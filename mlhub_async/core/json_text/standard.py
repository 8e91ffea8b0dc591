"""The strict codec by the standard library: takes and refuses what orjson does, and writes the same bytes.

It differs in two things: where the limit of recursion of the interpreter is low, it reads fewer levels than
1024; and it does not write dataclasses.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from enum import Enum
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID

from .. import pattern_on_use

MAX_READ_DEPTH = 1024
MAX_WRITTEN_DEPTH = 254
_SMALLEST, _LARGEST = -(1 << 63), (1 << 64) - 1
_MOST_DIGITS = 20
"""of a number of 64 bits, with its sign"""
_SMALLEST_PLAIN, _SMALLEST_EXPONENT = 1e-5, 1e-4
"""Floats between these two: Python writes them with an exponent, orjson without."""
_STRING = r'"(?:[^"\\]|\\.)*+"?'
_TOKEN = pattern_on_use(rf"{_STRING}|[][{{}}]|[-+.\w]+")
_ESCAPE = pattern_on_use(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
"""An escape: a pair of surrogates, a lone one (group 1), or another."""


def loads(text: bytes | str) -> Any:
    """See `codec.loads`."""
    whole = _decoded(text)
    if whole.count("[") + whole.count("{") > MAX_READ_DEPTH:
        _check_depth(whole)
    try:
        value = _DECODER.decode(whole)
    except _NoNumberError as error:
        place = next(one.start() for one in _TOKEN.finditer(whole) if one[0] == str(error))
        raise json.JSONDecodeError(f"{error!s:.40} is no JSON number", whole, place) from None
    except json.JSONDecodeError as error:
        raise _trailing_comma(whole, error.pos) or error from None
    except RecursionError:
        raise json.JSONDecodeError("depth limit exceeded", whole, 0) from None
    for escape in _ESCAPE.finditer(whole) if "\\u" in whole else ():
        if escape[1]:
            raise json.JSONDecodeError("lone surrogate in string", whole, escape.start())
    return value


def dumps(
    value: object,
    *,
    indent: bool = False,
    sort_keys: bool = False,
    default: Callable[[Any], object] | None = None,
) -> bytes:
    """See `codec.dumps`."""
    try:
        return _Encoder(indent, sort_keys, default).encode(value, 0).encode()
    except UnicodeEncodeError:
        raise TypeError("str is not valid UTF-8: surrogates not allowed") from None
    except RecursionError:
        raise TypeError("Recursion limit reached") from None


def _decoded(text: bytes | str) -> str:
    try:
        whole = text.encode().decode() if isinstance(text, str) else text.decode()
    except UnicodeError:
        raise json.JSONDecodeError("str is not valid UTF-8: surrogates not allowed", "", 0) from None
    if whole.startswith("\ufeff"):
        raise json.JSONDecodeError("UTF-8 byte order mark (BOM) is not supported", whole, 0)
    return whole


def _trailing_comma(text: str, place: int) -> json.JSONDecodeError | None:
    """The error at the comma, where the one that was found is at the bracket behind it."""
    before = text[:place].rstrip()
    if text[place : place + 1] not in ("]", "}") or not before.endswith(","):
        return None
    return json.JSONDecodeError("trailing comma is not allowed", text, len(before) - 1)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth > MAX_READ_DEPTH:
            raise json.JSONDecodeError("depth limit exceeded", text, token.end())


class _NoNumberError(Exception):
    """A text in the place of a number that JSON does not have, or that no float holds."""


def _integer(digits: str) -> int | float:
    if len(digits) <= _MOST_DIGITS and _SMALLEST <= (value := int(digits)) <= _LARGEST:
        return value
    return _float(digits)


def _float(digits: str) -> float:
    if not isfinite(value := float(digits)):
        raise _NoNumberError(digits)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _NoNumberError(name)


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant)


class _Encoder:
    """Encodes one value. The encoder of `json` writes numbers and odd values in another way."""

    def __init__(self, indent: bool, sort_keys: bool, default: Callable[[Any], object] | None) -> None:
        self._indent = indent
        self._colon = ": " if indent else ":"
        self._sort_keys = sort_keys
        self._default = default

    def encode(self, value: Any, depth: int) -> str:
        """The text of a value inside of `depth` others."""
        if isinstance(value, str):
            return str(encode_basestring(value))
        if value is None or value is True or value is False:
            return {None: "null", True: "true", False: "false"}[value]
        if isinstance(value, dict | list) or type(value) is tuple:
            return self._container(value, depth)
        if isinstance(value, int):
            if not _SMALLEST <= value <= _LARGEST:
                raise TypeError("Integer exceeds 64-bit range")
            return int.__repr__(value)
        return _float_text(value) if type(value) is float else self._other(value, depth)

    def _container(self, value: Any, depth: int) -> str:
        if depth == MAX_WRITTEN_DEPTH:
            raise TypeError("Recursion limit reached")
        if isinstance(value, dict):
            members = sorted(value.items()) if self._sort_keys else value.items()
            parts = [f"{_name(key)}{self._colon}{self.encode(one, depth + 1)}" for key, one in members]
            return self._joined("{", parts, "}", depth)
        inner = depth + (not isinstance(value, tuple))
        return self._joined("[", [self.encode(one, inner) for one in value], "]", depth)

    def _joined(self, opening: str, parts: list[str], closing: str, depth: int) -> str:
        if not (self._indent and parts):
            return f"{opening}{','.join(parts)}{closing}"
        line = "\n" + "  " * depth
        return f"{opening}{line}  {f',{line}  '.join(parts)}{line}{closing}"

    def _other(self, value: Any, depth: int) -> str:
        if isinstance(value, Enum):
            return self.encode(value.value, depth)
        if isinstance(value, datetime.date | datetime.time):
            if isinstance(value, datetime.time) and value.tzinfo is not None:
                raise TypeError("datetime.time must not have tzinfo set")
            return f'"{value.isoformat()}"'
        if isinstance(value, UUID):
            return f'"{value}"'
        if self._default is None:
            raise TypeError(f"Type is not JSON serializable: {type(value).__name__}")
        return self.encode(self._default(value), depth)


def _name(key: object) -> str:
    if type(key) is not str:
        raise TypeError("Dict key must be str")
    return str(encode_basestring(key))


def _float_text(value: float) -> str:
    if not isfinite(value):
        return "null"
    text = repr(value)
    if "e-0" not in text:
        return text
    if _SMALLEST_PLAIN <= abs(value) < _SMALLEST_EXPONENT:
        mantissa, _, _ = text.partition("e")
        sign = "-" if value < 0 else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return text.replace("e-0", "e-")
