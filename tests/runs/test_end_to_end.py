"""The whole program as users run it: another process, a real server, exit codes, bytes, receipts."""

import json
import os
import sys

import pystac
import pytest

from support.mirrored import Mirrored, asset_requests, publish
from support.server import Cut, Flip, Status, tif
from support.stac_server import Api, sizes_and_digests, stac_collection, stac_item, static_catalog

BODY = tif(20_000)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_a_static_catalogue_is_mirrored_whole_and_the_receipt_proves_it(run_cli, site, dest):
    items = publish(site, ["one", "two", "three"])
    ended = run_cli("mirror", static_catalog(site, items), dest)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/{i['id']}/data.tif": tif(20_000, n) for n, i in enumerate(items)}
    assert mirror.receipt["listing"] | {"unique": 3, "seen": 3} == mirror.receipt["listing"]
    assert mirror.receipt["bytes"] == 60_000
    assert mirror.partial == []


def test_the_copy_is_a_catalogue_that_pystac_reads_without_the_network(run_cli, site, dest):
    run_cli("mirror", static_catalog(site, publish(site, ["one", "two"])), dest)
    catalog = pystac.Catalog.from_file(str(dest / "catalog.json"))
    hrefs = [item.assets["data"].get_absolute_href() for item in catalog.get_items(recursive=True)]
    assert sorted(hrefs) == sorted(str(dest / "c1" / n / "data.tif") for n in ("one", "two"))
    assert all(os.path.exists(href) for href in hrefs)


def test_a_second_run_requests_no_asset(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two"]))
    assert run_cli("mirror", url, dest).code == 0
    before = len(asset_requests(site))
    assert run_cli("mirror", url, dest).code == 0
    assert (before, len(asset_requests(site))) == (2, 2)
    Mirrored(dest).check(0)


def test_only_a_file_that_was_lost_or_damaged_is_fetched_again(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two", "three"]))
    assert run_cli("mirror", url, dest).code == 0
    (dest / "c1/one/data.tif").unlink()
    (dest / "c1/two/data.tif").write_bytes(b"short")
    assert run_cli("mirror", url, dest).code == 0
    assert [site.count(f"/{n}.tif") for n in ("one", "two", "three")] == [2, 2, 1]
    Mirrored(dest).check(0)


def test_verify_finds_a_flipped_bit_offline(run_cli, site, dest):
    assert run_cli("mirror", static_catalog(site, publish(site, ["one", "two"])), dest).code == 0
    asked = len(site.log)
    assert run_cli("verify", dest).code == 0
    path = dest / "c1/one/data.tif"
    about = path.stat()
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    ended = run_cli("verify", dest)
    assert ended.code == 6 and "c1/one/data.tif" in ended.out + ended.err
    assert len(site.log) == asked


@pytest.mark.parametrize("style", ["token", "page", "offset", "skip", "startRecord"])
def test_a_paged_api_is_mirrored_in_every_style_of_next(run_cli, site, dest, style):
    names = [f"i{n}" for n in range(7)]
    api = Api(site, publish(site, names), 3, style, empty_last=style == "offset")
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", 3)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert sorted(mirror.files) == sorted(f"c1/{n}/data.tif" for n in names)
    assert mirror.receipt["listing"]["matched"] == mirror.receipt["listing"]["unique"] == 7


@pytest.mark.parametrize("merge", [True, False])
def test_a_search_by_post_is_paged_with_and_without_merge(run_cli, site, dest, merge):
    names = [f"i{n}" for n in range(7)]
    items = [*publish(site, names), stac_item("other", "c2", data=site.url("/never.tif"))]
    api = Api(site, items, 3, merge=merge)
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", 3, "--method", "POST")
    assert ended.code == 0, ended.err
    assert sorted(Mirrored(dest).files) == sorted(f"c1/{n}/data.tif" for n in names)
    assert site.count("/never.tif") == 0


def test_items_from_a_feature_collection_file_are_mirrored(run_cli, site, dest, tmp_path):
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": publish(site, ["one"])}))
    ended = run_cli("mirror", path, dest, "--allow-private")
    assert ended.code == 0, ended.err
    assert Mirrored(dest).bytes_of("one") == tif(20_000, 0)


def test_the_assets_of_a_collection_have_a_directory_of_their_own(run_cli, site, dest):
    about = stac_collection("c1", assets={"legend": {"href": site.put("/legend.csv", b"a,b\n")}})
    api = Api(site, publish(site, ["one"]), collections=[about])
    assert run_cli("mirror", api.url, dest, "-c", "c1").code == 0
    assert (dest / "c1/_common/legend.csv").read_bytes() == b"a,b\n"


def test_one_url_of_many_items_is_fetched_once(run_cli, site, dest):
    url = site.put("/shared.tif", BODY)
    items = [stac_item(f"i{n}", data=url) for n in range(5)]
    assert run_cli("mirror", static_catalog(site, items), dest).code == 0
    mirror = Mirrored(dest)
    assert site.count("/shared.tif") == 1
    assert mirror.files == {f"c1/i{n}/data.tif": BODY for n in range(5)}


def test_a_url_that_an_earlier_run_fetched_is_not_requested_again_for_another_item(run_cli, site, dest):
    url, fresh = site.put("/shared.tif", BODY), site.put("/new.tif", tif(9_000, 1))
    assert run_cli("mirror", static_catalog(site, [stac_item("i0", data=url)]), dest).code == 0
    items = [stac_item("i0", data=url), stac_item("i1", data=url), stac_item("i2", data=fresh)]
    assert run_cli("mirror", static_catalog(site, items), dest).code == 0
    assert (site.count("/shared.tif"), site.count("/new.tif")) == (1, 1)
    assert Mirrored(dest).files == {
        "c1/i0/data.tif": BODY,
        "c1/i1/data.tif": BODY,
        "c1/i2/data.tif": tif(9_000, 1),
    }


def test_include_and_exclude_choose_assets_and_exclude_wins(run_cli, site, dest):
    url = site.put("/a.tif", BODY)
    items = [stac_item("one", B02=url, B03=url, thumbnail=url)]
    ended = run_cli("mirror", static_catalog(site, items), dest, "-i", "B*", "-x", "*3")
    assert ended.code == 0 and list(Mirrored(dest).files) == ["c1/one/B02.tif"]
    assert Mirrored(dest).receipt["assets"]["filtered"] == 2


def test_a_missing_asset_is_exit_code_4_and_keeps_its_remote_href(run_cli, site, dest):
    items = [*publish(site, ["good"]), stac_item("bad", data=site.url("/missing.tif"))]
    ended = run_cli("mirror", static_catalog(site, items), dest)
    assert ended.code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert list(mirror.files) == ["c1/good/data.tif"]
    assert mirror.href("bad") == site.url("/missing.tif")
    [row] = mirror.errors
    assert (row["collection"], row["item"], row["key"]) == ("c1", "bad", "data")
    assert "missing.tif" in row["href"] and "404" in row["error"]["message"]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_holds_the_whole_origin(run_cli, site, dest, status):
    items = publish(site, [f"i{n}" for n in range(4)])
    site.things["/i0.tif"].faults.append(Status(status, retry_after=2))
    assert run_cli("mirror", static_catalog(site, items), dest, "-j", 1).code == 0
    first = next(n for n, seen in enumerate(site.log) if seen.path == "/i0.tif")
    assert site.log[first + 1].time - site.log[first].time >= 2
    Mirrored(dest).check(0)


@pytest.mark.parametrize(
    "about", [{"file:size": 19_999}, {"file:checksum": "1220" + "ab" * 32}], ids=["size", "checksum"]
)
def test_a_body_that_is_not_as_the_catalogue_says_never_gets_its_final_name(run_cli, site, dest, about):
    item = stac_item("one", data={"href": site.put("/one.tif", BODY), **about})
    ended = run_cli("mirror", static_catalog(site, [item]), dest)
    assert ended.code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.files == {} and site.count("/one.tif") <= 2


def test_published_digests_are_counted_as_the_stronger_proof(run_cli, site, dest):
    item = stac_item("one", data={"href": site.put("/one.tif", BODY), **sizes_and_digests(BODY)})
    assert run_cli("mirror", static_catalog(site, [item]), dest).code == 0
    assets = Mirrored(dest).receipt["assets"]
    assert (assets["verified_checksum"], assets["verified_size"], assets["unverifiable"]) == (1, 0, 0)


def test_plan_counts_and_fetches_nothing(run_cli, site, tmp_path):
    items = publish(site, ["one", "two"])
    items[0]["assets"]["data"] = {"href": site.url("/one.tif"), "file:size": 20_000}
    ended = run_cli("plan", static_catalog(site, items))
    assert ended.code == 0, ended.err
    assert asset_requests(site) == [] and "2" in ended.out + ended.err


def test_status_lists_what_failed_and_why(run_cli, site, dest):
    items = [*publish(site, ["good"]), stac_item("bad", data=site.url("/missing.tif"))]
    run_cli("mirror", static_catalog(site, items), dest)
    ended = run_cli("status", dest)
    assert "c1" in ended.out and "not-found" in ended.out


def test_a_dry_run_writes_and_fetches_nothing(run_cli, site, dest):
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest, "-n")
    assert ended.code == 0, ended.err
    assert asset_requests(site) == [] and not dest.exists()


def test_a_bit_that_flips_once_is_repaired_where_a_digest_is_published(run_cli, site, dest):
    url = site.put("/one.tif", BODY, faults=[Flip(9)])
    item = stac_item("one", data={"href": url, **sizes_and_digests(BODY)})
    assert run_cli("mirror", static_catalog(site, [item]), dest).code == 0
    assert (site.count("/one.tif"), Mirrored(dest).bytes_of("one")) == (2, BODY)


def test_a_cut_body_is_resumed_with_its_validator_and_no_byte_is_requested_twice(run_cli, site, dest):
    body = tif(1_000_000)
    url = site.put("/one.tif", body, etag='"1"', faults=[Cut(600_000)])
    assert run_cli("mirror", static_catalog(site, [stac_item("one", data=url)]), dest).code == 0
    first, second = site.requests["/one.tif"]
    assert "range" not in first.headers
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=600000-", '"1"')
    assert Mirrored(dest).bytes_of("one") == body
