"""stac-geoparquet as SOURCE: a file, a folder of files, and a file on a server by ranges."""

import json
import math
import struct
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
import shapely

from mlhub_async import Selection, SourceError, UsageError, mirror
from mlhub_async.core.json_text import encode_json
from mlhub_async.engine.planning.plan import plan_only
from mlhub_async.sources.files.parquet import item_reader
from support.engine import make_options, run
from support.mirrored import Mirrored
from support.server import IgnoreRange, Status, tif

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NAMES = ("xmin", "ymin", "xmax", "ymax")


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def point(x, y):
    return struct.pack("<BIdd", 1, 1, x, y)


def rows(site, count, **more):
    """`count` items, each 0.01 degrees and one day further than the one before."""
    found = []
    for n in range(count):
        x = n / 100
        asset = {"href": site.put(f"/{n}.tif", tif(2_000, n)), "type": "image/tiff"}
        found.append(
            {
                **{"type": "Feature", "stac_version": "1.0.0", "id": f"i{n}", "collection": "c1"},
                "geometry": point(x, 0.0),
                "bbox": dict(zip(NAMES, (x, 0.0, x, 0.0), strict=True)),
                "datetime": datetime(2020, 1, 1 + n % 28, tzinfo=UTC),
                "links": [],
                "assets": {"data": asset, "odd": {"href": asset["href"], "type": None} if n == 0 else None},
                **more,
            }
        )
    return found


def written(path, found, **options):
    options = {"row_group_size": 10, **options}
    parquet.write_table(pyarrow.Table.from_pylist(found), path, **options)
    return path


async def listed(source, **selection):
    items = []
    options = make_options(Selection(**selection), allow_private=True)
    plan = await plan_only(source, options, save=lambda item, _: items.append(item))
    assert plan.listing.complete
    return items


async def test_the_items_of_a_file_are_mirrored_as_those_of_any_other_source(site, dest, tmp_path):
    path = written(tmp_path / "items.parquet", rows(site, 30, platform="s", gsd=None))
    report = await run(path, dest)
    assert report.exit_code == 0, report.summary()
    Mirrored(dest).check(0)
    item = Mirrored(dest).item("i3")
    assert item["properties"] == {"datetime": "2020-01-04T00:00:00Z", "platform": "s"}
    assert item["bbox"] == [0.03, 0, 0.03, 0] and item["geometry"]["coordinates"] == [0.03, 0]
    assert list(item["assets"]) == ["data"] and list(Mirrored(dest).item("i0")["assets"]) == ["data", "odd"]
    assert (await run(path, dest)).skipped == 31


async def test_a_folder_of_part_files_is_one_source(site, dest, tmp_path):
    found = rows(site, 20)
    (tmp_path / "parts/c=1").mkdir(parents=True)
    written(tmp_path / "parts/a.parquet", found[:7])
    written(tmp_path / "parts/c=1/b.GeoParquet", found[7:])
    (tmp_path / "parts/_metadata.parquet").write_bytes(b"no items")
    assert (await run(tmp_path / "parts", dest)).fetched == 21


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "set"
    made.mkdir()
    return made


OTHER = pyarrow.table({"id": ["a"], "label": [1]})


async def test_other_parquet_beside_it_is_left_out_with_a_line(site, dest, folder):
    written(folder / "a.parquet", rows(site, 3))
    parquet.write_table(OTHER, folder / "labels.parquet")
    report = await run(folder, dest)
    assert (report.exit_code, report.fetched) == (0, 4)
    [line] = report.listing.remarks.lines
    assert "1 of its 2 Parquet files are none, such as labels.parquet" in line


async def test_a_folder_with_parquet_that_is_no_stac_is_a_folder_of_files(dest, folder):
    parquet.write_table(OTHER, folder / "labels.parquet")
    parquet.write_table(pyarrow.table({"assets": [{"id": 1, "geometry": 2}]}), folder / "x.parquet")
    (folder / "a.tif").write_bytes(tif(500))
    report = await run(folder, dest)
    assert (report.exit_code, report.fetched) == (0, 3)
    assert (
        "none of its 2 Parquet files is stac-geoparquet: it is read as files"
        in report.listing.remarks.lines[0]
    )
    Mirrored(dest).check(0)


async def test_the_metadata_of_a_file_says_that_it_is_stac(site, dest, folder):
    table = pyarrow.Table.from_pylist([{**row, "geometry": None} for row in rows(site, 2)]).drop(["geometry"])
    parquet.write_table(table, folder / "i.parquet")
    assert (await run(folder, dest / "files")).fetched == 1
    about = {"stac-geoparquet": json.dumps({"version": "1.1.0"})}
    parquet.write_table(table.replace_schema_metadata(about), folder / "i.parquet")
    assert (await run(folder, dest / "items")).fetched == 3


async def test_a_damaged_file_among_stac_is_told_and_alone_is_a_file(site, dest, folder):
    whole = written(folder / "a.parquet", rows(site, 3)).read_bytes()
    (folder / "b.parquet").write_bytes(whole[:-100])
    report = await run(folder, dest / "both")
    assert (report.exit_code, report.fetched) == (4, 4)
    (folder / "a.parquet").unlink()
    assert (await run(folder, dest / "alone")).fetched == 1


async def test_a_folder_of_other_parquet_needs_no_pyarrow(site, dest, folder, monkeypatch):
    parquet.write_table(OTHER, folder / "labels.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert (await run(folder, dest)).fetched == 1
    monkeypatch.undo()
    written(folder / "i.parquet", rows(site, 1))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"python -m pip install 'pyarrow"):
        await run(folder, dest)


async def test_a_file_on_a_server_is_read_by_ranges_and_groups_without_selected_items_are_not(
    site, dest, tmp_path
):
    noise = [{**row, "noise": tif(20_000, number).hex()} for number, row in enumerate(rows(site, 60))]
    path = written(tmp_path / "items.parquet", noise, use_dictionary=False, compression="none")
    url = site.put("/items.parquet", path.read_bytes(), etag='"1"')
    items = await listed(url, bbox=(0.22, -1, 0.24, 1))
    assert [item.id for item in items] == ["i22", "i23", "i24"]
    asked = [one.headers["range"][6:].split("-") for one in site.requests["/items.parquet"]]
    size = sum(int(last) - int(first) + 1 for first, last in asked)
    assert size < path.stat().st_size / 3
    assert {one.headers.get("if-match") for one in site.requests["/items.parquet"][1:]} == {'"1"'}


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ({"bbox": (0.05, -1, 0.06, 1)}, ["i5", "i6"]),
        ({"bbox": (0.05, -1, -5, 0.06, 1, 5)}, ["i5", "i6"]),
        ({"bbox": (0.05, 1, 0.06, 2)}, []),
        ({"bbox": (0.39, -1, -170, 1)}, ["i39"]),
        ({"datetime": "2020-01-12/2020-01-13"}, ["i11", "i12", "i39"]),
        ({"datetime": "2020-01-12/.."}, [f"i{n}" for n in (*range(11, 28), 39)]),
        ({"ids": ("i3", "i31")}, ["i3", "i31"]),
        ({"collections": ("c1",), "bbox": (0.05, -1, 0.05, 1)}, ["i5"]),
        ({"collections": ("c?",), "ids": ("i3", "i31"), "bbox": (0.05, -1, 5, 1)}, ["i31"]),
        ({"collections": ("c1", "c3"), "datetime": "2020-01-12"}, ["i11"]),
        ({"collections": ("c2",), "bbox": (0.39, -1, 0.4, 1)}, ["i39"]),
        ({"collections": ("c3",), "bbox": (0.39, -1, 0.4, 1)}, []),
    ],
)
@pytest.mark.parametrize("whole_bytes", [item_reader.WHOLE_BYTES, 0])
async def test_a_selection_gives_what_the_same_items_give_one_by_one(
    site, tmp_path, monkeypatch, whole_bytes, selection, ids
):
    monkeypatch.setattr(item_reader, "WHOLE_BYTES", whole_bytes)
    found = rows(site, 40)
    found[7]["collection"], found[39]["collection"] = "c3", "c2"
    path = written(tmp_path / "i.parquet", found)
    assert [item.id for item in await listed(path, **selection)] == ids
    (tmp_path / "i.ndjson").write_text(
        "".join(f"{encode_json(one).decode()}\n" for one in map(as_json, found))
    )
    assert [item.id for item in await listed(tmp_path / "i.ndjson", **selection)] == ids


def as_json(row):
    """The item that a row stands for."""
    x = row["bbox"]["xmin"]
    return {
        **{name: row[name] for name in ("type", "stac_version", "id", "collection", "links")},
        "geometry": {"type": "Point", "coordinates": [x, 0]},
        "bbox": list(row["bbox"].values()),
        "properties": {"datetime": row["datetime"].isoformat()},
        "assets": {name: asset for name, asset in row["assets"].items() if asset},
    }


async def test_an_unknown_collection_is_told_with_those_that_there_are(site, tmp_path):
    found = rows(site, 40)
    found[25]["collection"] = "c3"
    with pytest.raises(SourceError, match="did you mean c3, c1"):
        await listed(written(tmp_path / "i.parquet", found), collections=("c4",), bbox=(0.05, -1, 0.06, 1))


async def test_of_other_collections_only_one_column_is_asked_for(site, tmp_path):
    noise = [{**row, "noise": tif(20_000, number).hex()} for number, row in enumerate(rows(site, 60))]
    for row in noise[:50]:
        row["collection"] = "c2"
    path = written(tmp_path / "items.parquet", noise, use_dictionary=False, compression="none")
    url = site.put("/items.parquet", path.read_bytes(), etag='"1"')
    assert len(await listed(url, collections=("c1",))) == 10
    asked = [one.headers["range"][6:].split("-") for one in site.requests["/items.parquet"]]
    assert sum(int(last) - int(first) + 1 for first, last in asked) < path.stat().st_size / 1.8


async def test_an_item_over_the_antimeridian_is_found_on_both_sides(site, tmp_path):
    found = rows(site, 20)
    halves = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    found[12]["geometry"] = shapely.to_wkb(halves)
    found[12]["bbox"] = dict(zip(NAMES, (179.0, 0.0, -179.0, 1.0), strict=True))
    path = written(tmp_path / "i.parquet", found)
    for box in ((178, -1, 179.5, 1), (-179.5, -1, -178, 1)):
        assert [item.id for item in await listed(path, bbox=box)] == ["i12"]


@pytest.mark.parametrize("x", [(-185.0, -175.0), (175.0, 185.0)], ids=["below -180", "above 180"])
@pytest.mark.parametrize("row_group_size", [1, 20])
async def test_an_item_whose_box_goes_beyond_180_degrees_is_found_on_both_sides(
    site, tmp_path, x, row_group_size
):
    """As Landsat scenes have it: longitudes up to -180.67."""
    found = rows(site, 20)
    found[12]["geometry"] = shapely.to_wkb(shapely.box(x[0], 0, x[1], 1))
    found[12]["bbox"] = dict(zip(NAMES, (x[0], 0.0, x[1], 1.0), strict=True))
    path = written(tmp_path / "i.parquet", found, row_group_size=row_group_size)
    for box in ((176, -1, 179.5, 1), (-179.5, -1, -176, 1), (177, -1, -177, 1)):
        assert [item.id for item in await listed(path, bbox=box)] == ["i12"]
    assert "i12" not in [item.id for item in await listed(path, bbox=(-1, -1, 1, 1))]


async def test_times_keep_their_digits_and_nulls_their_span(site, tmp_path):
    found = rows(site, 3, start_datetime=None, end_datetime=None)
    found[1]["datetime"] = None
    found[1]["start_datetime"] = datetime(2019, 5, 1, tzinfo=UTC)
    found[1]["end_datetime"] = datetime(2019, 6, 1, tzinfo=UTC)
    table = pyarrow.Table.from_pylist(found)
    seconds = 1_577_836_800
    times = [seconds * 10**9 + 123_456_700, None, -(10**9)]
    column = pyarrow.array(times, pyarrow.timestamp("ns", "UTC"))
    table = table.set_column(table.schema.get_field_index("datetime"), "datetime", column)
    parquet.write_table(table, tmp_path / "i.parquet")
    items = {item.id: item.body["properties"] for item in await listed(tmp_path / "i.parquet")}
    assert items["i0"]["datetime"] == "2020-01-01T00:00:00.1234567Z"
    assert items["i2"]["datetime"] == "1969-12-31T23:59:59Z"
    assert items["i1"] == {
        "datetime": None,
        "start_datetime": "2019-05-01T00:00:00Z",
        "end_datetime": "2019-06-01T00:00:00Z",
    }
    assert [i.id for i in await listed(tmp_path / "i.parquet", datetime="2019-05-15")] == ["i1"]


NANOSECONDS = pyarrow.timestamp("ns", tz="UTC")
TYPED = {
    # name: (type in the file, value in the file, value in the item)
    "proj:geometry": (pyarrow.binary(), point(500.0, 7.5), {"type": "Point", "coordinates": [500.0, 7.5]}),
    "thumbnail": (pyarrow.large_binary(), b"\x00\xff", "AP8="),
    "updated": (pyarrow.date32(), date(2024, 2, 29), "2024-02-29"),
    "local_time": (pyarrow.time64("us"), time(10, 30), "10:30:00"),
    "price": (pyarrow.decimal128(7, 2), Decimal("3.25"), 3.25),
    "count": (pyarrow.decimal128(7, 0), Decimal(12), 12),
    "snow": (pyarrow.float64(), math.nan, None),
    "levels": (pyarrow.list_(pyarrow.float64()), [1.5, math.inf], [1.5, None]),
    "names": (pyarrow.map_(pyarrow.string(), pyarrow.int32()), [("a", 1)], {"a": 1}),
    "kind": (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "x", "x"),
    "processing": (
        pyarrow.struct({"at": NANOSECONDS, "on": pyarrow.date32(), "by": pyarrow.string()}),
        {"at": 1_500_000_000_000_000_001, "on": date(2024, 1, 2), "by": None},
        {"at": "2017-07-14T02:40:00.000000001Z", "on": "2024-01-02"},
    ),
    "steps": (pyarrow.list_(NANOSECONDS), [1_500_000_000_000_000_000, None], ["2017-07-14T02:40:00Z", None]),
}


@pytest.mark.parametrize("name", TYPED)
async def test_values_of_types_that_json_lacks_are_written_in_the_form_of_stac(site, dest, tmp_path, name):
    kind, value, expected = TYPED[name]
    table = pyarrow.Table.from_pylist(rows(site, 2)).append_column(name, pyarrow.array([value, None], kind))
    path = tmp_path / "items.parquet"
    parquet.write_table(table, path)
    report = await run(path, dest)
    assert report.exit_code == 0, report.summary()
    assert Mirrored(dest).item("i0")["properties"].get(name) == expected
    assert name not in Mirrored(dest).item("i1")["properties"]


async def test_times_of_assets_and_links_are_written_too(site, dest, tmp_path):
    asset = pyarrow.struct({"href": pyarrow.string(), "created": pyarrow.timestamp("ms", tz="UTC")})
    assets = pyarrow.array(
        [{"a": {"href": site.put("/a.tif", tif(300)), "created": 1000}}], pyarrow.struct({"a": asset})
    )
    table = pyarrow.table({"id": ["i"], "collection": ["c1"], "assets": assets})
    parquet.write_table(table, tmp_path / "items.parquet")
    assert (await run(tmp_path / "items.parquet", dest)).exit_code == 0
    assert Mirrored(dest).item("i")["assets"]["a"]["created"] == "1970-01-01T00:00:01Z"


async def test_heights_and_missing_geometries_are_read(site, tmp_path):
    found = rows(site, 2)
    found[0]["geometry"] = struct.pack("<BIddd", 1, 1001, 1, 2, 3)
    found[0]["bbox"] = {"xmin": 1.0, "ymin": 2.0, "zmin": 3.0, "xmax": 1.0, "ymax": 2.0, "zmax": 3.0}
    found[1]["geometry"] = found[1]["bbox"] = None
    first, second = await listed(written(tmp_path / "i.parquet", found))
    assert first.body["bbox"] == [1, 2, 3, 1, 2, 3]
    assert list(first.body["geometry"]["coordinates"]) == [1, 2, 3]
    assert second.body["geometry"] is None and "bbox" not in second.body


async def test_the_index_of_a_mirror_is_a_source(site, dest, tmp_path):
    await run(written(tmp_path / "i.parquet", rows(site, 5)), dest, index=True)
    report = await run(dest / "items.parquet", tmp_path / "copy")
    assert report.exit_code == 0
    copied = Mirrored(tmp_path / "copy").files
    assert len(copied) == 6 and copied.items() <= Mirrored(dest).files.items()


async def test_what_is_no_stac_and_what_is_not_whole_is_said(site, dest, tmp_path):
    parquet.write_table(pyarrow.table({"name": ["a"], "geometry": [b""]}), tmp_path / "other.parquet")
    with pytest.raises(SourceError, match=r"no stac-geoparquet.*name, geometry"):
        await run(tmp_path / "other.parquet", dest)
    whole = written(tmp_path / "i.parquet", rows(site, 30)).read_bytes()
    for number, place in enumerate((3, 100, len(whole) // 2, len(whole) - 1)):
        report = await run(site.put(f"/{number}.parquet", whole[:place]), dest / str(number))
        assert report.exit_code == 4 and "no whole Parquet" in report.listing.error.message


@pytest.mark.parametrize("place", ["server", "disk"])
async def test_a_page_in_place_of_a_parquet_file_is_said(site, dest, tmp_path, place):
    page = b"<!DOCTYPE html><html><body>Sign in</body></html>"
    (tmp_path / "a.parquet").write_bytes(page)
    report = await run(site.put("/a.parquet", page) if place == "server" else tmp_path / "a.parquet", dest)
    assert report.exit_code == 4
    assert "is no Parquet file: it is a page of HTML or XML" in report.listing.error.message


async def test_a_server_without_ranges_is_said(site, dest, tmp_path):
    body = written(tmp_path / "i.parquet", rows(site, 30), compression="none").read_bytes() * 9
    with pytest.raises(SourceError, match="no ranges"):
        await mirror(
            site.put("/i.parquet", body, always=[IgnoreRange()]), dest, make_options(allow_private=True)
        )


async def test_a_small_file_needs_no_ranges(site, dest, tmp_path):
    path = written(tmp_path / "i.parquet", rows(site, 3))
    assert path.stat().st_size <= 64 << 10
    report = await run(site.put("/i.parquet", path.read_bytes(), always=[IgnoreRange()]), dest)
    assert report.exit_code == 0 and report.fetched == 4


@pytest.mark.parametrize("fault", [IgnoreRange(), Status(416)])
async def test_an_empty_file_is_said(site, dest, fault):
    report = await run(site.put("/i.parquet", b"", always=[fault]), dest)
    assert report.exit_code == 4
    assert "is no Parquet file: it is empty" in report.listing.error.message


async def test_without_pyarrow_the_message_names_what_to_install(site, dest, tmp_path, monkeypatch):
    path = written(tmp_path / "i.parquet", rows(site, 1))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"python -m pip install 'pyarrow"):
        await run(path, dest)


VIEWS = {
    "text": ("id", "string_view"),
    "text of properties": ("platform", "string_view"),
    "geometries": ("geometry", "binary_view"),
    "text in lists": ("instruments", ("list_", "string_view")),
    "lists": ("instruments", ("list_view", "string")),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize(
    "selection",
    [
        {},
        {"bbox": (0.025, -1, 0.055, 1)},
        {"ids": ("i3", "i4", "i5")},
        {"collections": ("c1",), "max_items": 4},
    ],
    ids=["all", "box", "ids", "collection"],
)
async def test_views_of_text_are_chosen_from_as_text_is(site, tmp_path, name, selection):
    """The schemas that DataFusion and Polars store have them; pyarrow 26 does not filter them."""
    column, kind = VIEWS[name]
    outer, inner = kind if isinstance(kind, tuple) else (None, kind)
    if not hasattr(pyarrow, inner) or not hasattr(pyarrow, outer or inner):
        pytest.skip("pyarrow has no views here")
    kind = getattr(pyarrow, inner)()
    kind = getattr(pyarrow, outer)(kind) if outer else kind
    found = rows(site, 8, platform="sentinel", instruments=["a", "b"])
    table = pyarrow.Table.from_pylist(found)
    at = table.column_names.index(column)
    viewed = table.set_column(at, column, pyarrow.array([row[column] for row in found], kind))
    for path, one in (("plain", table), ("views", viewed)):
        parquet.write_table(one, tmp_path / f"{path}.parquet", row_group_size=3)
    assert parquet.read_schema(tmp_path / "views.parquet").field(column).type == kind
    plain, views = [
        [one.body for one in await listed(tmp_path / f"{path}.parquet", **selection)]
        for path in ("plain", "views")
    ]
    assert plain and views == plain
