"""Runs into one DEST that select other assets each: documents lead to the files of all of them."""

import json
import os

import pytest

from mlhub_async import Options, Selection, mirror, mirrored, verify
from mlhub_async.engine.planning.differences import diff
from mlhub_async.engine.planning.lockfile import lock
from support.engine import AT_ONCE
from support.mirrored import Mirrored, asset_requests
from support.server import Status, tif
from support.stac_server import Api, stac_collection, stac_item
from support.zarr_stores import publish_store, store_v3


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def chips(site, *names):
    return [
        stac_item(name, **{key: site.put(f"/{name}/{key}.tif", tif(2_000, ord(key))) for key in "abc"})
        for name in names
    ]


def options(*keys, **more):
    return Options(Selection(include=keys), retry=AT_ONCE, allow_private=True, **more)


async def run(url, dest, *keys, **more):
    report = await mirror(url, dest, options(*keys, **more))
    assert report.exit_code == 0 and (await verify(dest)).exit_code == 0
    return report


def local_keys(dest, name="one"):
    """The keys of the assets whose hrefs lead to files in DEST."""
    assets = Mirrored(dest).item(name)["assets"]
    for asset in assets.values():
        if "://" not in asset["href"]:
            assert os.path.getsize(dest / "c1" / name / asset["href"]) == asset["file:size"]
    return "".join(sorted(key for key, asset in assets.items() if "://" not in asset["href"]))


async def test_documents_lead_to_the_files_of_earlier_selections(site, dest):
    api = Api(site, chips(site, "one", "two"))
    first = await run(api.url, dest, "a")
    assert local_keys(dest) == "a"
    assert (await run(api.url, dest, "b")).fetched == 2
    assert local_keys(dest) == local_keys(dest, "two") == "ab"
    assert not (await diff(api.url, dest, options("b"))).differs
    before = (dest / "c1/one/one.json").stat()
    assert (await run(api.url, dest, "a")).manifest_sha256 == first.manifest_sha256
    assert (dest / "c1/one/one.json").stat() == before
    whole = await run(api.url, dest)
    assert (whole.selected, whole.fetched) == (6, 2) and local_keys(dest) == "abc"
    Mirrored(dest).check(0)
    assert len(asset_requests(site)) == 6


async def test_a_lockfile_has_the_files_of_the_last_selection_only(site, dest):
    api = Api(site, chips(site, "one"))
    await run(api.url, dest, "a")
    report = await run(api.url, dest, "b")
    copy = await run(str(lock(dest)), dest.with_name("copy"))
    assert copy.manifest_sha256 == report.manifest_sha256
    assert Mirrored(dest.with_name("copy")).item("one")["assets"].keys() == {"b"}


async def test_items_as_they_become_complete_have_the_files_of_earlier_selections(site, dest):
    api = Api(site, chips(site, "one"))
    await run(api.url, dest, "a")
    items = [item async for item in mirrored(api.url, dest, options("b"))]
    found = {key: asset["href"] for key, asset in items[0]["assets"].items()}
    assert found["a"] == str(dest / "c1/one/a.tif") and found["c"].startswith("http://")


async def test_a_file_of_another_description_is_not_that_of_the_item(site, dest):
    api = Api(site, chips(site, "one"))
    await run(api.url, dest, "a")
    api.items[0]["assets"]["a"]["href"] = site.put("/moved.tif", tif(3_000, 9))
    await run(api.url, dest, "b")
    assert local_keys(dest) == "b" and Mirrored(dest).href("one", "a") == site.url("/moved.tif")
    assert (await run(api.url, dest)).fetched == 2 and local_keys(dest) == "abc"


async def test_only_a_file_that_is_as_it_was_recorded_is_led_to(site, dest):
    """Copied without its times it is; removed or changed it is not."""
    api = Api(site, chips(site, "one", "two", "three"))
    await run(api.url, dest, "a")
    os.utime(dest / "c1/one/a.tif", (1, 1))
    (dest / "c1/two/a.tif").unlink()
    (dest / "c1/three/a.tif").write_bytes(tif(2_000, 99))
    assert (await mirror(api.url, dest, options("b"))).exit_code == 0
    assert [local_keys(dest, name) for name in ("one", "two", "three")] == ["ab", "b", "b"]
    damaged = {one.path for one in (await verify(dest)).damage}
    assert damaged == {"c1/two/a.tif", "c1/three/a.tif"}


async def test_a_selected_asset_that_fails_keeps_its_own_address(site, dest):
    api = Api(site, chips(site, "one"))
    await run(api.url, dest, "a")
    api.items[0]["assets"]["a"]["file:size"] = 1
    site.things["/one/a.tif"].always = (Status(404),)
    assert (await mirror(api.url, dest, options("a"))).exit_code == 4
    assert local_keys(dest) == ""


async def test_a_directory_is_led_to_if_it_is_whole(site, dest):
    store = {"href": publish_store(site, "/s.zarr", store_v3()), "type": "application/vnd+zarr"}
    image = site.put("/one.tif", tif(2_000, 1))
    api = Api(site, [stac_item("one", cube=store, image=image)])
    await run(api.url, dest, "cube")
    await run(api.url, dest, "image")
    assert Mirrored(dest).href("one", "cube") == "./cube.zarr"
    (dest / "c1/one/cube.zarr/t/c/0/1").unlink()
    api.items[0]["properties"]["changed"] = True
    assert (await mirror(api.url, dest, options("image"))).exit_code == 0
    assert Mirrored(dest).href("one", "cube") == store["href"]


async def test_the_document_of_a_collection_does_so_too(site, dest):
    assets = {key: {"href": site.put(f"/{key}.png", tif(500, ord(key)))} for key in "xy"}
    api = Api(site, chips(site, "one"), collections=[stac_collection("c1", assets=assets)])
    await run(api.url, dest, "x", "a")
    await run(api.url, dest, "y", "b")
    written = json.loads((dest / "c1/collection.json").read_text())["assets"]
    assert {key: asset["href"] for key, asset in written.items()} == {
        "x": "./_common/x.png",
        "y": "./_common/y.png",
    }
