"""Faulty pages in whole runs: loops, empty pages, broken JSON, pages that are too large."""

import gzip
import json
from urllib.parse import parse_qsl

import pytest

from mlhub_async import Selection, mirror
from support.command import PEAK
from support.engine import AT_ONCE, make_options, run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Cut, Drip, Endless, Gone, Status, html, tif
from support.stac_server import Api, answer
from support.wire_format import Reply

ITEMS = "/stac/collections/c1/items"
NAMES = ["i1", "i2", "i3", "i4"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def listing_of(dest):
    return Mirrored(dest).receipt["listing"]


def mirrored_ids(dest):
    return sorted(path.split("/")[1] for path in Mirrored(dest).files)


def chain(site, *pages, path=ITEMS):
    """The URL of an API with these pages, each with a token of its own."""
    api = Api(site, [one for page in pages for one in page if isinstance(one, dict)])

    def page(seen):
        at = int(dict(parse_qsl(seen.query)).get("page", 0))
        following = {"rel": "next", "href": site.url(f"{path}?page={at + 1}")}
        links = [following] if at + 1 < len(pages) else []
        return answer({"type": "FeatureCollection", "features": list(pages[at]), "links": links})

    site.route(path, page)
    return api.url


def mark(site, number):
    """The faults of one page, of a listing paged by token with two items per page."""
    query = f"?limit=2&token=next%3A{2 * (number - 1)}" if number > 1 else "?limit=2"
    site.routes.setdefault(ITEMS + query, site.routes[ITEMS])
    return site.put(ITEMS + query) and site.things[ITEMS + query]


async def paged(site, dest, **options):
    """An API of four items, two per page, and options to mirror it."""
    api = Api(site, publish(site, NAMES), 2)
    selection = Selection(collections=("c1",), limit=2)
    return api, make_options(selection, retry=AT_ONCE, allow_private=True, **options)


async def test_three_pages_of_old_items_with_new_tokens_are_a_loop(site, dest):
    items = publish(site, NAMES)
    url = chain(site, items[:2], items[2:], *[items[:2]] * 20)
    report = await run(url, dest, "c1")
    assert report.exit_code == 5 and report.listing.error.kind == "pagination-loop"
    assert site.count(ITEMS) == 5
    assert mirrored_ids(dest) == NAMES and not listing_of(dest)["complete"]
    Mirrored(dest).check(5)


@pytest.mark.parametrize("empty", [1, 10])
async def test_items_after_empty_pages_are_listed(site, dest, empty):
    items = publish(site, NAMES)
    assert (await run(chain(site, items[:2], *[[]] * empty, items[2:]), dest, "c1")).exit_code == 0
    assert mirrored_ids(dest) == NAMES and site.count(ITEMS) == empty + 2
    Mirrored(dest).check(0)


async def test_too_many_empty_pages_end_the_listing(site, dest):
    items = publish(site, NAMES)
    report = await run(chain(site, items[:2], *[[]] * 30, items[2:]), dest, "c1")
    assert report.exit_code == 5 and report.listing.error.kind == "empty-pages"
    assert mirrored_ids(dest) == ["i1", "i2"] and site.count(ITEMS) == 12


BROKEN = {
    "cut off": b'{"type": "FeatureCollection", "features": [{"id": "i3"',
    "nothing": b"",
    "NaN": b'{"features": [], "numberMatched": NaN}',
    "Infinity": b'{"features": [], "numberMatched": -Infinity}',
    "no UTF-8": b'{"features": [], "x": "\xff\xfe"}',
    "UTF-16": '{"features": []}'.encode("utf-16"),
    "half an escape": rb'{"features": [], "x": "\ud8"}',
    "two documents": b'{"features": []}{"features": []}',
    "endless depth": b'{"features": ' + b"[" * 100_000,
    "closed depth": b'{"features": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "HTML": b"<!DOCTYPE html><html><body>Please log in</body></html>",
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_page_that_is_no_json_is_asked_for_again_and_then_reported(site, dest, kind):
    api, options = await paged(site, dest)
    second = mark(site, 2)
    broken = Status(200, body=BROKEN[kind], content_type="application/json")
    second.faults.append(broken)
    assert (await mirror(api.url, dest / "once", options)).exit_code == 0
    assert mirrored_ids(dest / "once") == NAMES
    site.log.clear()
    second.always = (broken,)
    report = await mirror(api.url, dest / "always", options)
    assert report.exit_code == 4 and "page 2 of" in " ".join(listing_of(dest / "always")["reasons"])
    assert mirrored_ids(dest / "always") == ["i1", "i2"]
    Mirrored(dest / "always").check(4)
    assert sum(seen.path == ITEMS for seen in site.log) == 1 + 2, "the same bytes twice are enough"


@pytest.mark.parametrize(("digits", "found", "code"), [(19, NAMES, 0), (5000, [], 4)])
async def test_a_total_of_too_many_digits_is_not_reached(site, dest, digits, found, code):
    items = publish(site, NAMES)
    body = json.dumps({"type": "FeatureCollection", "features": items, "links": []})
    body = body.replace('"links"', f'"numberMatched": {"9" * digits}, "links"')
    Api(site, items)
    site.route(ITEMS, lambda _: Reply(200, [("Content-Type", "application/json")], body.encode()))
    report = await run(site.url("/stac"), dest, "c1")
    assert report.exit_code == code and mirrored_ids(dest) == found
    Mirrored(dest).check(code)


async def test_a_byte_order_mark_before_a_page_is_skipped(site, dest):
    items = publish(site, NAMES)
    Api(site, items)
    body = json.dumps({"type": "FeatureCollection", "features": items, "links": []}).encode("utf-8-sig")
    site.route(ITEMS, lambda _: Reply(200, [("Content-Type", "application/json")], body))
    assert (await run(site.url("/stac"), dest, "c1")).exit_code == 0
    assert mirrored_ids(dest) == NAMES


@pytest.mark.parametrize("how", ["a gigabyte of gzip", "a body without end"])
def test_a_page_that_is_too_large_is_abandoned_before_it_fills_memory(run_cli, troubled_thread, dest, how):
    site = troubled_thread.site()
    api = Api(site, publish(site, NAMES))
    packed = (("Content-Encoding", "gzip"),)
    site.things[ITEMS].always = {
        "a gigabyte of gzip": (Status(200, body=gzip.compress(bytes(1 << 24)) * 64, headers=packed),),
        "a body without end": (Status(200, body=b" " * (1 << 20)), Endless("close")),
    }[how]
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", "10", under=PEAK)
    assert ended.code == 5 and "--limit" in ended.err, ended.err
    assert site.count(ITEMS) == 1
    assert int(ended.err.rpartition("peak ")[2]) < 300


RECORDS = [None, "text", 7, ["list"], {}, {"type": "Feature"}, {"type": "Feature", "id": None}, {"id": ["x"]}]


async def test_records_that_are_no_items_are_reported_and_the_rest_of_the_page_is_mirrored(site, dest):
    items = publish(site, NAMES)
    report = await run(chain(site, [items[0], *RECORDS, items[1]], items[2:]), dest, "c1")
    assert report.exit_code == 4
    Mirrored(dest).check(4)
    assert mirrored_ids(dest) == NAMES
    errors = [row["error"] for row in Mirrored(dest).errors]
    assert [error["class"] for error in errors] == ["bad-record"] * len(RECORDS)
    assert [f"record {n} of" in error["message"] for n, error in enumerate(errors, 2)] == [True] * len(
        RECORDS
    )


@pytest.mark.parametrize("features", [None, {}, "x", 7, {"0": {"id": "i3"}}], ids=str)
async def test_a_page_without_a_list_of_items_is_not_taken_for_an_empty_one(site, dest, features):
    api, options = await paged(site, dest)
    api.overrides = {2: {"features": features}}
    report = await mirror(api.url, dest, options)
    assert report.exit_code == 4 and [flaw.error.kind for flaw in report.flaws] == ["not-a-page"]
    assert "page 2 of" in " ".join(listing_of(dest)["reasons"]) and mirrored_ids(dest) == ["i1", "i2"]
    assert not listing_of(dest)["complete"]
    Mirrored(dest).check(4)


@pytest.mark.parametrize("links", ['[{"rel": "next", "href": "?token=2"}]', 7, True], ids=str)
async def test_a_page_whose_links_are_no_list_is_not_taken_for_the_last(site, dest, links):
    api, options = await paged(site, dest)
    api.matched, api.overrides = False, {1: {"links": links}}
    report = await mirror(api.url, dest, options)
    assert report.exit_code == 4 and [flaw.error.kind for flaw in report.flaws] == ["not-a-page"]
    assert "the next page may be among them" in " ".join(listing_of(dest)["reasons"])
    Mirrored(dest).check(4)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Gone("rst"), 5), (Cut(300), 5), (Status(500), 5), (Status(429), 5), (html(), 4)],
    ids=["rst", "cut", "500", "429", "html"],
)
async def test_after_a_listing_that_broke_off_the_next_run_begins_at_the_first_page(site, dest, fault, code):
    api, options = await paged(site, dest)
    second = mark(site, 2)
    second.always = (fault,)
    assert (await mirror(api.url, dest, options)).exit_code == code
    assert mirrored_ids(dest) == ["i1", "i2"] and not listing_of(dest)["complete"]
    second.always = ()
    site.log.clear()
    assert (await mirror(api.url, dest, options)).exit_code == 0
    listed = [seen.query for seen in site.log if seen.path == ITEMS]
    assert listed[0] == "limit=2" and len(listed) == 2
    assert len(asset_requests(site)) == 2, "what the first run brought is not asked for again"
    assert mirrored_ids(dest) == NAMES
    Mirrored(dest).check(0)


async def test_a_page_that_arrives_in_small_pieces_is_read(site, dest):
    api, options = await paged(site, dest)
    mark(site, 2).always = (Drip(0.001, 50),)
    assert (await mirror(api.url, dest, options)).exit_code == 0
    assert mirrored_ids(dest) == NAMES


@pytest.mark.parametrize("status", [400, 413, 500, 502])
async def test_a_server_that_fails_on_large_pages_is_asked_for_smaller_ones(site, dest, status):
    names = [f"i{n}" for n in range(40)]
    api = Api(site, publish(site, names, size=300), page_size=100)
    page, asked = site.routes[ITEMS], []

    def refused(seen):
        limit = int(seen.query.partition("limit=")[2].partition("&")[0])
        asked.append(limit)
        return page(seen) if limit <= 15 else Reply(status, [], b"too much")

    site.route(ITEMS, refused)
    selection = Selection(collections=("c1",), limit=60)
    options = make_options(selection, retry=AT_ONCE, allow_private=True)
    report = await mirror(api.url, dest, options)
    assert report.exit_code == 0, report.listing.reasons
    assert mirrored_ids(dest) == sorted(names)
    assert asked == [60, 30, 15, 15, 15]


async def test_two_versions_of_one_item_make_the_listing_incomplete(site, dest):
    old, other = publish(site, ["i1", "i2"])
    new = json.loads(json.dumps(old))
    new["properties"]["updated"] = "2024-05-06T00:00:00Z"
    new["assets"]["data"]["href"] = site.put("/i1-new.tif", tif(30_000, 9))
    url = chain(site, [old, other], [new])
    report = await run(url, dest, "c1")
    assert report.exit_code == 5 and listing_of(dest)["changed"] >= 1
    Mirrored(dest).check(5)
    chain(site, [new, other])
    assert (await run(url, dest, "c1")).exit_code == 0
    assert Mirrored(dest).bytes_of("i1") == tif(30_000, 9)


async def test_a_next_link_with_http_to_an_https_server_is_followed_by_https_only(troubled, authority, dest):
    secure = await troubled.site("localhost", authority.context())
    api = Api(secure, publish(secure, NAMES), 2)
    page = secure.routes[ITEMS]

    def downgraded(seen):
        body = json.loads(page(seen).body)
        for link in body["links"]:
            link["href"] = link["href"].replace("https:", "http:")
        return answer(body)

    secure.route(ITEMS, downgraded)
    options = make_options(Selection(collections=("c1",)), retry=AT_ONCE, ca_file=str(authority.pem))
    assert (await mirror(api.url, dest, options)).exit_code == 0
    assert mirrored_ids(dest) == NAMES and secure.count(ITEMS) == 2


async def test_a_next_link_to_a_path_that_does_not_exist_breaks_the_listing_off(site, dest):
    api, options = await paged(site, dest)
    api.overrides = {1: {"links": [{"rel": "next", "href": site.url("/behind/the/proxy?token=2")}]}}
    report = await mirror(api.url, dest, options)
    assert report.exit_code == 4 and "/behind/the/proxy" in " ".join(report.listing.reasons)
    assert site.count("/behind/the/proxy") == 1 and mirrored_ids(dest) == ["i1", "i2"]
