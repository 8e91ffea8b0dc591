"""`--index`: the files that list all items of a mirror, as other programs read them."""

import csv
import hashlib
import json
import sqlite3

import pytest

from mlhub_async import Selection, UsageError, mirror, verify
from mlhub_async.engine.finish import index as module
from support.engine import make_options, run
from support.mirrored import publish

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
shapely = pytest.importorskip("shapely")

POLYGON = {"type": "Polygon", "coordinates": [[[0, 0, 5], [1, 0, 6], [1, 1, 7], [0, 0, 5]]]}
MULTI = {"type": "MultiPolygon", "coordinates": [[[[0, 0], [1, 0], [1, 1], [0, 0]]]]}


def catalogue(site):
    """Items with heights, without geometry, with a null date, and of different properties."""
    high, flat, none = publish(site, ["high", "flat", "none"])
    high |= {"geometry": POLYGON, "bbox": [0, 0, 5, 1, 1, 7]}
    high["properties"] |= {"cloud": 3, "mixed": 1, "empty": {}}
    flat |= {"geometry": MULTI, "bbox": [0, 0, 1, 1], "collection": "c2"}
    flat["properties"] |= {"cloud": 2.5, "mixed": "text"}
    none |= {"geometry": None}
    none.pop("bbox", None)
    none["properties"] |= {
        "datetime": None,
        "start_datetime": "2020-01-01T00:00:00.123456Z",
        "end_datetime": "2020-02-01T00:00:00Z",
    }
    return [high, flat, none]


async def indexed(items, dest, **options):
    report = await run(items, dest, index=True, **options)
    assert report.ok
    return parquet.read_table(dest / "items.parquet")


async def test_geometries_heights_nulls_and_times_survive(site, dest):
    table = await indexed(catalogue(site), dest)
    rows = {row["id"]: row for row in table.to_pylist()}
    shapes = {name: row["geometry"] and shapely.from_wkb(row["geometry"]) for name, row in rows.items()}
    assert json.loads(shapely.to_geojson(shapes["high"])) == {
        **POLYGON,
        "coordinates": [[[float(n) for n in point] for point in POLYGON["coordinates"][0]]],
    }
    assert shapes["flat"].geom_type == "MultiPolygon" and not shapes["flat"].has_z
    assert shapes["none"] is None and rows["none"]["bbox"] is None
    assert list(rows["high"]["bbox"].values()) == [0, 0, 5, 1, 1, 7]
    assert rows["none"]["datetime"] is None
    assert rows["none"]["start_datetime"].isoformat() == "2020-01-01T00:00:00.123456+00:00"
    assert [rows[name]["cloud"] for name in ("high", "flat", "none")] == [3, 2.5, None]
    assert (rows["high"]["mixed"], rows["flat"]["mixed"], rows["high"]["empty"]) == ("1", '"text"', "{}")


async def test_half_a_character_and_large_integers_are_kept_as_far_as_a_format_can(site, dest):
    half = "a\ud800b"
    (item,) = publish(site, ["one"])
    item["properties"] |= {"name": half, half: 1, "large": 1 << 70, "whole": "\U0001f600\\ud800"}
    item["assets"]["data"]["title"] = half
    item |= {"geometry": POLYGON, "bbox": [0, 0, 5, 1, 1, 7]}
    (row,) = (await indexed([item], dest)).to_pylist()
    assert (row["name"], row["a\ufffdb"], row["whole"]) == ("a\ufffdb", 1, "\U0001f600\\ud800")
    assert row["assets"]["data"]["title"] == "a\ufffdb" and row["large"] == float(1 << 70)
    (feature,) = json.loads((dest / "items.geojson").read_bytes())["features"]
    assert feature["properties"][half] == 1 and feature["properties"]["large"] == 1 << 70
    assert (await verify(dest)).exit_code == 0


async def test_the_metadata_is_that_of_geoparquet_and_stac_geoparquet(site, dest):
    table = await indexed(catalogue(site), dest)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry"
    assert geo["columns"]["geometry"]["geometry_types"] == ["MultiPolygon", "Polygon Z"]
    stac = json.loads(table.schema.metadata[b"stac-geoparquet"])
    assert set(stac["collections"]) == {"c1", "c2"}


@pytest.mark.parametrize("bbox", [[179, -18, -179, -17], [179, -18, 0, -179, -17, 9]])
async def test_a_bbox_over_the_antimeridian_covers_no_geometry(site, dest, bbox):
    east, west = ([[[x, -18], [x + 1, -18], [x + 1, -17], [x, -18]]] for x in (179, -180))
    fiji, other = publish(site, ["fiji", "other"])
    fiji |= {"geometry": {"type": "MultiPolygon", "coordinates": [east, west]}, "bbox": bbox}
    table = await indexed([other, fiji], dest)
    (column,) = json.loads(table.schema.metadata[b"geo"])["columns"].values()
    assert "covering" not in column
    rows = {row["id"]: row["bbox"] for row in table.to_pylist()}
    assert (rows["fiji"]["xmin"], rows["fiji"]["xmax"]) == (179, -179)


async def test_hrefs_lead_from_the_root_to_the_files(site, dest):
    table = await indexed(catalogue(site), dest)
    listed = json.loads((dest / "items.geojson").read_bytes())["features"]
    for one in [*listed, *table.to_pylist()]:
        [asset] = [asset for asset in one["assets"].values() if asset]
        assert (dest / asset["href"]).is_file()
    assert {one["id"] for one in listed} == {"high", "flat", "none"}


async def test_an_index_of_no_items_is_one_that_readers_take(dest, run_cli):
    table = await indexed([], dest)
    assert table.num_rows == 0 and {"id", "geometry", "bbox", "assets"} <= set(table.column_names)
    ended = run_cli("mirror", dest / "items.parquet", dest.parent / "copy")
    assert ended.code == 0 and "complete: 0 assets" in ended.err, ended.err


async def test_pairs_name_label_and_source_that_are_both_in_the_mirror(site, dest):
    label, scene = publish(site, ["label", "scene"])
    (dest / "c1").mkdir(parents=True)
    label["links"] = [
        {"rel": "source", "href": "../scene/scene.json"},
        {"rel": "source", "href": "https://closed.test/x"},
    ]
    await indexed([label, scene], dest)
    document = dest / "c1/label/label.json"
    body = json.loads(document.read_bytes())
    assert [link["rel"] for link in body["links"]].count("source") >= 1
    with (dest / "pairs.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:2] == ["label_collection", "label_item"]
    local = [link for link in body["links"] if link["rel"] == "source" and link["href"].startswith(".")]
    assert [row[1::3][:2] for row in rows] == [["label", "scene"]] * len(local)


async def test_verify_finds_a_changed_index_and_accepts_a_sound_one(site, dest):
    await indexed(catalogue(site), dest)
    assert (await verify(dest)).ok
    (dest / "items.parquet").write_bytes(b"PAR1")
    found = await verify(dest)
    assert [damage.path for damage in found.damage] == ["items.parquet"]


async def test_a_later_run_writes_them_again_only_if_the_items_have_changed(site, dest):
    items = catalogue(site)
    await indexed(items, dest)
    before = (dest / "items.parquet").stat().st_mtime_ns
    assert (await run(items, dest)).ok
    assert (dest / "items.parquet").stat().st_mtime_ns == before
    assert (await run([*items, *publish(site, ["more"])], dest)).ok
    ids = parquet.read_table(dest / "items.parquet", columns=["id"])["id"].to_pylist()
    assert sorted(ids) == ["flat", "high", "more", "none"]
    assert (await verify(dest)).ok


async def test_without_its_libraries_the_option_is_refused_before_anything_is_written(
    site, dest, monkeypatch
):
    def missing():
        raise UsageError("items.parquet needs pyarrow")

    monkeypatch.setattr(module, "libraries", missing)
    with pytest.raises(UsageError, match="pyarrow"):
        await mirror(catalogue(site), dest, make_options(Selection(), index=True, allow_private=True))
    assert not dest.exists()


async def test_without_the_libraries_a_later_run_removes_an_index_that_would_be_wrong(
    site, dest, monkeypatch
):
    items = catalogue(site)
    await indexed(items, dest)

    def missing():
        raise UsageError("items.parquet needs pyarrow")

    monkeypatch.setattr(module, "libraries", missing)
    assert (await run([*items, *publish(site, ["more"])], dest)).ok
    assert not list(dest.glob("items.*"))
    assert (await verify(dest)).ok


async def test_the_ledger_has_the_digests(site, dest):
    await indexed(catalogue(site), dest)
    with sqlite3.connect(dest / ".mlhub/ledger.sqlite") as ledger:
        rows = dict(ledger.execute("SELECT path, sha256 FROM file WHERE role=3"))
    assert rows == {
        name: hashlib.sha256((dest / name).read_bytes()).hexdigest()
        for name in ("items.geojson", "items.parquet", "pairs.csv")
    }
