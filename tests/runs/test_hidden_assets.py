"""Items whose assets cannot be seen: text in their place, and columns of other writers of Parquet."""

import json

import pytest

from mlhub_async import Selection, mirror
from support.engine import make_options, run
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
async def served(troubled):
    return await troubled.site()


@pytest.mark.parametrize("name", ["assets", "links"])
@pytest.mark.parametrize("value", ["text", '{"a": {"href": "a.tif"}}', 7, True])
def test_an_item_with_text_for_its_assets_is_told_and_the_others_come(site, run_cli, dest, name, value):
    good = stac_item("two", image=site.put("/b.tif", tif(300, 2)))
    bad = {**stac_item("one", image=site.put("/a.tif", tif(300, 1))), name: value}
    ran = run_cli(
        "mirror", site.json("/items.json", {"type": "FeatureCollection", "features": [bad, good]}), dest
    )
    assert ran.code == 4 and f"record 1 of {site.origin}/items.json has {name} that are no object" in ran.err
    assert list(Mirrored(dest).files.values()) == [tif(300, 2)]
    assert len(Mirrored(dest).errors) == 1


@pytest.mark.parametrize("value", [None, [], {}, ""])
def test_an_item_without_assets_has_none(site, run_cli, dest, value):
    ran = run_cli("mirror", site.json("/one.json", {**stac_item("one"), "assets": value}), dest)
    assert ran.code == 0, ran.err


def test_a_collection_with_text_for_its_assets_is_told(site, run_cli, dest):
    links = [{"rel": "item", "href": "one.json"}]
    site.json("/one.json", stac_item("one", image=site.put("/a.tif", tif(300, 1))))
    made = {"type": "Collection", "id": "c1", "description": "c", "stac_version": "1.0.0", "license": "x"}
    made |= {"extent": {}, "links": links, "assets": json.dumps({"guide": {"href": "guide.pdf"}})}
    ran = run_cli("mirror", site.json("/collection.json", made), dest)
    assert ran.code == 4 and "has assets that are no object" in ran.err, ran.err
    assert list(Mirrored(dest).files.values()) == [tif(300, 1)]


def put_rows(site, change=dict, path="/items.parquet", **columns):
    """Three items of one file each; `change` makes the columns of a row of what is in an item."""
    rows = []
    for number in range(3):
        href = site.put(f"{path}.{number}.tif", tif(300, number))
        assets = {"image": {"href": href, "type": "image/tiff"}}
        own = {"id": f"i{number}", "collection": "c1", "assets": assets, "datetime": "2020-01-01T00:00:00Z"}
        rows.append({"type": "Feature", "stac_version": "1.0.0", "geometry": None, **change(own), **columns})
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return site.put(path, sink.getvalue().to_pybytes(), etag='"1"')


def encoded(row):
    return {
        name: (value if isinstance(value, str) else json.dumps(value)).encode() for name, value in row.items()
    }


def within_assets(row):
    return {**row, "assets": {"image": encoded(row["assets"]["image"])}}


def together(row):
    return {
        "id": row["id"],
        "assets": row["assets"],
        "collection": "c1",
        "properties": {"datetime": row["datetime"]},
    }


READABLE = {
    "twice": lambda row: {**row, "assets": json.dumps(json.dumps(row["assets"]))},
    "unmarked": encoded,
    "unmarked-fields": within_assets,
    "properties": together,
    "properties-text": lambda row: {**together(row), "properties": json.dumps({"datetime": row["datetime"]})},
}


@pytest.mark.parametrize("form", READABLE)
async def test_columns_of_other_writers_are_read(served, dest, form):
    chosen = Selection(collections=("c1",), ids=("i0", "i2"), datetime="2020-01-01")
    options = make_options(chosen, allow_private=True)
    report = await mirror(put_rows(served, READABLE[form]), dest, options)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == sorted([tif(300, 0), tif(300, 2)])
    Mirrored(dest).check(0)


@pytest.mark.parametrize("write", [str, lambda assets: json.dumps(assets)[:30]], ids=["repr", "cut"])
async def test_text_that_is_no_json_hides_assets(served, dest, write):
    report = await run(put_rows(served, lambda row: {**row, "assets": write(row["assets"])}), dest)
    assert report.exit_code == 4 and len(Mirrored(dest).errors) == 3
    assert not Mirrored(dest).files


async def test_a_number_for_assets_hides_them(served, dest):
    report = await run(put_rows(served, lambda row: {**row, "assets": 7}), dest)
    assert report.exit_code == 4 and len(Mirrored(dest).errors) == 3


@pytest.mark.parametrize("folder", ["collection=c%20one", "year=2020/collection=c%20one"])
def test_a_folder_of_partitions_names_their_collection(site, run_cli, dest, tmp_path, folder):
    for number, name in enumerate((folder, "collection=c2")):
        path = tmp_path / "table" / name / "data_0.parquet"
        path.parent.mkdir(parents=True)
        href = site.put(f"/{number}.tif", tif(300, number))
        row = {
            "id": "i1",
            "geometry": None,
            "assets": {"image": {"href": href}},
            "datetime": "2020-01-01T00:00:00Z",
        }
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    ran = run_cli("mirror", tmp_path / "table", dest, "--allow-private")
    assert ran.code == 0, ran.err
    assert sorted(Mirrored(dest).files) == ["c one/i1/image.tif", "c2/i1/image.tif"]
    only = run_cli("mirror", tmp_path / "table", dest / "only", "--allow-private", "-c", "c one")
    assert only.code == 0 and list(Mirrored(dest / "only").files.values()) == [tif(300, 0)], only.err
