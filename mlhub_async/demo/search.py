"""What a listing request asks for, read from a query string or a JSON body. Nonsense is a `ValueError`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from ..core.model import JsonObject
from . import sample, shapes
from .listing import EARLIEST, LATEST, Query, Turn
from .sample import Box, Sample

_LISTS = ("ids", "collections", "bbox")
_KNOWN = {*_LISTS, "datetime", "intersects", "limit", "token", "key"}
_DEFAULT, _MOST = 10, 1000


def of_query(query: Mapping[str, str]) -> JsonObject:
    """A query string in the shape of a POST body."""
    asked: JsonObject = {n: v.split(",") if n in _LISTS and v else v for n, v in query.items()}
    if asked.get("intersects"):
        asked["intersects"] = orjson.loads(asked["intersects"])
    return asked


def to_query(asked: JsonObject) -> dict[str, str]:
    """The inverse of `of_query`."""
    flat = {name: ",".join(value) if name in _LISTS else value for name, value in asked.items()}
    return {n: orjson.dumps(v).decode() if isinstance(v, dict) else str(v) for n, v in flat.items()}


def of_body(body: bytes) -> JsonObject:
    asked = orjson.loads(body)
    if not isinstance(asked, dict):
        raise ValueError("The body must be a JSON object.")
    return asked


def query(asked: JsonObject) -> Query:
    unknown = sorted(asked.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"Not supported by this API: {', '.join(unknown)}.")
    box, shape = _box(asked.get("bbox")), shapes.parts(asked["intersects"]) if asked.get("intersects") else ()
    if box and shape:
        raise ValueError("bbox and intersects cannot be asked for together.")
    since, until = _interval(asked.get("datetime"))
    names = _strings(asked, "collections")
    return Query(
        collections=tuple(names) if names else sample.COLLECTIONS,
        ids=tuple(_strings(asked, "ids")),
        box=shapes.box_of(shape) if shape else box,
        shape=shape,
        since=since,
        until=until,
    )


def limit(asked: JsonObject) -> int:
    value = asked.get("limit")
    if value in (None, ""):
        return _DEFAULT
    number = int(value) if isinstance(value, int | str) else 0
    if number < 1:
        raise ValueError("limit must be a whole number from 1.")
    return min(number, _MOST)


def turn(asked: JsonObject, content: Sample) -> Turn | None:
    """The place that a token `next:<item id>` or `prev:<item id>` stands for."""
    token = asked.get("token")
    if token in (None, ""):
        return None
    way, _, item = str(token).partition(":")
    place = content.find(item)
    if place is None or way not in ("next", "prev"):
        raise ValueError("Invalid token.")
    return Turn(place, back=way == "prev")


def _strings(asked: JsonObject, name: str) -> list[str]:
    value = asked.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of strings.")
    return value


def _box(value: Any) -> Box | None:
    if not value:
        return None
    numbers = [float(number) for number in value] if isinstance(value, list) else []
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or numbers[1] > numbers[3]:
        raise ValueError("bbox must be west, south, east, north.")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _interval(value: Any) -> tuple[datetime, datetime]:
    first, slash, last = str(value or "../..").partition("/")
    since = _moment(first, EARLIEST)
    return since, _moment(last, LATEST) if slash else since


def _moment(text: str, default: datetime) -> datetime:
    if text in ("", ".."):
        return default
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
