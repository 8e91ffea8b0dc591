"""Documents that cannot be used make a listing incomplete: 4 if wrong for good, 5 if they may come again."""

import pytest

from support.mirrored import Mirrored, publish
from support.server import Status
from support.stac_server import Api, answer, static_catalog

NAMES = ["i0", "i1", "i2"]
ERROR_PAGE = Status(200, body=b'{"code": "Internal", "description": "no"}', content_type="application/json")
GONE, DOWN = Status(404), Status(503)
QUICK = ("-R", "0")


@pytest.fixture
def site(troubled_thread):
    return troubled_thread.site()


def listing_of(dest):
    return Mirrored(dest).receipt["listing"]


@pytest.mark.parametrize(
    ("troubles", "code"),
    [({"i1": GONE}, 4), ({"i1": ERROR_PAGE}, 4), ({"i1": DOWN}, 5), ({"i1": GONE, "i2": DOWN}, 5)],
    ids=["404", "no STAC", "503", "404 and 503"],
)
def test_an_item_document_that_cannot_be_used_and_nothing_is_pruned(run_cli, site, dest, troubles, code):
    url = static_catalog(site, publish(site, NAMES))
    assert run_cli("mirror", url, dest).code == 0
    for name, trouble in troubles.items():
        site.things[f"/static/c1/{name}/{name}.json"].always = (trouble,)
    for words in (("mirror", url, dest, "--prune"), ("mirror", url, dest), ("plan", url)):
        assert run_cli(*words, *QUICK).code == code
    assert sorted(path.split("/")[1] for path in Mirrored(dest).files) == NAMES
    assert not listing_of(dest)["complete"] and "/i1/i1.json" in " ".join(listing_of(dest)["reasons"])


def test_a_collection_whose_second_page_is_wrong_for_good_does_not_hide_the_others(run_cli, site, dest):
    first = publish(site, NAMES[:1])
    other = [{**one, "collection": "c2"} for one in publish(site, NAMES[1:])]
    api = Api(site, [*first, *other])
    page = {"type": "FeatureCollection", "features": first, "numberMatched": 2}
    link = {"rel": "next", "href": site.url("/nowhere?page=2")}
    site.route("/stac/collections/c1/items", lambda _: answer({**page, "links": [link]}))
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "-c", "c2", "--prune", *QUICK)
    assert ended.code == 4 and "/nowhere" in ended.err
    assert sorted(path.split("/")[1] for path in Mirrored(dest).files) == NAMES
    assert not listing_of(dest)["complete"] and site.count("/nowhere") == 1


def test_an_asset_that_is_missing_for_good_leaves_the_listing_complete(run_cli, site, dest):
    items = publish(site, NAMES)
    site.things["/i1.tif"].always = (GONE,)
    assert run_cli("mirror", Api(site, items).url, dest, "-c", "c1", *QUICK).code == 4
    assert listing_of(dest)["complete"] and listing_of(dest)["reasons"] == []
