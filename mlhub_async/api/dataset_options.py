"""The options of a mirror of one dataset, from arguments as the official client has them."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypedDict

from ..core.errors import UsageError
from ..core.model import JsonObject
from ..core.options import Options, as_tuple
from ..stac import geometry_of

Times = str | datetime | tuple[datetime, datetime]


class DatasetArguments(TypedDict, total=False):
    """What is chosen of a dataset, with the names of the official client."""

    bbox: Sequence[float]
    intersects: JsonObject
    """a GeoJSON Feature or geometry"""
    datetime: Times
    """a time without a time zone is in UTC; a single `datetime` stands for its day"""
    collection_filter: Mapping[str, Iterable[str]]
    """only these collections, and of each only the assets with these keys; all of them for `[]`"""
    catalog_only: bool
    """documents without assets"""
    if_exists: str


def dataset_options(options: Options, dataset: str, chosen: DatasetArguments) -> Options:
    """The options with these arguments in place of what they have. Raises `UsageError` for wrong ones."""
    if unknown := [name for name in chosen if name not in DatasetArguments.__annotations__]:
        raise UsageError(f"{unknown[0]}: it can be {', '.join(DatasetArguments.__annotations__)}")
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if {"bbox", "intersects"} <= given.keys():
        raise UsageError("bbox and intersects both select an area: give only one")
    catalog_only, if_exists = given.pop("catalog_only", False), given.pop("if_exists", options.if_exists)
    if "intersects" in given:
        given["intersects"] = geometry_of(given["intersects"])
    if "datetime" in given:
        given["datetime"] = interval_of(given["datetime"])
    if "collection_filter" in given:
        given |= _of_filter(given.pop("collection_filter"))
    if catalog_only:
        given["exclude"] = ("*",)
    return replace(
        options,
        selection=replace(options.selection, dataset=dataset, **given),
        allow_empty=options.allow_empty or catalog_only,
        if_exists=if_exists,
    )


def interval_of(given: Times) -> str:
    """A time as the selection has it: a text as it is, a `datetime` as its day, a pair as an interval."""
    if isinstance(given, str):
        return given
    if isinstance(given, datetime):
        return _in_utc(given).date().isoformat()
    if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, datetime) for one in given)):
        raise UsageError(f"datetime={given!r}: it can be a text, a datetime, or a pair of these")
    return "/".join(_in_utc(one).isoformat().replace("+00:00", "Z") for one in given)


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _of_filter(filter: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The fields of the selection for the collections and keys of a filter. Source imagery is listed itself
    where it is wanted: it is not followed."""
    if not isinstance(filter, Mapping) or not filter:
        raise UsageError("collection_filter: give a dict of collection ids with their lists of asset keys")
    fields: dict[str, Any] = {"collections": tuple(map(glob.escape, filter)), "follow_sources": False}
    if any(as_tuple(keys) for keys in filter.values()):
        fields["include"] = tuple(_globs(filter))
    return fields


def _globs(filter: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for collection, keys in filter.items():
        for key in map(glob.escape, as_tuple(keys)):
            yield f"{glob.escape(collection)}/{key}"
        if not as_tuple(keys):
            yield f"{glob.escape(collection)}/*"
