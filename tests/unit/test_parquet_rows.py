"""Rows of stac-geoparquet: values of all types, selections as from JSON, and all rows or an error."""

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlhub_async import Selection
from mlhub_async.core.json_text import encode_json
from mlhub_async.engine.planning.plan import plan_only
from support.engine import make_options

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

LAST = 2**63 - 1
LEAVES = [
    # type, values in the file (times as counts), values in the item
    (pa.int64(), (0, -(2**63)), (0, -(2**63))),
    (pa.float64(), (1.5, float("nan"), float("-inf")), (1.5, None, None)),
    (pa.float32(), (0.5,), (0.5,)),
    (pa.bool_(), (True, False), (True, False)),
    (pa.string(), ("", "ä"), ("", "ä")),
    (pa.large_string(), ("x",), ("x",)),
    (pa.binary(), (b"", b"\x00\xff"), ("", "AP8=")),
    (pa.timestamp("s"), (-1, 253402300800), ("1969-12-31T23:59:59Z", "+10000-01-01T00:00:00Z")),
    (pa.timestamp("us", "UTC"), (1_500_000,), ("1970-01-01T00:00:01.5Z",)),
    (pa.timestamp("us"), (LAST,), ("+294247-01-10T04:00:54.775807Z",)),
    (pa.timestamp("ns", "+02:00"), (1, 0), ("1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00Z")),
    (pa.timestamp("ns"), (-LAST,), ("1677-09-21T00:12:43.145224193Z",)),
    (pa.date32(), (0, -719528, 2**31 - 1), ("1970-01-01", "0000-01-01", "+5881580-07-11")),
    (pa.time64("ns"), (1, 37_800 * 10**9), ("00:00:00.000000001", "10:30:00")),
    (pa.duration("ms"), (-1500, 0), ("-PT1.5S", "PT0S")),
    (pa.null(), (), ()),
]


def of_leaf(known):
    kind, stored, written = known
    return kind, st.sampled_from([(None, None), *zip(stored, written, strict=True)])


def or_null(values):
    return values | st.just((None, None))


def of_list(inner):
    kind, values = inner
    pairs = st.lists(values, max_size=3).map(lambda found: ([a for a, _ in found], [b for _, b in found]))
    return pa.list_(kind), or_null(pairs)


def of_two(inner):
    kind, values = inner
    pairs = st.tuples(values, values).map(lambda found: ([a for a, _ in found], [b for _, b in found]))
    return pa.list_(kind, 2), or_null(pairs)


def without_nulls(names, found):
    return {name: value for name, (_, value) in zip(names, found, strict=True) if value is not None}


def of_struct(inner):
    names = [f"f{at}" for at in range(len(inner))]
    pairs = st.tuples(*(values for _, values in inner)).map(
        lambda found: ({n: a for n, (a, _) in zip(names, found, strict=True)}, without_nulls(names, found))
    )
    return pa.struct([(n, kind) for n, (kind, _) in zip(names, inner, strict=True)]), or_null(pairs)


def of_map(inner):
    kind, values = inner

    def written(found):
        names = [f"1970-01-01T00:00:0{at}Z" for at in range(len(found))]
        return [(at, a) for at, (a, _) in enumerate(found)], without_nulls(names, found)

    return pa.map_(pa.timestamp("s"), kind), or_null(st.lists(values, max_size=2).map(written))


TYPES = st.recursive(
    st.sampled_from(LEAVES).map(of_leaf),
    lambda inner: st.one_of(
        inner.map(of_list),
        inner.map(of_two),
        inner.map(of_map),
        st.lists(inner, min_size=1, max_size=3).map(of_struct),
    ),
    max_leaves=4,
)


@st.composite
def columns(draw):
    kind, values = draw(TYPES)
    return kind, draw(st.lists(values, min_size=1, max_size=7))


def listed(path, **selection):
    """The bodies of the items, in their order; None where the listing is not complete."""
    items = []
    options = make_options(Selection(**selection), allow_private=True)
    plan = asyncio.run(plan_only(path, options, save=lambda item, _: items.append(item.body)))
    return items if plan.listing.complete else None


def base(count):
    ids = [f"i{at}" for at in range(count)]
    assets = [{"data": {"href": f"https://h.test/{at}.tif"}} for at in range(count)]
    return {
        "id": pa.array(ids),
        "assets": pa.array(assets, pa.struct({"data": pa.struct({"href": pa.string()})})),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parquet")


@given(columns(), st.sampled_from([1, 3, 100]), st.booleans())
def test_values_of_any_type_are_written_as_json_has_them(folder, column, group_rows, store_schema):
    kind, values = column
    counted = pa.array([stored for stored, _ in values], kind)
    table = pa.table({**base(len(values)), "x": counted})
    parquet.write_table(table, folder / "v.parquet", row_group_size=group_rows, store_schema=store_schema)
    if not store_schema:  # it is of the types that Parquet has
        assert listed(folder / "v.parquet") is not None
        return
    found = [item["properties"].get("x") for item in listed(folder / "v.parquet")]
    assert found == [written for _, written in values]


def point(x):
    return struct.pack("<BIdd", 1, 1, x, 0.0)


BOX = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
BOXES = [(0, 1), (4.5, 6), (-5, 0.5), (170, -170), (-185, -175), (175, 190), (None, 1)]
MOMENTS = [0, 1546300799, 1546300800, 1609459200, 253402300800]
SELECTIONS = [
    {"bbox": (-10, -10, 5, 10)},
    {"bbox": (170, -10, -170, 10)},
    {"bbox": (176, -90, 180, 90)},
    {"datetime": "2019-01-01/2020-12-31"},
    {"datetime": "2021-01-01T00:00:00Z/.."},
    {"datetime": "../2019-01-01T00:00:00Z", "bbox": (-10, -10, 5, 10)},
    {"ids": ("i1", "i3"), "datetime": "2019-01-01/.."},
]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, *BOXES]),
        st.sampled_from([None, *MOMENTS]),
        st.sampled_from([0, 1]),
        st.sampled_from([None, *MOMENTS]),
    ),
    min_size=1,
    max_size=9,
)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@given(rows=ROWS, selection=st.sampled_from(SELECTIONS), group_rows=st.sampled_from([1, 3, 100]))
@settings(max_examples=60)
def test_items_are_selected_as_from_json(folder, unit, rows, selection, group_rows):
    per_second = {"s": 1, "us": 10**6, "ns": 10**9}[unit]

    def moments(seconds):
        """Those after 2262, where nanoseconds end, are left out there."""
        too_late = [one is None or (unit == "ns" and one > 2**33) for one, _ in seconds]
        pairs = zip(seconds, too_late, strict=True)
        counts = [None if is_none else one * per_second + rest for (one, rest), is_none in pairs]
        return pa.array(counts, pa.timestamp(unit, "UTC"))

    boxes = [box and {"xmin": box[0], "ymin": 0, "xmax": box[1], "ymax": 1} for box, *_ in rows]
    table = pa.table(
        {
            **base(len(rows)),
            "geometry": pa.array([point(x) for x in range(len(rows))]),
            "bbox": pa.array(boxes, BOX),
            "datetime": moments([(at, rest) for _, at, rest, _ in rows]),
            "end_datetime": moments([(end, 0) for *_, end in rows]),
        }
    )
    parquet.write_table(table, folder / "s.parquet", row_group_size=group_rows)
    everything = {"type": "FeatureCollection", "features": listed(folder / "s.parquet")}
    (folder / "s.json").write_bytes(encode_json(everything))
    chosen = listed(folder / "s.parquet", **selection)
    assert chosen is not None and chosen == listed(folder / "s.json", **selection)


def test_a_box_with_nan_is_none_and_the_geometry_tells(folder):
    box = {"xmin": float("nan"), "ymin": 0.0, "xmax": 1.0, "ymax": 1.0}
    table = pa.table({**base(1), "geometry": [point(0.5)], "bbox": [box]})
    parquet.write_table(table, folder / "n.parquet")
    assert [item["id"] for item in listed(folder / "n.parquet", bbox=(0, -1, 1, 1))] == ["i0"]


def test_the_number_0_is_an_id(folder):
    parquet.write_table(pa.table({**base(2), "id": pa.array([0, 1])}), folder / "i.parquet")
    assert [item["id"] for item in listed(folder / "i.parquet")] == [0, 1]
    assert [item["id"] for item in listed(folder / "i.parquet", ids=("0",))] == [0]


def test_columns_and_fields_of_one_name_are_told(folder):
    columns = base(1)
    twice = pa.Table.from_arrays([*columns.values(), columns["id"]], names=["id", "assets", "id"])
    fields = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    for table in (twice, pa.table({**columns, "x": fields})):
        parquet.write_table(table, folder / "t.parquet")
        assert listed(folder / "t.parquet") is None


def test_rows_that_a_damaged_footer_hides_end_the_listing(folder):
    """17 is written as 34 (zigzag) where the metadata counts values and rows."""
    table = pa.table(base(17))
    options = {"use_dictionary": False, "write_statistics": False, "compression": "none"}
    parquet.write_table(table, folder / "w.parquet", **options)
    whole = (folder / "w.parquet").read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    places = [at for at in range(footer, len(whole) - 8) if whole[at] == 34]
    assert len(places) >= 4
    ended = []
    for at in places:
        for count in (0, 9, 16, 18):
            (folder / "d.parquet").write_bytes(whole[:at] + bytes([2 * count]) + whole[at + 1 :])
            found = listed(folder / "d.parquet")
            ended.append(found is None)
            assert found is None or len(found) == 17
    assert sum(ended) >= 8
