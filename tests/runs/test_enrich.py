"""`--enrich`: items get the grids of their rasters, so that readers need not be told them."""

import json

import pytest

from mlhub_async import Options, Selection, UsageError, mirror
from mlhub_async.demo.geotiff import Raster, deflate, encode
from mlhub_async.stac.write import projection
from support.engine import run
from support.mirrored import publish, stac_item

pytest.importorskip("tifffile")

SCENE = encode(Raster(deflate(bytes(256 * 256)), 8, 32636, 700_000, 120_000, "a scene"))
FIELDS = {
    "proj:code": "EPSG:32636",
    "proj:shape": [256, 256],
    "proj:transform": [10.0, 0.0, 700000.0, 0.0, -10.0, 120000.0],
}


def written(dest):
    return json.loads((dest / "c1/scene/scene.json").read_bytes())


async def test_the_grid_of_a_raster_is_written_into_its_item(site, dest):
    scene = stac_item("scene", B04=site.put("/B04.tif", SCENE), note=site.put("/note.txt", b"no raster"))
    assert (await run([scene], dest, enrich=True)).ok
    assets = written(dest)["assets"]
    assert {name: assets["B04"].get(name) for name in FIELDS} == FIELDS
    assert not FIELDS.keys() & assets["note"].keys()
    assert projection.EXTENSION in written(dest)["stac_extensions"]


async def test_a_later_run_with_it_adds_the_grids_to_a_mirror_and_fetches_nothing(site, dest):
    scene = stac_item("scene", B04=site.put("/B04.tif", SCENE))
    assert (await run([scene], dest)).ok
    assert "proj:code" not in written(dest)["assets"]["B04"]
    asked = len(site.log)
    report = await run([scene], dest, enrich=True)
    assert report.ok and report.fetched == 0 and len(site.log) == asked
    assert written(dest)["assets"]["B04"]["proj:code"] == "EPSG:32636"


async def test_without_its_library_it_is_refused_before_anything_is_written(site, dest, monkeypatch):
    def missing():
        raise UsageError("--enrich needs tifffile")

    monkeypatch.setattr(projection, "_reader", missing)
    with pytest.raises(UsageError, match="tifffile"):
        await mirror(publish(site, ["one"]), dest, Options(Selection(), enrich=True, allow_private=True))
    assert not dest.exists()
