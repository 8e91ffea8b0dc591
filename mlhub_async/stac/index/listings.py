"""Writes the items of a mirror as one GeoJSON FeatureCollection, and pairs of label and source as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...core.json_text import encode_json
from ...core.model import JsonObject
from .rooted import WrittenItem, rooted, source_paths

PAIR_COLUMNS = (
    "label_collection",
    "label_item",
    "label_path",
    "source_collection",
    "source_item",
    "source_path",
    "source_datetime",
)


def geojson_pieces(items: Iterable[WrittenItem]) -> Iterator[bytes]:
    """A FeatureCollection (RFC 7946) of all items, piece by piece; one item per line."""
    yield b'{"type":"FeatureCollection","features":['
    separator = b"\n"
    for item in items:
        yield separator + encode_json(rooted(item))
        separator = b",\n"
    yield b"\n]}\n"


def pair_pieces(items: Iterable[WrittenItem], read: Callable[[str], JsonObject | None]) -> Iterator[bytes]:
    """One line of CSV (RFC 4180) for each label item and source item that are both in the mirror.

    `read` gives the item document at a path, None where there is none.
    """
    yield _line(PAIR_COLUMNS)
    for item in items:
        for path in source_paths(item):
            if (source := read(path)) is not None:
                owner = item.body.get("collection"), item.body.get("id"), item.path
                yield _line((*owner, source.get("collection"), source.get("id"), path, _datetime(source)))


def _datetime(body: JsonObject) -> Any:
    properties = body.get("properties")
    found = properties if isinstance(properties, dict) else {}
    return found.get("datetime") or found.get("start_datetime")


def _line(values: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if one is None else one for one in values])
    return text.getvalue().encode("utf-8", "backslashreplace")
