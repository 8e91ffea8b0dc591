"""JSON as catalogues have it: strict, except that a text may hold half a character (a lone surrogate).

Members of one name in one object have no meaning (RFC 8259, section 4), and parsers keep the last. Two assets
of one key are two files, and one of them would be lost without a word. So texts are compared with what was
read of them by the number of their hrefs, which costs little.
"""

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
_HREF = b'"href"'
_WITHOUT_HREFS = ("geometry", "bbox", "properties", "extent")
"""Large members that rarely have an href: they are looked at last."""


class RepeatedNameError(ValueError):
    """A JSON text of which a part would be lost, as it has a name that the object has before."""


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte order mark.

    Raises `ValueError` for anything else: NaN, comments, single quotes, trailing commas. Its message says
    what is wrong, and in which line and column. `RepeatedNameError` for a text of which assets or links would
    be lost, as several have one name (`_check_names`).
    """
    text = raw.removeprefix(BYTE_ORDER_MARK)
    value = _value(text)
    _check_names(text, value)
    return value


def _value(text: bytes) -> Any:
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
        value, end = _DECODER.raw_decode(text, start)
    except JSONDecodeError as error:
        raise ValueError(_POSITION.sub(r": \1", str(error))) from None
    _check_names(text[start:end].encode("utf-8", "surrogatepass"), value)
    return value, end


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


def _check_names(text: bytes, value: Any) -> None:
    """Raises `RepeatedNameError` where `value`, read of `text`, lacks an href that was in such a member."""
    written = text.count(_HREF)
    if not written or written <= _at_most(value) or written <= _at_most(value, alternates=True):
        return
    if written > _hrefs(value):
        try:
            json.loads(text, object_pairs_hook=_unique, parse_int=float)  # of int the digits are limited
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def _at_most(value: Any, *, alternates: bool = False) -> int:
    """The number of hrefs of items and catalogues, if each link and asset (and alternate of one) has one."""
    records = value if isinstance(value, list) else [value]
    found = value.get("features") or value.get("collections") if isinstance(value, dict) else None
    if isinstance(found, list):
        records = [value, *found]
    return sum([_of_record(one, alternates) for one in records if isinstance(one, dict)])


def _of_record(record: dict[str, Any], alternates: bool) -> int:
    links, assets = record.get("links"), record.get("assets")
    found = len(links) if isinstance(links, list) else 0
    if not isinstance(assets, dict):
        return found
    if alternates:
        others = [one["alternate"] for one in assets.values() if isinstance(one, dict) and "alternate" in one]
        found += sum([len(one) for one in others if isinstance(one, dict)])
    return found + len(assets)


def _hrefs(value: Any) -> int:
    """The hrefs anywhere in a value, but in members that rarely have any."""
    found, left = 0, [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found += "href" in one
            left += [inner for name, inner in one.items() if name not in _WITHOUT_HREFS]
        elif isinstance(one, list):
            left += one
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        known = found.get(name, value)
        if known != value and (name == "href" or isinstance(known, dict | list)):
            raise RepeatedNameError(f"it has several members of the name {name[:60]!r} in one object")
        found[name] = value
    return found
