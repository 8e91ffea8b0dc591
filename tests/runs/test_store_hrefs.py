"""Hrefs of object stores and alternate assets in a catalogue: which address is taken, and which next."""

import hashlib

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Collection, Head, Item
from mlhub_async.core.urls import StoreEndpoints, quoted_key, store_address
from mlhub_async.http.status import moved_to_region
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_collection, stac_item
from support.wire_format import Reply

DENIED = b"<Error><Code>AccessDenied</Code></Error>"
S3_TIF = tif(900, 1)


def asset_of(asset, properties=None, endpoints=None):
    body = {**stac_item("i", "c1"), "assets": {"data": asset}}
    body["properties"] = {**body["properties"], **(properties or {})}
    (found,) = stac.assets_of(Item("i", "c1", body, "https://r.test/i.json", endpoints=endpoints))
    return found


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("s3://b-1/k/a.tif", "https://b-1.s3.amazonaws.com/k/a.tif"),
        ("S3://b.with.dots/a", "https://s3.amazonaws.com/b.with.dots/a"),
        ("s3://b-1/a//b/../%41 +?#.tif", "https://b-1.s3.amazonaws.com/a//b/%2E%2E/%2541%20%2B%3F%23.tif"),
        ("gs://b/k", "https://storage.googleapis.com/b/k"),
        ("az://acct/c/k/l", "https://acct.blob.core.windows.net/c/k/l"),
        ("abfs://c@acct.dfs.core.windows.net/k", "https://acct.blob.core.windows.net/c/k"),
        ("abfss://c@acct/k", "https://acct.blob.core.windows.net/c/k"),
    ],
)
def test_an_address_of_a_store_is_a_url(href, url):
    assert store_address(href).url() == url == asset_of({"href": href}).href


@pytest.mark.parametrize(
    "href", ["s3://", "s3:///k", "s3://../k", "az://c", "abfs://c@/k", "https://r.test/"]
)
def test_what_names_no_object_is_refused(href):
    with pytest.raises(TransferError):
        store_address(href)


def test_an_account_that_the_asset_names_makes_the_container_the_first_part():
    asset = {"href": "abfs://items/naip.parquet", "table:storage_options": {"account_name": "pcstacitems"}}
    assert asset_of(asset).href == "https://pcstacitems.blob.core.windows.net/items/naip.parquet"


@pytest.mark.parametrize(
    ("asset", "properties", "url"),
    [
        ({}, {"storage:region": "us-west-2"}, "https://b.s3.us-west-2.amazonaws.com/k"),
        (
            {"storage:refs": ["x"]},
            {"storage:schemes": {"x": {"type": "aws-s3", "region": "eu-central-1"}}},
            "https://b.s3.eu-central-1.amazonaws.com/k",
        ),
        (
            {"storage:refs": ["x"]},
            {"storage:schemes": {"x": {"type": "custom-s3", "platform": "https://eodata.test"}}},
            "https://eodata.test/b/k",
        ),
        (
            {"storage:refs": ["x"]},
            {"storage:schemes": {"x": {"type": "custom-s3", "platform": "https://{bucket}.store.test/"}}},
            "https://b.store.test/k",
        ),
        ({"storage:region": "../x"}, {}, "https://b.s3.amazonaws.com/k"),
    ],
)
def test_the_storage_extension_says_region_and_endpoint(asset, properties, url):
    assert asset_of({"href": "s3://b/k", **asset}, properties).href == url


def test_the_endpoint_of_the_user_comes_before_what_a_catalogue_says():
    scheme = {"x": {"type": "custom-s3", "platform": "https://eodata.test"}}
    asset = {"href": "s3://b/k", "storage:refs": ["x"]}
    found = asset_of(asset, {"storage:schemes": scheme}, StoreEndpoints("http://here.test"))
    assert (found.href, found.via) == ("http://here.test/b/k", "s3")


@pytest.mark.parametrize(
    ("asset", "chosen"),
    [
        ({"href": "https://a.test/x", "alternate": {"s3": {"href": "s3://b/x"}}}, ["", "alternate s3 s3"]),
        (
            {"href": "s3://b/x", "alternate": {"https": {"href": "https://a.test/x"}}},
            ["alternate https", "s3"],
        ),
        (
            {"href": "s3://b/x", "storage:requester_pays": True, "alternate": {"g": {"href": "gs://b/x"}}},
            ["s3", "alternate g gs"],
        ),
        ({"href": "ftp://a.test/x", "alternate": {"h": {"href": "./x"}}}, ["alternate h"]),
        ({"href": "https://a.test/x", "alternate": {"bad": {"href": 5}, "worse": 3}}, [""]),
    ],
)
def test_web_addresses_come_first_and_each_is_one_of_the_others(asset, chosen):
    found = asset_of(asset)
    assert [found.via, *(via for _, via in found.others)] == chosen


def test_a_bucket_in_another_region_is_asked_there():
    url = "https://b.s3.amazonaws.com/k?list-type=2"
    moved = moved_to_region(Head(301, {"x-amz-bucket-region": "eu-west-1"}, url))
    assert moved.headers["location"] == "https://b.s3.eu-west-1.amazonaws.com/k?list-type=2"
    for head in (
        Head(301, {"x-amz-bucket-region": "eu-west-1"}, "https://b.s3.eu-west-1.amazonaws.com/k"),
        Head(301, {"x-amz-bucket-region": "evil.test/"}, url),
        Head(403, {"x-amz-bucket-region": "eu-west-1"}, url),
        Head(400, {"x-amz-bucket-region": "eu-west-1"}, "http://127.0.0.1/b/k"),
    ):
        assert moved_to_region(head) == head


def publish(site, assets):
    """A catalogue of one item with these assets, beside two buckets."""
    site.json("/c.json", stac_collection("c1", links=[{"rel": "item", "href": "./i.json"}]))
    site.json("/i.json", {**stac_item("i", "c1"), "assets": assets})
    site.put("/bucket/a.tif", S3_TIF)
    site.route("/private/a.tif", lambda _: Reply(403, [], DENIED))
    return site.url("/c.json")


def run(run_cli, site, dest, source, *words):
    return run_cli("mirror", source, dest, "--endpoint-url", site.origin, *words)


def test_an_s3_href_is_fetched_and_the_receipt_says_so(site, run_cli, dest):
    source = publish(site, {"data": {"href": "s3://bucket/a.tif"}})
    assert run(run_cli, site, dest, source).code == 0
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert mirrored.files == {"c1/i/data.tif": S3_TIF} and mirrored.receipt["fetched_via"] == {"s3": 1}
    before = len(site.log)
    assert run(run_cli, site, dest, source).code == 0
    assert not [seen for seen in site.log[before:] if seen.path.endswith(".tif")]


@pytest.mark.parametrize("first", ["{site}/private/a.tif", "s3://private/a.tif", "{site}/gone.tif"])
def test_the_alternate_is_taken_where_the_first_address_fails_for_good(site, run_cli, dest, first):
    alternate = {"copy": {"href": "s3://bucket/a.tif"}}
    source = publish(site, {"data": {"href": first.format(site=site.origin), "alternate": alternate}})
    ran = run(run_cli, site, dest, source)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    assert mirrored.files == {"c1/i/data.tif": S3_TIF} and mirrored.errors == []
    why = "not-found" if "gone" in first else "forbidden"
    assert mirrored.receipt["fetched_via"] == {f"alternate copy s3 after {why}": 1}


def test_an_asset_that_no_address_gives_fails_by_the_best_one(site, run_cli, dest):
    alternate = {"copy": {"href": f"{site.origin}/gone.tif"}}
    source = publish(site, {"data": {"href": "s3://private/a.tif", "alternate": alternate}})
    assert run(run_cli, site, dest, source).code == 4
    (row,) = Mirrored(dest).errors
    assert row["error"]["status"] == 404 and site.count("/private/a.tif") == 1


def test_an_object_that_needs_keys_is_told_with_what_to_do(site, run_cli, dest):
    assert run(run_cli, site, dest, publish(site, {"data": {"href": "s3://private/a.tif"}})).code == 4
    (row,) = Mirrored(dest).errors
    assert "read without keys" in row["error"]["message"] and "AccessDenied" in row["error"]["message"]


def test_the_items_of_a_collection_as_a_table_are_no_error(site, run_cli, dest):
    table = {
        "href": "abfs://items/c1.parquet",
        "type": "application/x-parquet",
        "roles": ["stac-items"],
        "table:storage_options": {"account_name": "pcstacitems"},
    }
    assets = {"geoparquet-items": table, "thumb": {"href": site.put("/thumb.tif", tif(300, 5))}}
    links = [{"rel": "item", "href": "./i.json"}]
    publish(site, {"data": {"href": f"{site.origin}/bucket/a.tif"}})
    site.json("/c.json", {**stac_collection("c1", links=links), "assets": assets})
    ran = run_cli("mirror", site.url("/c.json"), dest)
    assert ran.code == 0, ran.err
    assert Mirrored(dest).receipt["assets"]["filtered"] == 1 and len(Mirrored(dest).files) == 2
    collection = Collection("c1", {"assets": assets}, "https://r.test/c.json")
    assert len(stac.collection_assets(collection)) == 2


def test_dots_that_are_part_of_a_key_are_not_resolved():
    assert quoted_key("a/../.b/./c..d/...") == "a/%2E%2E/.b/%2E/c..d/..."


def test_the_alternate_is_taken_where_the_first_address_has_wrong_bytes(site, run_cli, dest):
    alternate = {"copy": {"href": "s3://bucket/a.tif"}}
    checksum = "1220" + hashlib.sha256(S3_TIF).hexdigest()
    other = {"href": site.put("/other.tif", tif(900, 2)), "alternate": alternate, "file:checksum": checksum}
    assert run(run_cli, site, dest, publish(site, {"data": other})).code == 0
    assert Mirrored(dest).files == {"c1/i/data.tif": S3_TIF} and site.count("/other.tif") == 2
    assert Mirrored(dest).receipt["fetched_via"] == {"alternate copy s3 after checksum-mismatch": 1}
