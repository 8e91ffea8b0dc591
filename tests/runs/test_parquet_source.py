"""stac-geoparquet as SOURCE: a file, a folder of files, and a file on a server by ranges."""

import struct
from datetime import UTC, datetime

import pytest
import shapely

from mlhub_async import Selection, SourceError, UsageError, mirror
from mlhub_async.engine.planning.plan import plan_only
from support.engine import make_options, run
from support.mirrored import Mirrored
from support.server import IgnoreRange, tif

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
    ],
)
async def test_a_selection_gives_what_the_same_items_give_one_by_one(site, tmp_path, selection, ids):
    assert [i.id for i in await listed(written(tmp_path / "i.parquet", rows(site, 40)), **selection)] == ids


async def test_an_item_over_the_antimeridian_is_found_on_both_sides(site, tmp_path):
    found = rows(site, 20)
    halves = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
    found[12]["geometry"] = shapely.to_wkb(halves)
    found[12]["bbox"] = dict(zip(NAMES, (179.0, 0.0, -179.0, 1.0), strict=True))
    path = written(tmp_path / "i.parquet", found)
    for box in ((178, -1, 179.5, 1), (-179.5, -1, -178, 1)):
        assert [item.id for item in await listed(path, bbox=box)] == ["i12"]


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


async def test_a_server_without_ranges_is_said(site, dest, tmp_path):
    body = written(tmp_path / "i.parquet", rows(site, 30), compression="none").read_bytes() * 9
    with pytest.raises(SourceError, match="no ranges"):
        await mirror(
            site.put("/i.parquet", body, always=[IgnoreRange()]), dest, make_options(allow_private=True)
        )


async def test_without_pyarrow_the_message_names_what_to_install(site, dest, tmp_path, monkeypatch):
    path = written(tmp_path / "i.parquet", rows(site, 1))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"mlhub-async\[index\]"):
        await run(path, dest)
