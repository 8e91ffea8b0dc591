"""`Extent`: the union of the boxes and times of items, in any order and grouping."""

import json
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.stac.write.extent import Extent


def test_an_extent_covers_its_items_and_skips_unreadable_values():
    extent = Extent()
    for bbox in (
        [1, 2, 3, 4],
        [0, 2, -10, 5, 6, 10],
        None,
        [1, 2],
        ["a"] * 4,
        [float("nan")] * 4,
        [1, 9, 2, 3],
        7,
    ):
        extent.add({"bbox": bbox})
    assert extent.json["spatial"] == {"bbox": [[0, 2, 5, 6]]}
    assert extent.json["temporal"] == {"interval": [[None, None]]}


def test_a_box_over_the_antimeridian_covers_all_longitudes():
    extent = Extent()
    extent.add({"bbox": [170, -20, -170, -10]})
    assert extent.json["spatial"] == {"bbox": [[-180, -20, 180, -10]]}


@pytest.mark.parametrize(
    "properties, interval",
    [
        ({"datetime": "2020-01-01T00:00:00Z"}, ["2020-01-01T00:00:00Z"] * 2),
        ({"datetime": "2020-01-01T02:00:00+02:00"}, ["2020-01-01T00:00:00Z"] * 2),
        ({"datetime": "2020-01-01"}, ["2020-01-01T00:00:00Z"] * 2),
        (
            {
                "datetime": None,
                "start_datetime": "2020-01-01T00:00:00.5Z",
                "end_datetime": "2021-01-01T00:00:00Z",
            },
            ["2020-01-01T00:00:00.500000Z", "2021-01-01T00:00:00Z"],
        ),
        ({"datetime": None, "start_datetime": "2020-01-01T00:00:00Z"}, ["2020-01-01T00:00:00Z", None]),
        ({"datetime": "0001-01-01T00:00:00+23:00"}, [None, None]),
        ({"datetime": "yesterday"}, [None, None]),
        ({"datetime": 7}, [None, None]),
        (None, [None, None]),
    ],
)
def test_the_time_of_an_item_is_read_leniently(properties, interval):
    extent = Extent()
    extent.add({"properties": properties})
    assert extent.json["temporal"] == {"interval": [interval]}


boxes = st.tuples(*[st.floats(-180, 180), st.floats(-90, 90)] * 2).map(list)
times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
bodies = st.builds(lambda box, time: {"bbox": box, "properties": {"datetime": time}}, boxes, times)


@given(st.lists(bodies), st.integers(0, 10), st.randoms())
def test_extents_do_not_depend_on_order_or_on_how_the_work_was_split(found, cut, shuffle):
    whole, left, right = Extent(), Extent(), Extent()
    for body in found:
        whole.add(body)
    mixed = list(found)
    random.Random(shuffle.random()).shuffle(mixed)
    for body in mixed[:cut]:
        left.add(body)
    for body in mixed[cut:]:
        right.add(body)
    left.merge(right)
    assert left.json == whole.json
    assert Extent(json.loads(json.dumps(whole.state))).json == whole.json
