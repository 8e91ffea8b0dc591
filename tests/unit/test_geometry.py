"""Footprints and boxes: the answers of PostGIS, geometries over the antimeridian, heights."""

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Item
from mlhub_async.core.options import Selection
from support.documents import item
from support.selections import rectangle
from support.shapes import COUNT, recorded, shape_pairs, turned


def admitted(body, **selection) -> bool:
    found = stac.item_of(body, "https://api.test/i")
    assert isinstance(found, Item)
    return stac.item_filter(Selection(**selection))(found)


def test_the_recorded_answers_are_of_these_pairs():
    assert len(recorded()) == COUNT and 40 < sum(recorded()) < COUNT - 40


def test_intersects_has_the_answers_of_postgis():
    pairs = zip(shape_pairs(), recorded(), strict=True)
    wrong = [(a, b) for (a, b), right in pairs if admitted(item("i", geometry=a), intersects=b) is not right]
    assert wrong == []


def test_pairs_that_are_moved_over_the_antimeridian_have_the_same_answers():
    pairs = [(turned(a), turned(b), right) for (a, b), right in zip(shape_pairs(), recorded(), strict=True)]
    wrong = [(a, b) for a, b, right in pairs if admitted(item("i", geometry=a), intersects=b) is not right]
    assert wrong == []


RINGS = [rectangle(175, -5, -175, 5)["coordinates"][0], rectangle(-179, 3, -178, 4)["coordinates"][0]]
OVER = {
    "beyond 180": (rectangle(175, -5, 185, 5), None),
    "before -180": (rectangle(-185, -5, -175, 5), None),
    "the short way round": (rectangle(175, -5, -175, 5), None),
    "by its box": (rectangle(175, -5, -175, 5), [175, -5, -175, 5]),
    "by its box with heights": (rectangle(175, -5, -175, 5), [175, -5, 0, -175, 5, 9]),
    "a line": ({"type": "LineString", "coordinates": [[175, -5], [-175, 5]]}, None),
    "with a hole on one side": (
        {
            "type": "Polygon",
            "coordinates": RINGS,
        },
        None,
    ),
}


@pytest.mark.parametrize("name", OVER)
def test_a_footprint_over_the_antimeridian_is_on_both_sides_of_it_and_nowhere_else(name):
    geometry, box = OVER[name]
    body = item("i", geometry=geometry, bbox=box)
    assert admitted(body, bbox=(176, -5, 177, 5)) and admitted(body, bbox=(-177, -5, -176, 5))
    assert admitted(body, bbox=(170, -5, -170, 5))
    assert not admitted(body, bbox=(-170, -5, 170, 5))
    assert not admitted(body, intersects=rectangle(-170, -5, 170, 5))
    assert admitted(body, intersects=rectangle(176, -5, 181, 5))


@pytest.mark.parametrize(
    ("geometry", "box"),
    [
        (rectangle(-180, -90, 180, 90), None),
        (rectangle(-179.9, -90, 179.9, 90), None),
        (rectangle(-175, -5, 175, 5), [-175, -5, 175, 5]),
    ],
)
def test_a_footprint_of_the_whole_world_is_not_cut(geometry, box):
    body = item("i", geometry=geometry, bbox=box)
    assert admitted(body, bbox=(0, 0, 1, 1)) and admitted(body, intersects=rectangle(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("geometry", "box", "expected"),
    [
        ({"type": "Point", "coordinates": [5, 5, 100]}, None, True),
        ({"type": "Point", "coordinates": [5, 5, 300]}, None, False),
        ({"type": "Point", "coordinates": [5, 5]}, [5, 5, 0, 5, 5, 49], False),
        ({"type": "Point", "coordinates": [5, 5]}, [5, 5, 0, 5, 5, 50], True),
        ({"type": "Point", "coordinates": [5, 5]}, None, True),
    ],
)
def test_heights_are_compared_where_an_item_has_some(geometry, box, expected):
    assert admitted(item("i", geometry=geometry, bbox=box), bbox=(0, 0, 50, 9, 9, 200)) is expected


def test_a_feature_collection_is_all_of_its_geometries():
    features = [{"type": "Feature", "geometry": rectangle(n, 0, n + 1, 1)} for n in (0, 5)]
    body = item("i", geometry={"type": "Point", "coordinates": [5.5, 0.5]})
    assert admitted(body, intersects={"type": "FeatureCollection", "features": features})
    assert not admitted(body, intersects={"type": "FeatureCollection", "features": features[:1]})


def test_a_box_whose_heights_are_in_the_wrong_order_is_a_usage_error():
    with pytest.raises(UsageError, match="height"):
        stac.item_filter(Selection(bbox=(0, 0, 9, 1, 1, 2)))
