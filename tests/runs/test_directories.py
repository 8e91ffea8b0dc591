"""Assets that are directories: copied file by file where these are known, else refused, never a file."""

import json

import pytest

from mlhub_async import Options, Selection, mirror, mirrored, verify
from mlhub_async.engine.planning.differences import diff
from mlhub_async.engine.planning.plan import plan_only
from support.engine import AT_ONCE, make_options, run, run_and_check
from support.mirrored import Mirrored
from support.server import Status, html, tif
from support.stac_server import Api, stac_collection, stac_item
from support.zarr_stores import ABSENT, array_v3, group_v3, publish_store, store_v2, store_v3

INDEX = b"<!DOCTYPE HTML>\n<html><head><title>Directory listing for /z.zarr/</title></head></html>"
ZARR = "application/vnd+zarr"
STORES = {"v2": store_v2, "v3": store_v3}


def files_below(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def store_item(href, name="one", /, key="cube", **more):
    return stac_item(name, **{key: {"href": href, "type": ZARR}}, **more)


def chunk_requests(site):
    return [seen.path for seen in site.log if seen.path.rpartition("/")[2][0].isdigit()]


@pytest.mark.parametrize("version", STORES)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_zarr_store_is_copied_file_by_file_and_not_again(site, dest, version, slash):
    files = STORES[version]()
    items = [store_item(publish_store(site, "/a/s.zarr", files) + slash)]
    report = await run(items, dest)
    assert report.ok and files_below(dest / "c1/one/cube.zarr") == files
    assert Mirrored(dest).href("one", "cube") == "./cube.zarr"
    assert Mirrored(dest).errors == []
    assets = Mirrored(dest).receipt["assets"]
    assert (assets["selected"], assets["absent"]) == (len(files), ABSENT)
    asked = chunk_requests(site)
    again = await run(items, dest)
    assert again.ok and again.fetched == 0 and chunk_requests(site) == asked
    assert Mirrored(dest).receipt["assets"] == assets
    assert (await verify(dest, deep=True)).exit_code == 0
    assert not (await diff(items, dest, make_options(allow_private=True))).differs


async def test_a_store_whose_metadata_is_declared_by_its_media_type_alone(site, dest):
    files = store_v3()
    publish_store(site, "/cube", files)
    items = [stac_item("one", cube={"href": site.url("/cube"), "type": "application/vnd.zarr; version=3"})]
    assert (await run(items, dest)).ok
    assert files_below(dest / "c1/one/cube.zarr") == files


async def test_a_chunk_that_failed_is_fetched_alone_by_the_next_run(site, dest):
    files = store_v3()
    items = [store_item(publish_store(site, "/s.zarr", files))]
    site.things["/s.zarr/t/c/0/1"].always = (Status(500),)
    report = await run(items, dest)
    assert (report.exit_code, report.failures) == (5, 1)
    assert Mirrored(dest).href("one", "cube") == site.url("/s.zarr"), "it is not complete"
    site.things["/s.zarr/t/c/0/1"].always = ()
    before = len(site.log)
    assert (await run(items, dest)).ok
    chunks = [path for path in chunk_requests(site)[-1:] if len(site.log) - before == 2]
    assert chunks == ["/s.zarr/t/c/0/1"]
    assert files_below(dest / "c1/one/cube.zarr") == files
    assert Mirrored(dest).href("one", "cube") == "./cube.zarr"


async def test_a_page_in_place_of_a_chunk_is_no_chunk(site, dest):
    items = [store_item(publish_store(site, "/s.zarr", store_v3()))]
    site.things["/s.zarr/t/c/0/0"].always = (html(),)
    report = await run(items, dest)
    assert report.exit_code == 5 and not (dest / "c1/one/cube.zarr/t/c/0/0").exists()


async def test_bytes_of_a_chunk_may_begin_as_those_of_any_format_do(site, dest):
    files = store_v3() | {"t/c/0/0": b"\x1f\x8b4567890", "t/c/0/1": b"plain 789"}
    items = [store_item(publish_store(site, "/s.zarr", files))]
    assert (await run(items, dest, verify="deep")).ok
    assert (await verify(dest, deep=True)).exit_code == 0
    assert files_below(dest / "c1/one/cube.zarr") == files


async def test_a_refresh_asks_for_chunks_that_were_absent(site, dest):
    files = store_v3()
    items = [store_item(publish_store(site, "/s.zarr", files))]
    assert (await run(items, dest)).ok
    site.put("/s.zarr/m/x/c/0", b"x")
    assert (await run(items, dest)).ok and not (dest / "c1/one/cube.zarr/m/x/c/0").exists()
    assert (await run(items, dest, if_exists="refresh")).ok
    assert files_below(dest / "c1/one/cube.zarr") == files | {"m/x/c/0": b"x"}


async def test_an_asset_of_a_collection_is_copied_too_and_stays_in_its_document(site, dest):
    files = store_v2()
    href = publish_store(site, "/s.zarr", files)
    collection = stac_collection("c1", assets={"cube": {"href": href, "type": ZARR}})
    other = stac_item("two", "c2", data=site.put("/two.tif", tif(500)))
    url = Api(site, [stac_item("one", "c1"), other], collections=[collection]).url
    assert (await run(url, dest, "c1")).ok
    assert files_below(dest / "c1/_common/cube.zarr") == files
    assert (await run(url, dest, "c2")).ok, "a run that does not list it writes its document again"
    document = json.loads((dest / "c1/collection.json").read_text())
    assert document["assets"]["cube"]["href"] == "./_common/cube.zarr"


async def prune(url, dest):
    options = Options(Selection(collections=["c1"]), prune=True, retry=AT_ONCE, allow_private=True)
    return await mirror(url, dest, options)


async def test_files_that_left_a_store_are_pruned_but_not_while_it_cannot_be_listed(site, dest):
    files = store_v3()
    url = Api(site, [store_item(publish_store(site, "/s.zarr", files)), stac_item("two")]).url
    assert (await run(url, dest, "c1")).ok
    site.things["/s.zarr/zarr.json"].always = (Status(503),)
    report = await prune(url, dest)
    assert not report.ok and "directories" in report.pruned.refused
    assert files_below(dest / "c1/one/cube.zarr") == files
    site.json("/s.zarr/zarr.json", group_v3({"t": array_v3([3, 5], [3, 3])}))
    report = await prune(url, dest)
    assert report.ok and not report.pruned.refused
    assert set(files_below(dest / "c1/one/cube.zarr")) == {name for name in files if name[0] != "m"}


@pytest.mark.parametrize("name", ["zarr.json", ".zgroup"])
async def test_a_store_without_consolidated_metadata_is_refused_by_name_and_can_be_left_out(site, dest, name):
    files = {name: b'{"zarr_format": 3, "node_type": "group"}'}
    items = [
        store_item(publish_store(site, "/s.zarr", files)),
        stac_item("two", data=site.put("/a.tif", tif(9))),
    ]
    report = await run(items, dest)
    assert report.exit_code == 4
    (row,) = Mirrored(dest).errors
    assert (row["item"], row["key"], row["error"]["class"]) == ("one", "cube", "directory")
    assert "consolidated" in row["error"]["message"] and "-x cube" in row["error"]["message"]
    assert not (dest / "c1/one/cube.zarr").exists()
    asked = len(site.log)
    left_out = make_options(Selection(exclude=("cube",)), retry=AT_ONCE, allow_private=True)
    assert (await mirror(items, dest, left_out)).ok and len(site.log) == asked


async def test_what_a_plan_counts_is_what_a_mirror_asks_for(site, dest):
    files = store_v3()
    items = [
        store_item(publish_store(site, "/s.zarr", files)),
        stac_item("two", data=site.put("/a.tif", tif(9))),
    ]
    plan = await plan_only(items, make_options(allow_private=True))
    assert (plan.assets, plan.urls, plan.exit_code) == (len(files) + ABSENT + 1, len(files) + ABSENT + 1, 0)
    site.json("/s.zarr/zarr.json", {"zarr_format": 3, "node_type": "group"})
    assert (await plan_only(items, make_options(allow_private=True))).exit_code == 4


async def test_two_stores_of_one_item_never_share_a_directory(site, dest):
    first, second = store_v2(), store_v3()
    item = stac_item(
        "one",
        **{
            "a": {"href": publish_store(site, "/1.zarr", first), "type": ZARR},
            "a.zarr": {"href": publish_store(site, "/2.zarr", second), "type": ZARR},
            "a/zarr.json": site.put("/other.json", b"{}"),
        },
    )
    assert (await run([item], dest)).ok
    hrefs = [Mirrored(dest).href("one", key) for key in ("a", "a.zarr")]
    assert [files_below(dest / "c1/one" / href) for href in hrefs] == [first, second]
    assert (await run([item], dest)).fetched == 0


async def test_a_template_that_gives_two_stores_one_path_is_an_error_by_name(site, dest):
    items = [store_item(publish_store(site, f"/{name}.zarr", store_v3()), name) for name in ("one", "two")]
    report = await run(items, dest, path_template="${key}${ext}")
    assert report.exit_code == 4 and Mirrored(dest).failed == {"two": "path"}
    assert files_below(dest / "cube.zarr") == store_v3()


async def test_items_that_are_complete_have_the_directory_as_href(site, dest):
    items = [store_item(publish_store(site, "/s.zarr", store_v3()))]
    options = make_options(retry=AT_ONCE, allow_private=True)
    (item,) = [one async for one in mirrored(items, dest, options)]
    assert item["assets"]["cube"]["href"] == str(dest / "c1/one/cube.zarr")


def make_product(folder):
    files = {
        "manifest.safe": b"<a/>",
        "GRANULE/L1C/IMG_DATA/B02.jp2": b"\xff\x4f\xff\x51" + bytes(99),
        ".hidden": b"x",
    }
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return files


def write_catalogue(folder, item):
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    return folder / "items.json"


@pytest.mark.parametrize("href", ["./S2A.SAFE", "./S2A.SAFE/", "./scenes/"])
async def test_a_directory_of_this_machine_is_copied_whole_and_so_is_its_copy(tmp_path, dest, href):
    site = tmp_path / "site"
    files = make_product(site / href)
    source = write_catalogue(site, stac_item("one", product=href))
    assert (await run(source, dest)).ok
    local = Mirrored(dest).href("one", "product")
    assert files_below(dest / "c1/one" / local) == files
    again = await run(source, dest)
    assert again.ok and again.fetched == 0
    second = tmp_path / "second"
    assert (await run(dest, second)).ok
    assert files_below(second / "c1/one" / Mirrored(second).href("one", "product")) == files
    (site / href / ".hidden").write_bytes(b"longer")
    assert (await run(source, dest)).ok
    assert files_below(dest / "c1/one" / local) == files | {".hidden": b"longer"}


async def test_no_directory_outside_of_the_catalogue_is_read(tmp_path, dest):
    make_product(tmp_path / "S2A.SAFE")
    (tmp_path / "site").mkdir()
    source = write_catalogue(tmp_path / "site", stac_item("one", product="../S2A.SAFE/"))
    report = await run(source, dest)
    assert report.exit_code == 4 and "outside" in Mirrored(dest).errors[0]["error"]["message"]


async def test_a_remote_catalogue_leads_to_no_directory_of_this_machine(site, dest, tmp_path):
    make_product(tmp_path / "S2A.SAFE")
    item = stac_item("one", product=(tmp_path / "S2A.SAFE").as_uri())
    site.json("/items.json", {"type": "FeatureCollection", "features": [item]})
    report = await run(site.url("/items.json"), dest)
    assert report.exit_code == 4 and not list(dest.rglob("manifest.safe"))


@pytest.mark.parametrize("listing", [INDEX, INDEX + bytes(b" " * 9000), b""], ids=["small", "large", "empty"])
@pytest.mark.parametrize("path", ["/z.zarr", "/z.zarr/", "/S2A.SAFE/", "/scenes/"])
@pytest.mark.parametrize("verify", ["auto", "deep"])
async def test_what_lists_a_directory_is_not_kept_as_a_file(site, dest, path, listing, verify):
    href = site.put(path, listing, content_type="text/html")
    assert await run_and_check([stac_item("one", data=href)], dest, verify=verify) == (4, "directory")
    assert not [file for file in dest.rglob("one/*") if file.name != "one.json"]
    assert Mirrored(dest).href("one") == href


async def test_a_redirect_to_the_same_name_with_a_slash_leads_to_no_file(site, dest):
    site.put("/z.zarr/", INDEX, content_type="text/html")
    site.put("/scenes/", INDEX, content_type="text/html")
    items = [
        stac_item("one", data={"href": site.redirect("/z.zarr", "/z.zarr/", 301), "type": ZARR}),
        stac_item("two", data=site.redirect("/scenes", "/scenes/", 301)),
    ]
    report = await run(items, dest)
    assert report.exit_code == 4
    assert Mirrored(dest).failed == {"one": "directory", "two": "directory"}


async def test_a_file_at_an_href_with_a_slash_stays_a_file(site, dest):
    body = tif(5000)
    items = [
        stac_item("one", data={"href": site.put("/download/17/", body), "type": "image/tiff"}),
        stac_item("two", data=site.put("/download/18/", body)),
        stac_item("three", data={"href": site.put("/about/", INDEX), "type": "text/html"}),
    ]
    assert (await run(items, dest)).ok
    assert [Mirrored(dest).bytes_of(name) for name in ("one", "two", "three")] == [body, body, INDEX]


async def test_a_server_that_packs_a_directory_sends_a_file(site, dest):
    packed = b"PK\5\6" + bytes(18)
    href = site.put("/z.zarr", b"", always=[Status(200, body=packed, content_type="application/zip")])
    assert await run_and_check([stac_item("one", data=href)], dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == packed
