"""Assets that are directories: copied file by file where these are known, else refused, never a file."""

import pytest

from support.engine import run, run_and_check
from support.mirrored import Mirrored
from support.server import Status, tif
from support.stac_server import stac_item

INDEX = b"<!DOCTYPE HTML>\n<html><head><title>Directory listing for /z.zarr/</title></head></html>"
ZARR = "application/vnd+zarr"


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
