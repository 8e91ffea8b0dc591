"""How often a page that fails is asked for, in which sizes, and where smaller pages begin."""

import json
from urllib.parse import parse_qsl

import pytest

from support.mirrored import Mirrored, publish
from support.server import Gone, Status
from support.stac_server import Api, answer
from support.wire_format import Reply

ITEMS = "/stac/collections/c1/items"
QUERY = ("-c", "c1", "--limit", "100")


@pytest.fixture
def site(troubled_thread):
    return troubled_thread.site()


def names(dest):
    return sorted(path.split("/")[1] for path in Mirrored(dest).files)


def parameters(seen):
    return json.loads(seen.body) if seen.method == "POST" else dict(parse_qsl(seen.query))


@pytest.mark.parametrize("status", [400, 413, 422, 429, 500, 502, 503, 504, 404, 202])
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_page_is_asked_for_once_and_once_per_retry(run_cli, site, dest, status, retries):
    api = Api(site, publish(site, ["i0"]))
    api.overrides = {1: {"links": [{"rel": "next", "href": site.url("/second?limit=100&token=t")}]}}
    site.put("/second")
    site.things["/second"].always = (Status(status),)
    ended = run_cli("mirror", api.url, dest, *QUERY, "-R", retries)
    lasting = status in (400, 404, 413, 422)
    assert ended.code == (4 if lasting else 5), ended.err
    at_most = 1 if status == 404 else max(retries + 1, 2) if lasting else retries + 1
    assert site.count("/second") == at_most


@pytest.mark.parametrize("fault", [Gone("rst"), Status(503), Status(429)], ids=str)
def test_pages_stay_as_large_after_other_failures(run_cli, site, dest, fault):
    api = Api(site, publish(site, [f"i{n}" for n in range(30)]), 100)
    site.things[ITEMS].faults.append(fault)
    assert run_cli("mirror", api.url, dest, *QUERY).code == 0
    assert [dict(parse_qsl(seen.query))["limit"] for seen in site.log if seen.path == ITEMS] == ["100", "100"]


@pytest.mark.parametrize("retries", [1, 2, 5])
@pytest.mark.parametrize("style", ["page", "page from 0", "offset", "skip", "token"])
@pytest.mark.parametrize("first", [0, 60, 93], ids=lambda at: f"from {at}")
def test_smaller_pages_begin_where_the_larger_ones_ended(run_cli, site, dest, style, retries, first):
    """Records from number `first` on come in pages of 20 at most; `limit` is 31, of which no 20 is a part."""
    items = publish(site, [f"i{n:03d}" for n in range(130)], 300)
    api, given = Api(site, items), []

    def page(seen):
        asked = parameters(seen)
        limit = int(asked["limit"])
        match style:
            case "page" | "page from 0":
                base = int(style == "page")
                at = (int(asked.get("page", base)) - base) * limit
            case _:
                at = int(asked.get(style, 0))
        found = items[at : at + limit]
        if limit > 20 and at + limit > first:
            return Reply(502, [], b"")
        given.append([one["id"] for one in found])
        after = at // limit + 1 + base if style.startswith("page") else at + limit
        href = site.url(f"{ITEMS}?limit={limit}&{style.split()[0]}={after}")
        links = [{"rel": "next", "href": href}] if at + limit < len(items) else []
        return answer({"type": "FeatureCollection", "features": found, "numberMatched": 130, "links": links})

    site.route(ITEMS, page)
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", "31", "-R", retries)
    assert ended.code == 0, ended.err
    assert names(dest) == [f"i{n:03d}" for n in range(130)]
    assert Mirrored(dest).receipt["listing"]["repeated"] == 0
    assert Mirrored(dest).receipt["listing"]["sweeps"] == 1


def test_smaller_pages_of_a_search_by_post_begin_at_the_right_item(run_cli, site, dest):
    items = publish(site, [f"i{n:03d}" for n in range(90)], 300)
    api = Api(site, items)

    def page(seen):
        body = parameters(seen)
        limit, number = body["limit"], body.get("page", 1)
        if number == 2 and limit > 25:
            return Reply(500, [], b"")
        at = (number - 1) * limit
        following = {"rel": "next", "href": site.url("/stac/search"), "method": "POST"}
        following["body"] = {**body, "page": number + 1}
        links = [following] if at + limit < len(items) else []
        return answer({"type": "FeatureCollection", "features": items[at : at + limit], "links": links})

    site.route("/stac/search", page)
    words = ("-c", "c1", "--bbox", "0 0 5 5", "--limit", "40", "--method", "POST", "-R", "1")
    ended = run_cli("mirror", api.url, dest, *words)
    assert ended.code == 0, ended.err
    assert len(names(dest)) == 90


def test_pages_grow_again_after_a_passing_failure(run_cli, site, dest):
    items = publish(site, [f"i{n:03d}" for n in range(400)], 300)
    api = Api(site, items, 100)
    site.things[ITEMS].faults.append(Status(502))
    assert run_cli("mirror", api.url, dest, "-c", "c1", "--limit", "20").code == 0
    limits = [int(dict(parse_qsl(seen.query))["limit"]) for seen in site.log if seen.path == ITEMS]
    assert limits[:2] == [20, 10] and limits[-1] == 20 and len(names(dest)) == 400
