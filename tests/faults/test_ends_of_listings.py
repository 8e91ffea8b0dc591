"""How listings end: empty answers, servers that give next links for ever, totals of collections."""

import json
from urllib.parse import parse_qsl

import pytest

from support.mirrored import Mirrored, publish
from support.server import Status
from support.stac_server import Api, answer, stac_collection, stac_item, static_catalog
from support.wire_format import Reply

ITEMS = "/stac/collections/c1/items"
NAMES = [f"i{n}" for n in range(6)]
AREA = ("-c", "c1", "--bbox", "0 0 5 5", "-R", "0")


@pytest.fixture
def site(troubled_thread):
    return troubled_thread.site()


def mirrored_ids(dest):
    return sorted({path.split("/")[1] for path in Mirrored(dest).files})


def listing_of(dest):
    return Mirrored(dest).receipt["listing"]


def said(detail):
    body = json.dumps(detail).encode() if not isinstance(detail, bytes) else detail
    return Reply(404, [("Content-Type", "application/json")], body)


EMPTY = {"type": "FeatureCollection", "links": []}
ANSWERS = {
    "204": (Reply(204, [], b""), 9),
    "null and matched 0": (answer({**EMPTY, "features": None, "numberMatched": 0}), 9),
    "null and returned 0": (answer({**EMPTY, "features": None, "context": {"returned": 0, "matched": 0}}), 9),
    "null and returned 3": (answer({**EMPTY, "features": None, "numberReturned": 3, "numberMatched": 0}), 4),
    "null": (answer({**EMPTY, "features": None}), 4),
    "no features": (answer({**EMPTY, "numberMatched": 0}), 4),
    "none found": (said({"detail": "No features found"}), 9),
    "no items found": (said({"code": "NotFoundError", "description": "no items found for this search"}), 9),
    "not found": (said({"detail": "Not Found"}), 3),
    "no JSON": (said(b"No features found"), 3),
    "HTML": (said(b"<p>No features found</p>"), 3),
    "a list": (said(["No features found"]), 3),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_first_page_of_a_search_without_records(run_cli, site, dest, kind):
    api = Api(site, publish(site, NAMES))
    reply, code = ANSWERS[kind]
    site.route("/stac/search", lambda _: reply)
    ended = run_cli("mirror", api.url, dest, *AREA)
    assert ended.code == code, ended.err
    assert run_cli("plan", api.url, *AREA).code == code


def test_404_that_says_none_found_is_empty_on_the_first_page_of_a_search_only(run_cli, site, dest):
    api = Api(site, publish(site, NAMES), 3)
    none_found, page = said({"detail": "No features found"}), site.routes[ITEMS]
    site.route(ITEMS, lambda seen: none_found if "token" in seen.query else page(seen))
    assert run_cli("mirror", api.url, dest, "-c", "c1", "-R", "0").code == 4
    assert mirrored_ids(dest) == NAMES[:3] and not listing_of(dest)["complete"]
    site.route("/stac/search", lambda _: none_found)
    site.things["/stac/collections/c1"].always = (Status(404),)
    assert run_cli("mirror", api.url, dest, *AREA).code == 3
    site.route("/stac/search", lambda _: said({"detail": "Not Found"}))
    site.route(ITEMS, lambda _: none_found)
    site.things["/stac/collections/c1"].always = ()
    assert run_cli("mirror", api.url, dest, "-c", "c1", "-R", "0").code == 3


def endless(site, total, last):
    """The URL of an API of six items, three per page, that always gives a next link; `last` makes it."""
    items = publish(site, NAMES)
    api = Api(site, items)

    def page(seen):
        at = int(dict(parse_qsl(seen.query)).get("offset", 0))
        again = last.get("records", items[last.get("again", slice(at, at + 3))])
        found = again if at >= 6 else items[at : at + 3]
        after = at + 3 if at < 6 else last["after"](at)
        links = [{"rel": "next", "href": site.url(f"{ITEMS}?offset={after}")}]
        matched = {} if total is None else {"numberMatched": total}
        return answer({"type": "FeatureCollection", "features": found, **matched, "links": links})

    site.route(ITEMS, page)
    return api.url


ENDS = {
    "empty pages": {"after": lambda at: at + 3},
    "the same empty page": {"after": lambda at: at},
    "old items": {"after": lambda at: at + 3, "again": slice(3, 5)},
    "old items without assets": {"after": lambda at: at + 3, "records": [stac_item("i3"), stac_item("i4")]},
    "the first page": {"after": lambda at: 0},
}


@pytest.mark.parametrize(("total", "code"), [(6, 0), (4, 0), (7, 5), (None, 5)])
@pytest.mark.parametrize("end", ENDS)
def test_next_links_for_ever_end_where_the_total_is_reached(run_cli, site, dest, end, total, code):
    ended = run_cli("mirror", endless(site, total, ENDS[end]), dest, "-c", "c1", "-R", "0")
    assert ended.code == code, ended.err
    assert mirrored_ids(dest) == NAMES
    assert listing_of(dest)["complete"] == (code == 0)
    if total == 6 and "empty" in end:
        assert site.count(ITEMS) == 3


def test_a_total_that_is_reached_early_does_not_hide_items_after_an_empty_page(run_cli, site, dest):
    items = publish(site, NAMES)
    api = Api(site, items)
    pages = [items[:3], items[3:5], [], items[5:]]

    def page(seen):
        at = int(dict(parse_qsl(seen.query)).get("page", 1))
        links = [{"rel": "next", "href": site.url(f"{ITEMS}?page={at + 1}")}] if at < 4 else []
        return answer({**EMPTY, "features": pages[at - 1], "numberMatched": 3, "links": links})

    site.route(ITEMS, page)
    assert run_cli("mirror", api.url, dest, "-c", "c1").code == 0
    assert mirrored_ids(dest) == NAMES


@pytest.mark.parametrize("count", ["numberMatched", "context"])
@pytest.mark.parametrize(("given", "announced", "code"), [(2, 4, 5), (4, 4, 0), (4, 3, 0)])
def test_a_list_of_collections_has_to_reach_its_total(run_cli, site, dest, count, given, announced, code):
    items = [{**one, "collection": f"c{n}"} for n, one in enumerate(publish(site, NAMES[:4]))]
    api = Api(site, items)
    total = {"context": {"matched": announced}} if count == "context" else {count: announced}
    collections = [api.linked(stac_collection(f"c{n}")) for n in range(given)]

    def listed(seen):
        second = "page=2" in seen.query
        links = [] if second else [{"rel": "next", "href": site.url("/stac/collections?page=2")}]
        part = collections[given // 2 :] if second else collections[: given // 2]
        return answer({"collections": part, **total, "links": links})

    site.route("/stac/collections", listed)
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "description": "r", "conformsTo": []}
    site.json("/stac", {**root, "links": [{"rel": "data", "href": site.url("/stac/collections")}]})
    site.routes.pop("/stac")
    ended = run_cli("mirror", api.url, dest, "-R", "0")
    assert ended.code == code, ended.err
    assert len(mirrored_ids(dest)) == given and listing_of(dest)["complete"] == (code == 0)
    assert code == 0 or "announced 4 collections and gave 2" in ended.err
    assert run_cli("ls", api.url, "-R", "0").code == code


@pytest.mark.parametrize("kind", ["a list of items as SOURCE", "an items link of a static catalogue"])
def test_one_page_that_is_shorter_than_announced_is_read_twice(run_cli, site, dest, kind):
    items = publish(site, NAMES)
    url = site.json("/list", {**EMPTY, "features": items, "numberMatched": 7})
    if kind != "a list of items as SOURCE":
        catalogue = static_catalog(site, [])
        link = {"rel": "items", "href": url, "type": "application/geo+json"}
        site.json("/static/c1/collection.json", stac_collection("c1", links=[link]))
        child = {"rel": "child", "href": "./c1/collection.json"}
        about = {"type": "Catalog", "stac_version": "1.0.0", "id": "s", "description": "s"}
        site.json("/static/catalog.json", {**about, "links": [child]})
        url = catalogue
    assert run_cli("mirror", url, dest).code == 0
    (told,) = listing_of(dest)["fewer_than_announced"]
    assert (told["announced"], told["found"]) == (7, 6) and site.count("/list") == 2


LIMITS = {
    "asked for": ("?limit=6", {}, 5),
    "of the server": ("", {"limit": 6}, 5),
    "in the context": ("", {"context": {"matched": 7, "limit": 6, "returned": 6}}, 5),
    "larger than the page": ("?limit=10", {"limit": 10}, 0),
}


@pytest.mark.parametrize("case", LIMITS)
def test_a_full_page_without_a_next_link_is_no_end_where_more_is_announced(run_cli, site, dest, case):
    query, about, code = LIMITS[case]
    site.json("/list", {**EMPTY, "features": publish(site, NAMES), "numberMatched": 7, **about})
    ran = run_cli("mirror", site.url("/list") + query, dest)
    assert ran.code == code and len(mirrored_ids(dest)) == 6, ran.err
    assert listing_of(dest)["complete"] == (code == 0)
    assert "announced 7 items and gave 6" in ran.err
    assert ("the same ones each time" in ran.err) == (code == 0)
