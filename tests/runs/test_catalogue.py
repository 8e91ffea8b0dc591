"""Catalogues with wrong totals, documents that cannot be written, and assets without an href."""

import json
import sys

import pytest

from mlhub_async import Selection, mirror, verify
from mlhub_async.core.errors import CatalogError
from mlhub_async.core.model import Page
from mlhub_async.engine.report.completeness import Completeness
from support.engine import make_options, run
from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import Api, answer, stac_item
from support.wire_format import Reply

HALF = "x\ud800"


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def of(items, collection):
    return [item | {"collection": collection} for item in items]


def announce(site, api, collection, total=None):
    """Makes a listing of the API announce this total, or none."""
    path = f"{api.root}/collections/{collection}/items"
    before = site.routes[path]

    def page_of(seen):
        page = json.loads(before(seen).body)
        del page["numberMatched"]
        return answer(page if total is None else {**page, "numberMatched": total})

    site.route(path, page_of)


def test_surplus_records_of_one_listing_do_not_replace_missing_ones_of_another():
    listing = Completeness(ended=True)
    listing.add_batch([Page(None, "a", returned=100)], 0)
    listing.add_batch([Page(50, "b", returned=10)], 0)
    assert not listing.complete


async def test_a_listing_without_a_total_does_not_hide_that_another_one_is_short(site, dest):
    api = Api(site, of(publish(site, list("abcde")), "many") + of(publish(site, ["x", "y"]), "few"))
    announce(site, api, "many")
    announce(site, api, "few", total=4)
    assert (await run(api.url, dest, "many", "few")).ok
    short = [{"listing": "few", "announced": 4, "found": 2}]
    assert Mirrored(dest).receipt["listing"]["fewer_than_announced"] == short
    assert len(Mirrored(dest).files) == 7


async def test_a_repeated_item_does_not_replace_a_missing_one(site, dest):
    one, two = publish(site, ["one", "two"])
    report = await run(Api(site, [one, two, one]).url, dest, "c1")
    assert report.exit_code == 5


@pytest.mark.parametrize("selected", [("c1", "imagery"), ("imagery", "c1"), ()], ids=str)
async def test_source_items_that_are_both_listed_and_linked_are_not_counted_as_missing(site, dest, selected):
    sources = of(publish(site, ["s1", "s2"]), "imagery")
    labels = publish(site, ["l1", "l2"])
    for label, source in zip(labels, sources, strict=True):
        href = site.url(f"/stac/collections/imagery/items/{source['id']}")
        label["links"] = [{"rel": "source", "href": href}]
    report = await run(Api(site, labels + sources).url, dest, *selected)
    assert report.exit_code == 0, report.listing
    Mirrored(dest).check(0)
    assert report.listing.unique == 4


async def test_a_short_listing_is_raised_by_raise_for_failures(site, dest):
    one, two = publish(site, ["one", "two"])
    report = await run(Api(site, [one, two, one]).url, dest, "c1")
    assert not report.ok
    with pytest.raises(CatalogError, match="announced 3 items and gave 2"):
        report.raise_for_failures()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
@pytest.mark.parametrize("assets", ["with assets", "without"])
async def test_an_item_whose_directory_is_a_link_is_reported_and_the_rest_is_mirrored(site, dest, assets):
    outside = dest.parent / "outside"
    outside.mkdir()
    (dest / "c1").mkdir(parents=True)
    (dest / "c1/two").symlink_to(outside)
    items = publish(site, ["one", "two", "three"])
    if assets == "without":
        items[1]["assets"] = {}
    report = await run(items, dest)
    assert report.exit_code == 4 and len(report.flaws) == 1
    mirror = Mirrored(dest)
    mirror.check(4)
    assert "c1/two/two.json" in [row["href"] for row in mirror.errors]
    assert (mirror.bytes_of("one"), mirror.bytes_of("three")) == (tif(20_000, 0), tif(20_000, 2))
    assert mirror.item("three")["id"] == "three" and list(outside.iterdir()) == []


@pytest.mark.parametrize(("levels", "code"), [(300, 0), (590, 0), (650, 4), (1010, 4)])
async def test_a_deeply_nested_collection_is_written_or_reported(site, dest, levels, code):
    api = Api(site, publish(site, ["one", "two"]))
    body = json.dumps(api.linked(api.collections[0]))[:-1]
    deep = (body + ', "deep": ' + '{"k":' * levels + "1" + "}" * levels + "}").encode()
    head = [("Content-Type", "application/json")]
    site.route("/stac/collections/c1", lambda _: Reply(200, head, deep))
    report = await run(api.url, dest, "c1")
    assert report.exit_code == code
    mirror = Mirrored(dest)
    mirror.check(code)
    assert len(mirror.files) == 2 and len(mirror.errors) == len(report.flaws) == (code == 4)
    assert (b'"deep"' in (dest / "c1/collection.json").read_bytes()) is (code == 0)


@pytest.mark.parametrize("field", ["id", "collection"])
async def test_an_item_whose_id_is_no_unicode_is_reported_and_the_rest_is_mirrored(site, dest, field):
    items = publish(site, ["one", "two", "three"])
    items[1][field] = HALF
    report = await run(items, dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert [row["error"]["class"] for row in mirror.errors] == ["bad-record"]
    assert "record 2 of" in mirror.errors[0]["error"]["message"]
    assert sorted(mirror.files) == ["c1/one/data.tif", "c1/three/data.tif"]


async def test_asset_keys_that_are_no_unicode_are_escaped_and_none_is_lost(site, dest):
    keys = [HALF, "x\\ud800", "x\\ud800_", 7, "data"]
    hrefs = [site.put(f"/{n}.tif", tif(1000, n)) for n, _ in enumerate(keys)]
    item = stac_item("one")
    item["assets"] = {key: {"href": href} for key, href in zip(keys, hrefs, strict=True)}
    report = await run([item], dest)
    assert report.exit_code == 0 and report.selected == 5
    mirror = Mirrored(dest)
    mirror.check(0)
    assert sorted(mirror.files.values()) == sorted(tif(1000, n) for n in range(5))
    assert list(mirror.item("one")["assets"]) == ["x\\ud800__", "x\\ud800", "x\\ud800_", "7", "data"]
    assert all((dest / "c1/one" / a["href"]).is_file() for a in mirror.item("one")["assets"].values())
    assert list(item["assets"]) == keys
    assert (await verify(dest)).damage == []


@pytest.mark.parametrize("asset", [{"title": "none"}, {"href": ""}, {"href": 7}, {}, None], ids=str)
async def test_an_asset_without_a_usable_href_is_an_error_of_kind_bad_href(site, dest, asset):
    items = publish(site, ["one", "two"])
    items[0]["assets"]["data"] = asset
    report = await run(items, dest)
    assert report.exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.failed == {"one": "bad-href"}
    assert list(mirror.files) == ["c1/two/data.tif"]


async def test_the_source_imagery_of_given_label_items_is_fetched_unless_switched_off(site, dest):
    site.json("/s1.json", stac_item("s1", "imagery", data=site.put("/s1.tif", tif(2000))))
    links = [{"rel": "self", "href": site.url("/l1.json")}, {"rel": "source", "href": "s1.json"}]
    label = {**stac_item("l1", properties={"label:type": "raster"}), "links": links}
    assert (await run([label], dest)).fetched == 1
    assert (dest / "imagery/s1/data.tif").exists()
    alone = make_options(Selection(follow_sources=False), allow_private=True)
    assert (await mirror([label], dest.with_name("alone"), alone)).selected == 0
