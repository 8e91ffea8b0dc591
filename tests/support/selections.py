"""Selections with their oracle: items of many kinds, and what each selection has of them, by shapely and
datetime from the items themselves. Nothing of the program is used here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import shapely

Json = dict[str, Any]
Wants = Callable[[Json], bool]
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
DAY_END = ("T23:59:59Z", "T23:59:59.5Z", "T23:59:59.999Z", "T00:00:00Z")


def rectangle(west: float, south: float, east: float, north: float) -> Json:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _geometry(number: int, chance: random.Random) -> Json:
    west, south = chance.randint(-178, 170), chance.randint(-80, 70)
    width, height = chance.randint(1, 6), chance.randint(1, 6)
    east, north = west + width, south + height
    kind = number % 8
    if kind in (0, 1):
        return {"type": "Point", "coordinates": [west, south]}
    if kind == 2:
        return {"type": "MultiPoint", "coordinates": [[west, south], [east, north]]}
    if kind == 3:
        return {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    if kind == 4:
        hole = [[west + 0.25, south + 0.25], [west + 0.25, north - 0.25], [east - 0.25, north - 0.25]]
        outer = rectangle(west, south, east, north)["coordinates"][0]
        return {"type": "Polygon", "coordinates": [outer, [*hole, hole[0]]]}
    if kind == 5:
        sides = rectangle(180 - width, south, 180, north), rectangle(-180, south, -180 + height, north)
        return {"type": "MultiPolygon", "coordinates": [one["coordinates"] for one in sides]}
    return rectangle(west, south, east, north)


def _times(number: int, chance: random.Random) -> Json:
    day = (BEGIN + timedelta(days=chance.randint(0, 400))).date().isoformat()
    if number % 7 == 0:
        last = (BEGIN + timedelta(days=chance.randint(400, 500))).date().isoformat()
        return {"datetime": None, "start_datetime": f"{day}T12:00:00Z", "end_datetime": f"{last}T23:59:59.5Z"}
    if number % 5 == 0:
        return {"datetime": day + chance.choice(DAY_END)}
    return {"datetime": f"{day}T{chance.randint(0, 23):02}:30:00.25Z"}


def many_items(count: int, href: str = "data.tif") -> list[Json]:
    """The same items for the same count, in two collections; each has an asset with this href."""
    chance = random.Random(count)
    return [_item(number, chance, href) for number in range(count)]


def _item(number: int, chance: random.Random, href: str) -> Json:
    geometry = _geometry(number, chance)
    properties: Json = _times(number, chance)
    if number % 3:
        properties["eo:cloud_cover"] = chance.randint(0, 1000) / 10
    if number % 4:
        properties["platform"] = chance.choice(["sentinel-2a", "sentinel-2b", "Landsat-8"])
    if number % 6:
        properties["gsd"] = chance.choice([10, 20, 30])
    properties["view"] = {"angle": number % 30}
    box = list(shapely.geometry.shape(geometry).bounds)
    if geometry["type"] == "MultiPolygon":
        box = [box_of(geometry, 0)[0], box[1], box_of(geometry, 1)[2], box[3]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"i{number:05}",
        "collection": "c1" if number % 3 else "c2",
        "geometry": geometry,
        "bbox": box,
        "properties": properties,
        "links": [],
        "assets": {"data": {"href": href}},
    }


def box_of(geometry: Json, part: int) -> tuple[float, float, float, float]:
    """The bounds of one polygon of several."""
    found: tuple[float, float, float, float] = shapely.geometry.shape(geometry).geoms[part].bounds
    return found


def meets(shape: Any) -> Wants:
    return lambda item: bool(shapely.geometry.shape(item["geometry"]).intersects(shape))


def in_box(*numbers: float) -> Wants:
    west, south, east, north = numbers
    if west <= east:
        return meets(shapely.box(*numbers))
    sides = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    return meets(shapely.MultiPolygon(sides))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def span_of(item: Json) -> tuple[datetime, datetime]:
    about = item["properties"]
    first = about["datetime"] or about["start_datetime"]
    return moment(first), moment(about["datetime"] or about["end_datetime"])


def in_time(start: str | None, end: str | None) -> Wants:
    """Between two times, both included."""

    def wants(item: Json) -> bool:
        first, last = span_of(item)
        return (end is None or first <= moment(end)) and (start is None or last >= moment(start))

    return wants


def having(name: str, test: Callable[[Any], bool]) -> Wants:
    return lambda item: name in item["properties"] and test(item["properties"][name])


def both(*all_of: Wants) -> Wants:
    return lambda item: all(one(item) for one in all_of)


def of(collection: str) -> Wants:
    return lambda item: item["collection"] == collection


@dataclass(frozen=True)
class Asked:
    """A selection, by the fields of `Selection`, and the items that it has."""

    fields: Json
    wants: Wants

    def identities(self, items: Sequence[Json]) -> set[tuple[str, str]]:
        return {(one["collection"], one["id"]) for one in items if self.wants(one)}


TRIANGLE = {"type": "Polygon", "coordinates": [[[-60, -60], [60, -60], [0, 70], [-60, -60]]]}
OVER = rectangle(170, -50, 190, 50)
TURNED = {"type": "Polygon", "coordinates": [[[170, -50], [-170, -50], [-170, 50], [170, 50], [170, -50]]]}
PIECES = {
    "type": "GeometryCollection",
    "geometries": [rectangle(0, 0, 30, 30), {"type": "LineString", "coordinates": [[-90, -60], [-20, 60]]}],
}
POINTS = {"type": "MultiPoint", "coordinates": [[x, y] for x in range(-170, 170) for y in range(-40, 40, 5)]}
HOLED = {
    "type": "Polygon",
    "coordinates": [
        rectangle(-90, -60, 90, 60)["coordinates"][0],
        [[-80, -50], [-80, 50], [80, 50], [-80, -50]],
    ],
}
LOW_CLOUDS = having("eo:cloud_cover", lambda value: value < 10)
SENTINEL = having("platform", lambda value: value == "sentinel-2a")
MERIDIAN = in_box(170, -50, -170, 50)
SPRING = in_time("2020-03-01T00:00:00Z", "2020-05-31T23:59:59.999999Z")
SELECTIONS: dict[str, Asked] = {
    "all": Asked({}, lambda _: True),
    "collection": Asked({"collections": ("c1",)}, of("c1")),
    "ids": Asked(
        {"ids": ("i00001", "i00007", "i00011")}, lambda one: one["id"] in ("i00001", "i00007", "i00011")
    ),
    "box": Asked({"bbox": (-20, -30, 40, 50)}, in_box(-20, -30, 40, 50)),
    "box on edges": Asked({"bbox": (10, -60, 10, 60)}, in_box(10, -60, 10, 60)),
    "box over the antimeridian": Asked({"bbox": (170, -50, -170, 50)}, MERIDIAN),
    "wide box over the antimeridian": Asked({"bbox": (20, -90, -20, 90)}, in_box(20, -90, -20, 90)),
    "box at the antimeridian": Asked({"bbox": (180, -90, -180, 90)}, in_box(180, -90, -180, 90)),
    "six numbers": Asked({"bbox": (-20, -30, 0, 40, 50, 9)}, in_box(-20, -30, 40, 50)),
    "six numbers over the antimeridian": Asked({"bbox": (170, -50, 0, -170, 50, 9)}, MERIDIAN),
    "intersects": Asked({"intersects": TRIANGLE}, meets(shapely.geometry.shape(TRIANGLE))),
    "intersects beyond 180": Asked({"intersects": OVER}, MERIDIAN),
    "intersects over the antimeridian": Asked({"intersects": TURNED}, MERIDIAN),
    "collection of shapes": Asked({"intersects": PIECES}, meets(shapely.geometry.shape(PIECES))),
    "many points": Asked({"intersects": POINTS}, meets(shapely.geometry.shape(POINTS))),
    "with a hole": Asked({"intersects": HOLED}, meets(shapely.geometry.shape(HOLED))),
    "intersects and box": Asked(
        {"intersects": TRIANGLE, "bbox": (0, 0, 40, 50)},
        both(meets(shapely.geometry.shape(TRIANGLE)), in_box(0, 0, 40, 50)),
    ),
    "day": Asked({"datetime": "2020-03-01"}, in_time("2020-03-01T00:00:00Z", "2020-03-01T23:59:59.999999Z")),
    "month": Asked({"datetime": "2020-04"}, in_time("2020-04-01T00:00:00Z", "2020-04-30T23:59:59.999999Z")),
    "from": Asked({"datetime": "2020-12-31/.."}, in_time("2020-12-31T00:00:00Z", None)),
    "until": Asked({"datetime": "../2020-02-10t12:00:00z"}, in_time(None, "2020-02-10T12:00:00Z")),
    "fractions": Asked(
        {"datetime": "2020-02-01T23:59:59.4Z/2020-02-20T23:59:59.6Z"},
        in_time("2020-02-01T23:59:59.4Z", "2020-02-20T23:59:59.6Z"),
    ),
    "second 60": Asked(
        {"datetime": "2020-05-01/2020-06-30T23:59:60Z"},
        in_time("2020-05-01T00:00:00Z", "2020-06-30T23:59:59.999999Z"),
    ),
    "query": Asked({"query": {"eo:cloud_cover": {"lt": 10}}}, LOW_CLOUDS),
    "query in": Asked({"query": {"platform": {"in": ["sentinel-2a"]}}}, SENTINEL),
    "query startsWith": Asked(
        {"query": {"platform": {"startsWith": "sentinel"}}},
        having("platform", lambda value: value.startswith("sentinel")),
    ),
    "query neq": Asked(
        {"query": {"platform": {"neq": "sentinel-2a"}}}, having("platform", lambda v: v != "sentinel-2a")
    ),
    "query of a nested name": Asked(
        {"query": {"view.angle": {"gte": 20}}}, lambda one: one["properties"]["view"]["angle"] >= 20
    ),
    "filter as text": Asked({"filter": '"eo:cloud_cover" < 10'}, LOW_CLOUDS),
    "filter as JSON": Asked(
        {"filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]}}, LOW_CLOUDS
    ),
    "filter not": Asked(
        {"filter": "NOT platform = 'sentinel-2a'"}, having("platform", lambda v: v != "sentinel-2a")
    ),
    "filter missing": Asked({"filter": "platform IS NULL"}, lambda one: "platform" not in one["properties"]),
    "filter between times": Asked(
        {
            "filter": "datetime BETWEEN TIMESTAMP('2020-03-01T00:00:00Z')"
            " AND TIMESTAMP('2020-03-31T00:00:00Z')"
        },
        lambda one: moment("2020-03-01T00:00:00Z") <= span_of(one)[0] <= moment("2020-03-31T00:00:00Z"),
    ),
    "filter of any case": Asked(
        {"filter": "CASEI(platform) IN (CASEI('LANDSAT-8'))"}, having("platform", lambda v: v == "Landsat-8")
    ),
    "filter like": Asked(
        {"filter": "platform LIKE 'sentinel%' AND gsd > 10"},
        both(having("platform", lambda v: v.startswith("sentinel")), having("gsd", lambda v: v > 10)),
    ),
    "filter in space": Asked(
        {"filter": "S_INTERSECTS(geometry, POLYGON((-60 -60, 60 -60, 0 70, -60 -60)))"},
        meets(shapely.geometry.shape(TRIANGLE)),
    ),
    "filter over the antimeridian": Asked(
        {"filter": "S_INTERSECTS(geometry, BBOX(170,-50,-170,50))"}, MERIDIAN
    ),
    "filter of a date": Asked(
        {"filter": "datetime > DATE('2020-05-01')"},
        lambda one: span_of(one)[0] >= moment("2020-05-02T00:00:00Z"),
    ),
    "filter with a box": Asked(
        {"filter": "S_INTERSECTS(geometry, BBOX(-20, -30, 40, 50))"}, in_box(-20, -30, 40, 50)
    ),
    "filter that servers fail at": Asked(
        {"filter": "gsd div 20 = 1"}, having("gsd", lambda value: value in (20, 30))
    ),
    "filter or": Asked(
        {"filter": 'gsd = 10 OR "eo:cloud_cover" >= 90'},
        lambda one: one["properties"].get("gsd") == 10 or one["properties"].get("eo:cloud_cover", 0) >= 90,
    ),
    "filter and query": Asked(
        {"filter": "gsd = 10", "query": {"eo:cloud_cover": {"lt": 10}}},
        both(LOW_CLOUDS, having("gsd", lambda v: v == 10)),
    ),
    "box and time": Asked(
        {"bbox": (170, -50, -170, 50), "datetime": "2020-03/2020-05"}, both(MERIDIAN, SPRING)
    ),
    "everything": Asked(
        {
            "collections": ("c1",),
            "bbox": (150, -80, -150, 80),
            "datetime": "2020-03/2020-05",
            "query": {"gsd": {"lte": 20}},
        },
        both(of("c1"), in_box(150, -80, -150, 80), SPRING, having("gsd", lambda v: v <= 20)),
    ),
}
