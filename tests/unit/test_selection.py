"""Filters of items and assets by a selection, with the meaning that servers give it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async import stac
from mlhub_async.core.errors import UsageError
from mlhub_async.core.model import Item
from mlhub_async.core.options import Selection
from support.documents import item


def admitted(body, *, served=frozenset(), **selection) -> bool:
    found = stac.item_of(body, "https://api.test/i")
    assert isinstance(found, Item)
    return stac.item_filter(Selection(**selection), served=served)(found)


def at(**properties):
    return item("i", properties=properties)


def square(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def test_an_empty_selection_admits_everything():
    assert admitted(item("i")) and admitted({"id": "x", "properties": {}, "assets": {}})


def test_ids_and_collections_are_compared_entirely():
    assert admitted(item("i", "c"), ids=("i", "j"), collections=("c",))
    assert not admitted(item("ij", "c"), ids=("i",))
    assert not admitted(item("i", "c2"), collections=("c",))


DATETIMES = [
    ("2020-01-01T12:00:00Z", "2020-01-01T12:00:00Z", True),
    ("2020-01-01T12:00:00Z", "2020-01-01T12:00:01Z", False),
    ("2020-01-01T12:00:00Z", "2020-01-01T13:00:00+01:00", True),
    ("2020-01-01", "2020-01-01T23:59:59Z", True),
    ("2020-01-01", "2020-01-01T23:59:59.999500Z", True),
    ("2020-02", "2020-02-29T23:59:59.9999999Z", True),
    ("2020", "2020-12-31T23:59:60Z", True),
    ("2020-12-31T23:59:60Z", "2020-12-31T23:59:60Z", True),
    ("2020-12-31", "2020-12-31t23:59:60.5z", True),
    ("2021", "2020-12-31T24:00:00Z", True),
    ("2020", "2020-12-31T24:00:00Z", False),
    ("2020-12-31T23:59:59Z/2020-12-31T24:00:00Z", "2020-12-31T23:59:59.7Z", True),
    ("2020-01-01/2020-01-01T23:59:59Z", "2020-01-01T23:59:59.5Z", False),
    ("2020-01-01", "2020-01-02T00:00:00Z", False),
    ("2020-02", "2020-02-29T10:00:00Z", True),
    ("2020-02", "2020-03-01T00:00:00Z", False),
    ("2020", "2020-12-31T23:59:59Z", True),
    ("2020-01-01/2020-06-30", "2020-06-30T23:00:00Z", True),
    ("2020-01-01/2020-06-30", "2020-07-01T00:00:00Z", False),
    ("2020-01-01/..", "2035-01-01T00:00:00Z", True),
    ("2020-01-01/", "2019-12-31T23:59:59Z", False),
    ("../2020-01-01", "1999-01-01T00:00:00Z", True),
    ("/2020-01-01", "2020-01-02T00:00:00Z", False),
    ("2020-01-01/2020-06-30", "2020-03-01T00:00:00", True),
    ("2020-01-01/2020-06-30", "2020-03-01T00:00:00.123456789Z", True),
    ("2020-01-01/2020-06-30", "2020-03-01t00:00:00z", True),
    ("2020-01-01/2020-06-30", "yesterday", False),
    ("2020-01-01/2020-06-30", None, False),
    ("2020-01-01/2020-06-30", 20200301, False),
]


@pytest.mark.parametrize(("asked", "moment", "expected"), DATETIMES)
def test_the_time_of_an_item_is_compared_with_the_interval(asked, moment, expected):
    assert admitted(at(datetime=moment), datetime=asked) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z", True),
        ("2019-01-01T00:00:00Z", "2019-12-31T23:59:59Z", False),
        ("2020-06-30T23:59:59Z", "2021-01-01T00:00:00Z", True),
        ("2020-06-30T23:59:59.2Z", "2020-06-30T23:59:59.9Z", True),
        ("2020-07-01T00:00:00Z", "2021-01-01T00:00:00Z", False),
        ("2019-01-01T00:00:00Z", "2021-01-01T00:00:00Z", True),
        ("2019-01-01T00:00:00Z", None, True),
        (None, "2019-01-01T00:00:00Z", False),
        (None, None, False),
    ],
)
def test_the_span_of_an_item_without_a_time_is_compared_with_the_interval(start, end, expected):
    body = at(datetime=None, start_datetime=start, end_datetime=end)
    assert admitted(body, datetime="2020-01-01/2020-06-30") is expected


@pytest.mark.parametrize("asked", ["", "..", "../..", "/", "last week", "2020-13-01", "2021/2020", "a/b/c"])
def test_an_unusable_datetime_is_a_usage_error(asked):
    with pytest.raises(UsageError, match="--datetime"):
        stac.item_filter(Selection(datetime=asked))


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("2020-01-01", "2020-01-01T00:00:00Z/2020-01-02T00:00:00Z"),
        ("2020-01-01T12:00:00.5Z", "2020-01-01T12:00:00Z/2020-01-01T12:00:01Z"),
        ("2020-01-01T12:00:00.5Z/..", "2020-01-01T12:00:00Z/.."),
        ("9999", "9999-01-01T00:00:00Z/9999-12-31T23:59:59.999999Z"),
        ("2020-01-01T12:00:00Z", "2020-01-01T12:00:00Z"),
        ("2020/..", "2020-01-01T00:00:00Z/.."),
        ("/2020-02", "../2020-03-01T00:00:00Z"),
    ],
)
def test_intervals_are_sent_in_rfc_3339_extended_to_whole_seconds(asked, sent):
    assert stac.interval_for_server(asked) == sent


def test_a_box_is_compared_with_the_items_box():
    near = item("i", bbox=[10, 10, 20, 20])
    assert admitted(near, bbox=(15, 15, 30, 30))
    assert admitted(near, bbox=(20, 20, 30, 30))
    assert not admitted(near, bbox=(20.1, 20, 30, 30))
    assert not admitted(near, bbox=(15, 21, 30, 30))


def test_a_box_may_have_heights():
    assert admitted(item("i", bbox=[10, 10, -5, 20, 20, 800]), bbox=(19, 19, 0, 21, 21, 1))
    assert not admitted(item("i", bbox=[10, 10, 0, 20, 20, 1]), bbox=(21, 19, 0, 22, 21, 1))


def test_a_box_over_the_antimeridian_meets_items_on_both_sides():
    fiji = item("i", bbox=[177, -19, -178, -16])
    assert admitted(fiji, bbox=(178, -18, 179, -17))
    assert admitted(fiji, bbox=(-180, -18, -179, -17))
    assert not admitted(fiji, bbox=(-10, -18, 10, -17))
    assert admitted(item("i", bbox=[-179.5, -18, -179, -17]), bbox=(179, -20, -179, -10))
    assert not admitted(item("i", bbox=[0, -18, 1, -17]), bbox=(179, -20, -179, -10))


def test_a_box_in_an_empty_corner_of_a_rotated_footprints_box_does_not_meet_it():
    diamond = {"type": "Polygon", "coordinates": [[[5, 0], [10, 5], [5, 10], [0, 5], [5, 0]]]}
    body = item("i", bbox=[0, 0, 10, 10], geometry=diamond)
    assert not admitted(body, bbox=(0, 0, 1, 1))
    assert admitted(body, bbox=(0, 0, 3, 3))
    assert admitted(body, bbox=(4, 4, 6, 6))
    assert admitted(body, bbox=(-5, -5, 15, 15))


def test_a_box_in_the_hole_of_a_footprint_does_not_meet_it():
    ring = {
        "type": "Polygon",
        "coordinates": [*square(0, 0, 10, 10)["coordinates"], *square(3, 3, 7, 7)["coordinates"]],
    }
    body = item("i", geometry=ring)
    assert not admitted(body, bbox=(4, 4, 6, 6))
    assert admitted(body, bbox=(4, 4, 8, 6))


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": [5, 5]},
        {"type": "Point", "coordinates": [5, 5, 100]},
        {"type": "MultiPoint", "coordinates": [[50, 50], [5, 5]]},
        {"type": "LineString", "coordinates": [[0, 0], [10, 10]]},
        {"type": "MultiPolygon", "coordinates": [square(4, 4, 6, 6)["coordinates"]]},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [5, 5]}]},
    ],
    ids=lambda geometry: geometry["type"],
)
def test_every_kind_of_geometry_is_compared_with_the_box(geometry):
    assert admitted(item("i", geometry=geometry), bbox=(4.5, 4.5, 5.5, 5.5))
    assert not admitted(item("i", geometry=geometry), bbox=(8, 1, 9, 2))


UNUSABLE = [{}, "x", {"type": "Point"}, {"coordinates": [[["a"]]]}, {"type": "Polygon", "coordinates": [[1]]}]


@pytest.mark.parametrize("geometry", [None, *UNUSABLE])
@pytest.mark.parametrize("bbox", [None, [], [1, 2], ["a", "b", "c", "d"], [None] * 4])
def test_an_item_without_a_usable_geometry_or_box_meets_no_box(geometry, bbox):
    body = item("i", geometry=geometry, bbox=bbox)
    assert not admitted(body, bbox=(-180, -90, 180, 90))
    assert not admitted(body, intersects=square(-180, -90, 180, 90))


def test_an_item_with_null_for_a_geometry_lies_nowhere():
    body = item("i", geometry=None, bbox=[0, 0, 10, 10])
    assert not admitted(body, bbox=(0, 0, 3, 3)) and not admitted(body, intersects=square(0, 0, 3, 3))


@pytest.mark.parametrize("geometry", UNUSABLE)
def test_an_item_with_an_unusable_geometry_lies_in_its_box(geometry):
    body = item("i", geometry=geometry, bbox=[0, 0, 10, 10])
    for selection in ({"bbox": (0, 0, 3, 3)}, {"intersects": square(0, 0, 3, 3)}):
        assert admitted(body, **selection)
    assert not admitted(body, bbox=(11, 0, 12, 3))


@pytest.mark.parametrize("bbox", [(1, 2, 3), (0, 10, 1, 5), (0, 0, float("nan"), 1)])
def test_an_unusable_bbox_is_a_usage_error(bbox):
    with pytest.raises(UsageError, match="bbox"):
        stac.item_filter(Selection(bbox=bbox))


numbers = st.integers(-8, 8)


@given(numbers, numbers, st.integers(1, 4), st.integers(1, 4), numbers, numbers, st.integers(1, 4))
def test_a_square_meets_a_box_exactly_when_their_sides_overlap(x, y, w, h, bx, by, size):
    body = item("i", geometry=square(x, y, x + w, y + h))
    overlap = x <= bx + size and bx <= x + w and y <= by + size and by <= y + h
    assert admitted(body, bbox=(bx, by, bx + size, by + size)) is overlap


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"eo:cloud_cover": {"lt": 10}}, True),
        ({"eo:cloud_cover": {"lt": 5}}, False),
        ({"eo:cloud_cover": {"lte": 5, "gte": 5}}, True),
        ({"eo:cloud_cover": {"gt": 5}}, False),
        ({"eo:cloud_cover": {"eq": 5}, "platform": {"eq": "sentinel-2a"}}, True),
        ({"eo:cloud_cover": {"eq": 5}, "platform": {"eq": "sentinel-2b"}}, False),
        ({"platform": {"neq": "sentinel-2b"}}, True),
        ({"platform": {"startsWith": "sentinel"}}, True),
        ({"platform": {"endsWith": "2b"}}, False),
        ({"platform": {"contains": "nel-2"}}, True),
        ({"instruments": {"contains": "msi"}}, True),
        ({"instruments": {"contains": "ms"}}, False),
        ({"platform": {"in": ["landsat", "sentinel-2a"]}}, True),
        ({"platform": {"in": []}}, False),
        ({"platform": "sentinel-2a"}, True),
        ({"properties.platform": {"eq": "sentinel-2a"}}, True),
        ({"id": {"eq": "i"}}, True),
        ({"missing": {"neq": 1}}, False),
        ({"platform": {"lt": 5}}, False),
        ({"created": {"gt": "2020-01-01T00:30:00+01:00"}}, True),
    ],
)
def test_the_operators_of_the_query_extension(query, expected):
    body = at(
        **{"eo:cloud_cover": 5}, platform="sentinel-2a", instruments=["msi"], created="2020-01-01T00:00:00Z"
    )
    assert admitted(body, query=query) is expected


def test_an_unknown_operator_is_a_usage_error():
    with pytest.raises(UsageError, match="between"):
        stac.item_filter(Selection(query={"a": {"between": [1, 2]}}))


def test_the_most_specific_field_decides_which_classes_an_item_shows():
    counted = [
        {"property_key": "labels", "counts": [{"name": "Water", "count": 9}, {"name": "Ice", "count": 0}]}
    ]
    possible = [{"name": "labels", "classes": ["Water", "Ice", 3]}]
    assert admitted(at(**{"label:overviews": counted}), classes=("water", "x"))
    assert not admitted(at(**{"label:overviews": counted, "label:classes": possible}), classes=("Ice",))
    assert not admitted(at(labels=["Wood"], **{"label:classes": possible}), classes=("Ice",))
    assert admitted(at(labels=["Wood"]), classes=("Wood",))
    assert admitted(at(**{"label:classes": possible}), classes=("3",))
    assert not admitted(at(), classes=("Wood",))


@pytest.mark.parametrize(
    "extra",
    [
        {"file:values": [{"values": [1], "summary": "Water"}]},
        {"classification:classes": [{"value": 1, "name": "water"}]},
    ],
)
def test_classes_may_be_declared_by_the_assets_only(extra):
    body = item("i", assets={"labels": {"href": "x", **extra}, "odd": None})
    assert admitted(body, classes=("Water",)) and not admitted(body, classes=("Ice",))


@pytest.mark.parametrize("mess", [None, 3, "Water", [3, None], [{"counts": 3}], {"classes": 1}])
def test_malformed_label_properties_raise_nothing(mess):
    body = at(labels=mess, **{"label:overviews": mess, "label:classes": mess})
    assert not admitted(body, classes=("Ice",))


def test_intersects_compares_geometries():
    diamond = {"type": "Polygon", "coordinates": [[[5, 0], [10, 5], [5, 10], [0, 5], [5, 0]]]}
    body = item("i", bbox=[0, 0, 10, 10], geometry=diamond)
    assert not admitted(body, intersects=square(0, 0, 1, 1))
    assert admitted(body, intersects={"type": "Feature", "geometry": square(0, 0, 3, 3)})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("platform = 'landsat' AND gsd < 20", True),
        ({"op": ">", "args": [{"property": "gsd"}, 20]}, False),
        ("missing = 1", False),
    ],
)
def test_cql2_filters_are_evaluated_here(expression, expected):
    assert admitted(at(platform="landsat", gsd=10), filter=expression) is expected


def test_an_invalid_cql2_filter_is_a_usage_error():
    with pytest.raises(UsageError, match="--filter"):
        stac.item_filter(Selection(filter="(("))


def test_an_intersects_without_coordinates_is_a_usage_error():
    with pytest.raises(UsageError, match="--intersects"):
        stac.item_filter(Selection(intersects={"type": "Polygon", "coordinates": []}))


ASSETS = {
    "B01": {"href": "a", "type": "image/tiff; application=geotiff", "roles": ["data"], "file:size": 100},
    "B02": {"href": "b", "type": "IMAGE/TIFF", "roles": ["data", "reflectance"]},
    "thumb": {"href": "c", "type": "image/png", "roles": ["thumbnail"], "file:size": 5},
    "odd": {"href": "d", "roles": "data"},
}


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        ({}, "B01 B02 thumb odd"),
        ({"include": ("B*",)}, "B01 B02"),
        ({"include": ("b*",)}, ""),
        ({"exclude": ("B?2", "odd")}, "B01 thumb"),
        ({"include": ("B*",), "exclude": ("*1",)}, "B02"),
        ({"include": ("B01",), "exclude": ("B01",)}, ""),
        ({"roles": ("data",)}, "B01 B02"),
        ({"roles": ("thumbnail", "reflectance")}, "B02 thumb"),
        ({"media_types": ("image/tiff",)}, "B01 B02"),
        ({"media_types": ("image/*",)}, "B01 B02 thumb"),
        ({"media_types": ("image/tiff; application=geotiff",)}, "B01 B02"),
        ({"min_size": 50}, "B01 B02 odd"),
        ({"max_size": 50}, "B02 thumb odd"),
    ],
    ids=str,
)
def test_assets_are_chosen_by_key_role_media_type_and_declared_size(selection, keys):
    found = stac.item_of(item("i", assets=ASSETS), "https://api.test/i")
    wanted = stac.asset_filter(Selection(**selection))
    assert [one.key for one in stac.assets_of(found) if wanted(one, found.body)] == keys.split()
    assert [one.key for one in stac.outlines_of(found) if wanted(one, found.body)] == keys.split()


def test_an_invalid_intersects_geometry_is_a_usage_error():
    with pytest.raises(UsageError, match="--intersects"):
        stac.item_filter(Selection(intersects={"type": "Sphere", "coordinates": [[1, 2], [3, 4]]}))
