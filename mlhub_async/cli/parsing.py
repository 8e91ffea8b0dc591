"""Parses the text of one option into a value: sizes, durations, boxes, geometries, queries, headers.

A function raises `ValueError` (or `UsageError`) with a message for the user if it cannot parse the text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core import errors, pattern_on_use, urls
from ..core.json_text import JSONDecodeError, loads
from ..core.options import shard_of
from ..core.secret import Secret
from ..http.auth import credentials
from ..storage import naming

if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType  # older versions of click have no type parameter here

T = TypeVar("T")

_SIZE = pattern_on_use(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGTP]?)(?:I?B)?", re.IGNORECASE)
_DURATION = pattern_on_use(r"(\d{1,15}(?:\.\d{1,15})?)\s*([SMHD]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_HEADER = pattern_on_use(r"((?:https?://[^\s@]+\s+)?[!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*[:=]\s*(.*)")
_OPERATOR = pattern_on_use(r">=|<=|<>|!=|>|<|=")
_OPERATORS = {">=": "gte", "<=": "lte", "<>": "neq", "!=": "neq", ">": "gt", "<": "lt", "=": "eq"}
_GEOMETRIES = {"Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"}


class Value(_Type):
    """A click type made of a parsing function."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name, self._parse = name, parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except (ValueError, errors.UsageError, errors.TransferError) as error:
            self.fail(str(error), param, ctx)


def size(text: str) -> int:
    """Bytes; units are powers of 1024."""
    if not (found := _SIZE.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a size: write bytes, or 10K, 10M, 10G (powers of 1024)")
    return int(float(found[1]) * 1024 ** " KMGTP".index(found[2].upper() or " "))


MAX_SLICES = 64


def slices(text: str) -> int:
    """The N of --split."""
    if (number := count(text)) > MAX_SLICES:
        raise ValueError(
            f"{text!r} is more than {MAX_SLICES}: servers may take so many requests for an attack"
        )
    return number


def positive(parse: Callable[[str], T]) -> Callable[[str], T]:
    """The same parser of numbers, which refuses what is not more than zero."""

    def checked(text: str) -> T:
        value = parse(text)
        if not value > 0:  # type: ignore[operator]  # only ever used with numbers
            raise ValueError(f"{text!r} must be more than zero")
        return value

    return checked


def seconds(text: str) -> float:
    """Seconds, from a number with or without a unit."""
    if not (found := _DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is not a duration: write seconds, or 90s, 10m, 2h, 1d")
    return float(found[1]) * _SECONDS[found[2].lower()]


def interval(text: str) -> float:
    """Seconds between two runs: from a second to a year."""
    value = seconds(text)
    if not 1 <= value <= _SECONDS["d"] * 366:
        raise ValueError(f"{text!r} is not an interval: write from 1s to 366d, such as 15m, 6h, 1d")
    return value


def fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is not a number from 0 to 1")
    return value


def output_name(text: str) -> str:
    """The name of a file that is to be written."""
    if not text.strip():
        raise ValueError("the name of the file is empty")
    return text


def number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number")
    return value


def count(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text.strip()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def auto_or_count(text: str) -> int | None:
    """None for "auto"."""
    return None if text.strip().lower() == "auto" else positive(count)(text)


def processes(text: str) -> int:
    """As many as there are processors for "auto"."""
    from ..core.concurrency import available_cores

    return auto_or_count(text) or available_cores()


def segments(text: str) -> int | None:
    """The value of --parts: 1 for "off", None for "auto"."""
    return 1 if text.strip().lower() == "off" else auto_or_count(text)


def shard(text: str) -> str:
    """K/N without blanks and leading zeros."""
    numbers = shard_of(text.strip())
    if numbers is None:
        raise ValueError(f"{text!r} is not K/N, with K from 1 to N")
    return f"{numbers[0]}/{numbers[1]}"


def attempts(text: str) -> int:
    """Attempts for so many retries: the first attempt is not a retry."""
    return 10**9 if text.strip().lower() == "infinite" else count(text) + 1


def bbox(text: str) -> tuple[float, ...]:
    """Four or six numbers. West may be greater than east: such a box crosses the antimeridian."""
    numbers = tuple(float(part) for part in re.split(r"[,\s]+", text.strip(" ,[]")))
    if len(numbers) not in (4, 6) or not all(map(math.isfinite, numbers)):
        raise ValueError("expected four numbers (W S E N) or six (W S lowest E N highest)")
    half = len(numbers) // 2
    west, south, east, north = numbers[0], numbers[1], numbers[half], numbers[half + 1]
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        swapped = " ".join(f"{one:g}" for one in (south, west, north, east))
        looks_swapped = -90 <= west <= east <= 90 and all(-180 <= one <= 180 for one in (south, north))
        advice = f"; if these are latitudes first, it is {swapped}" if looks_swapped else ""
        raise ValueError(f"expected W S E N in degrees, with S not above N: longitudes come first{advice}")
    return numbers


def _content(text: str) -> str:
    """The text itself, or the content of the file for @FILE."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8-sig")  # as editors on Windows write it
    except OSError as error:
        raise ValueError(f"{text[1:]}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{text[1:]}: not UTF-8 text") from None


def _json(text: str) -> Any:
    try:
        return loads(_content(text))
    except JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error}") from None


def geometry(text: str) -> dict[str, Any]:
    """A GeoJSON geometry: from a geometry, a Feature or a collection of one Feature, as text or in a file."""
    body = _json(text if text.lstrip().startswith(("{", "@")) else f"@{text}")
    if (
        isinstance(body, dict)
        and body.get("type") == "FeatureCollection"
        and len(body.get("features", ())) == 1
    ):
        body = body["features"][0]
    if isinstance(body, dict) and body.get("type") == "Feature":
        body = body.get("geometry")
    if not isinstance(body, dict) or not _is_geometry(body):
        raise ValueError("expected one GeoJSON geometry or Feature")
    return body


def _is_geometry(body: dict[str, Any]) -> bool:
    if body.get("type") == "GeometryCollection":
        return isinstance(body.get("geometries"), list)
    return body.get("type") in _GEOMETRIES and isinstance(body.get("coordinates"), list)


def query(text: str) -> dict[str, Any]:
    """A query object as JSON, or one condition as stac-client writes it: eo:cloud_cover<10."""
    if text.lstrip().startswith(("{", "@")):
        body = _json(text)
        if not isinstance(body, dict) or not all(isinstance(tests, dict) for tests in body.values()):
            raise ValueError('expected {"property": {"operator": value}}')
        return body
    found = _OPERATOR.search(text)
    name, value = (text[: found.start()].strip(), text[found.end() :].strip()) if found else ("", "")
    if found is None or not (name and value):
        raise ValueError(f"{text!r}: expected JSON, or a condition such as eo:cloud_cover<10")
    return {name: {_OPERATORS[found[0]]: _scalar(value)}}


def separate(lists: Iterable[str]) -> list[str]:
    """The collections of all -c, each of which may be a list with commas."""
    names = [name.strip() for text in lists for name in text.split(",")]
    if not any(names):
        raise click.UsageError("-c is empty: give the id of a collection, or a glob such as 'ref_*'")
    return [name for name in names if name]


def merge_queries(queries: Iterable[dict[str, Any]], word: str) -> dict[str, Any]:
    """All conditions in one query object: an item has to meet all of them."""
    merged: dict[str, Any] = {}
    for query in queries:
        for name, tests in query.items():
            known = merged.setdefault(name, {})
            if twice := [word for word in tests if word in known and known[word] != tests[word]]:
                raise click.UsageError(
                    f"{word} {name}: {twice[0]!r} is given twice, with different values; an item would have"
                    " to meet both, which --filter can ask for"
                )
            known.update(tests)
    return merged


def _scalar(text: str) -> Any:
    try:
        value = loads(text)
    except JSONDecodeError:
        return text
    return text if isinstance(value, dict | list) else value


def cql2(text: str) -> Any:
    """CQL2 JSON as an object, CQL2 text as a string."""
    content = _content(text)
    return _json(content) if content.lstrip().startswith("{") else content.strip()


def header(text: str) -> tuple[str, Secret]:
    if not (found := _HEADER.fullmatch(text)):
        raise ValueError(
            "expected 'Name: value', Name=value or 'https://host Name: value'"
        )  # does not quote the text: it may hold a secret
    credentials.check_header_name(credentials.split_header_name(found[1])[1])
    return found[1], Secret(found[2])


def secret(text: str) -> Secret:
    """A secret, or the content of @FILE: other users of the machine can read a command line."""
    if value := _content(text).strip():
        return Secret(value)
    raise ValueError("it is empty")


def template(text: str) -> str:
    """A path template. Raises `UsageError` for an unknown variable or a level that is not a file name."""
    naming.check_template(text)
    return text


def origin(text: str) -> str:
    """`scheme://host[:port]` of a URL."""
    return str(urls.origin(urls.parse(text)))
