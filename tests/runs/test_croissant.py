"""`--croissant`: the description of a mirror as a dataset has every file with its digest."""

import csv
import hashlib
import json

from mlhub_async import verify
from mlhub_async.stac.index.croissant import media_type
from support.engine import run
from support.mirrored import Mirrored, publish
from support.stac_server import stac_collection, stac_item, static_catalog

NAMES = ("croissant.json", "assets.csv")


def described(dest):
    return json.loads((dest / "croissant.json").read_bytes())


def check(dest):
    """Every file in DEST is described as it is, and nothing else."""
    files = {one["contentUrl"]: one for one in described(dest)["distribution"]}
    paths = {path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file()}
    assert set(files) == {path for path in paths if not path.startswith(".mlhub/")} - {"croissant.json"}
    for path, one in files.items():
        body = (dest / path).read_bytes()
        assert one["sha256"] == hashlib.sha256(body).hexdigest()
        assert one["contentSize"] == f"{len(body)} B"
    with (dest / "assets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == set(Mirrored(dest).files) - {"assets.csv"}
    assert all(row["sha256"] == files[row["path"]]["sha256"] for row in rows)
    return rows


async def test_every_file_is_there_with_its_digest_and_verify_knows_both(troubled, dest):
    site = await troubled.site()
    labels = {"label:overviews": [{"property_key": "k", "counts": [{"name": "wa;ter", "count": 1}]}]}
    items = [
        *publish(site, ["one", "two"]),
        stac_item("l", data=site.put("/l.geojson", b"{}"), properties=labels),
    ]
    assert (await run(items, dest, croissant=True)).ok
    rows = {row["item"]: row for row in check(dest)}
    assert rows["l"]["classes"] == "wa;ter" and rows["one"]["datetime"].startswith("2020-01-02")
    found = await verify(dest)
    assert found.ok and found.foreign == []
    (dest / "croissant.json").write_text("{}")
    assert [one.path for one in (await verify(dest)).damage] == ["croissant.json"]


async def test_licence_description_and_makers_come_from_the_collections(troubled, dest):
    site = await troubled.site()
    about = stac_collection(
        "c1", license="CC-BY-4.0", keywords=["crops"], providers=[{"name": "P", "roles": ["producer"]}]
    )
    about["links"] = [{"rel": "item", "href": site.json("/i.json", publish(site, ["one"])[0])}]
    assert (await run(site.json("/collection.json", about), dest, croissant=True)).ok
    found = described(dest)
    assert found["license"] == ["CC-BY-4.0"] and found["description"] == "Collection c1"
    assert found["creator"] == [{"@type": "Organization", "name": "P"}] and found["keywords"] == ["crops"]


async def test_later_runs_keep_both_up_to_date_and_write_them_only_after_a_change(troubled, dest):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    assert (await run(items, dest, croissant=True)).ok
    before = [(dest / name).stat().st_mtime_ns for name in NAMES]
    assert (await run(items, dest)).ok
    assert [(dest / name).stat().st_mtime_ns for name in NAMES] == before
    assert (await run([*items, *publish(site, ["more"])], dest)).ok
    assert "more" in {row["item"] for row in check(dest)}
    assert (await verify(dest)).ok


async def test_pruned_files_leave_it_and_it_is_never_pruned(troubled, dest):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    assert (await run(static_catalog(site, items), dest, croissant=True)).ok
    assert (await run(static_catalog(site, items[:1]), dest, prune=True)).ok
    assert {row["item"] for row in check(dest)} == {"one"}


async def test_files_of_a_run_that_is_not_complete_are_described_too(troubled, dest):
    site = await troubled.site()
    items = [*publish(site, ["one"]), stac_item("gone", data=site.url("/gone.tif"))]
    assert (await run(items, dest, croissant=True)).exit_code == 4
    assert {row["item"] for row in check(dest)} == {"one"}


async def test_an_asset_with_its_path_stays_and_is_said(troubled, dest):
    site = await troubled.site()
    items = [stac_item("one", assets=site.put("/x.csv", b"a,b\n"))]
    report = await run(items, dest, croissant=True, path_template="${key}${ext}")
    assert report.exit_code == 4 and (dest / "assets.csv").read_bytes() == b"a,b\n"
    assert [row["error"]["class"] for row in Mirrored(dest).errors] == ["exists"]
    assert not (dest / "croissant.json").exists()


async def test_without_the_option_nothing_is_written(troubled, dest):
    site = await troubled.site()
    assert (await run(publish(site, ["one"]), dest)).ok
    assert not any((dest / name).exists() for name in NAMES)


def test_media_types_are_the_same_on_every_machine():
    names = ["a.tif", "a.geojson", "a.parquet", "a.json", "a.csv", "a.jp2", "a"]
    assert [media_type(f"x.zip/{name}") for name in names] == [
        "image/tiff",
        "application/geo+json",
        "application/vnd.apache.parquet",
        "application/json",
        "text/csv",
        "image/jp2",
        "application/octet-stream",
    ]
