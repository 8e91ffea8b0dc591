"""Which values each field of `Options`, `Selection` and `RetryPolicy` can have: one table.

The text of a command line is parsed elsewhere. This is for callers from Python, whose values have any type.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import UsageError
from ..json_text import dumps
from ..secret import Secret


class Allowed(NamedTuple):
    """What a field can be, in words, and the test of it."""

    words: str
    holds: Callable[[Any], bool]
    is_secret: bool = False
    """its value is not shown"""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    """A text that can be sent and recorded: bytes of a command line without UTF-8 give half characters."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def _is_json_object(value: Any) -> bool:
    try:
        return isinstance(value, dict) and bool(dumps(value))
    except TypeError:
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def shard_of(text: str) -> tuple[int, int] | None:
    """The numbers in K/N; None if there are none, or K is not from 1 to N."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and text.isascii() and len(text) < 12):
        return None
    return (int(number), int(count)) if 0 < int(number) <= int(count) else None


def _or_none(allowed: Allowed) -> Allowed:
    return allowed._replace(
        words=f"None or {allowed.words}", holds=lambda value: value is None or allowed.holds(value)
    )


def _is_bbox(value: Any) -> bool:
    """Four or six numbers; west may be greater than east (RFC 7946 section 5.2)."""
    if not isinstance(value, tuple) or len(value) not in (4, 6) or not all(map(_is_number, value)):
        return False
    half = len(value) // 2
    west, south, east, north = value[0], value[1], value[half], value[half + 1]
    return bool(-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90)


def _is_geometry(value: Any) -> bool:
    """A GeoJSON geometry, or a Feature with one, or a FeatureCollection of such."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "FeatureCollection":
        listed = value.get("features")
        return isinstance(listed, list | tuple) and bool(listed) and all(map(_is_geometry, listed))
    if value.get("type") == "Feature":
        return _is_geometry(value.get("geometry"))
    member = "geometries" if value.get("type") == "GeometryCollection" else "coordinates"
    return isinstance(value.get(member), list | tuple) and _is_json_object(value)


POSITIVE_COUNT = Allowed("a whole number above 0", lambda value: _is_count(value) and value > 0)
COUNT = Allowed("a whole number, 0 or more", lambda value: _is_count(value) and value >= 0)
POSITIVE_NUMBER = Allowed("a number above 0", lambda value: _is_number(value) and value > 0)
NUMBER = Allowed("a number, 0 or more", lambda value: _is_number(value) and value >= 0)
BOOLEAN = Allowed("True or False", lambda value: isinstance(value, bool))
TEXT = Allowed("a text in Unicode", _is_text)
TEXTS = Allowed("texts in Unicode", lambda value: isinstance(value, tuple) and all(map(_is_text, value)))
PATH = Allowed("a path", lambda value: isinstance(value, str | os.PathLike))
SECRET = Allowed("a text", lambda value: isinstance(value, str | Secret), is_secret=True)
BBOX = Allowed("W S E N in degrees, or six numbers, with S not above N", _is_bbox)
GEOMETRY = Allowed("a GeoJSON geometry as a dict", _is_geometry)
INTERVAL = Allowed("a text, such as '2020-01/2020-06'", _is_text)
QUERY = Allowed("a dict of JSON such as {'eo:cloud_cover': {'lt': 10}}", _is_json_object)
FILTER = Allowed("CQL2 as a text or as a dict", lambda value: _is_text(value) or _is_json_object(value))
GROUPING = Allowed("'folder', 'stem' or 'none'", lambda value: value in ("folder", "stem", "none"))
PAYER = Allowed("'requester'", lambda value: value == "requester")
SUBSET = Allowed("'train', 'validation' or 'test'", lambda value: value in ("train", "validation", "test"))
SHARD = Allowed("K/N, with K from 1 to N", lambda value: _is_text(value) and bool(shard_of(value)))
METHOD = Allowed("'GET' or 'POST'", lambda value: value in ("GET", "POST"))

RETRY_FIELDS = {"attempts": POSITIVE_COUNT, "base": NUMBER, "cap": NUMBER}
SELECTION_FIELDS = {
    "collections": TEXTS,
    "dataset": _or_none(TEXT),
    "ids": TEXTS,
    "bbox": _or_none(BBOX),
    "intersects": _or_none(GEOMETRY),
    "datetime": _or_none(INTERVAL),
    "query": _or_none(QUERY),
    "filter": _or_none(FILTER),
    "limit": _or_none(POSITIVE_COUNT),
    "max_items": _or_none(POSITIVE_COUNT),
    "method": _or_none(METHOD),
    "split": POSITIVE_COUNT,
    "group_by": GROUPING,
    "open_archives": BOOLEAN,
    "include": TEXTS,
    "exclude": TEXTS,
    "roles": TEXTS,
    "media_types": TEXTS,
    "min_size": _or_none(COUNT),
    "max_size": _or_none(COUNT),
    "classes": TEXTS,
    "subset": _or_none(SUBSET),
    "follow_sources": BOOLEAN,
    "source_query": _or_none(QUERY),
    "source_datetime": _or_none(INTERVAL),
    "source_include": TEXTS,
    "source_exclude": TEXTS,
}
OPTION_FIELDS = {
    "concurrency": _or_none(POSITIVE_COUNT),
    "max_per_host": _or_none(POSITIVE_COUNT),
    "processes": POSITIVE_COUNT,
    "scheduler": _or_none(TEXT),
    "bwlimit": _or_none(POSITIVE_COUNT),
    "tpslimit": _or_none(POSITIVE_NUMBER),
    "connect_timeout": POSITIVE_NUMBER,
    "timeout": POSITIVE_NUMBER,
    "max_outage": NUMBER,
    "min_speed": COUNT,
    "path_template": TEXT,
    "index": BOOLEAN,
    "croissant": BOOLEAN,
    "ro_crate": BOOLEAN,
    "enrich": BOOLEAN,
    "allow_empty": BOOLEAN,
    "metrics": _or_none(PATH),
    "fail_fast": BOOLEAN,
    "max_errors": _or_none(COUNT),
    "prune": BOOLEAN,
    "full_every": POSITIVE_COUNT,
    "max_delete": _or_none(COUNT),
    "max_transfer": _or_none(POSITIVE_COUNT),
    "max_duration": _or_none(POSITIVE_NUMBER),
    "allow_private": BOOLEAN,
    "allow_origins": TEXTS,
    "endpoint_url": _or_none(TEXT),
    "state": _or_none(TEXT),
    "shard": _or_none(SHARD),
    "ca_file": _or_none(PATH),
    "parts": _or_none(POSITIVE_COUNT),
    "proxy": _or_none(SECRET),
    "netrc": BOOLEAN,
    "auth": TEXTS,
    "token_file": _or_none(PATH),
    "from_source": _or_none(TEXT),
    "references": TEXTS,
    "request_payer": _or_none(PAYER),
    "api_key": _or_none(SECRET),
    "api_token": _or_none(SECRET),
    "profile": _or_none(TEXT),
}


def check_fields(given: object, allowed: Mapping[str, Allowed]) -> None:
    """Raises `UsageError` that names the first field of `given` whose value is not allowed."""
    for name, one in allowed.items():
        if not one.holds(value := getattr(given, name)):
            shown = type(value).__name__ if one.is_secret else _short(value)
            raise UsageError(f"{name}={shown}: it can be {one.words}")


def _short(value: object) -> str:
    try:
        shown = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"
    return shown if len(shown) <= 80 else f"{shown[:80]} ..."
