"""Paging over real sockets: every form of next link, and links that must not be followed."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from mlhub_async import stac
from mlhub_async.core.errors import CatalogError
from mlhub_async.core.model import Request
from support.documents import Documents, Wire, ids, item, link, page, walked

ITEMS = [item(f"i{n}") for n in range(5)]
ROOT = "https://api.test/items"
Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[Wire, str]]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Wire(session), f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def get_walk(href_of: Callable[[str, int], str], **more) -> list[str]:
    """The ids of pages of two, read by GET; `href_of(root, offset)` gives the href of the next page."""

    async def answer(request: web.Request) -> web.Response:
        at = next((int(v) for k, v in request.query.items() if k in ("skip", "offset", "token", "next")), 0)
        at = 2 * (int(request.query["page"]) - 1) if "page" in request.query else at
        root = f"http://{request.host}"
        following = {"href": href_of(root, at + 2), **more} if at + 2 < len(ITEMS) else None
        return web.json_response(page(*ITEMS[at : at + 2], next=following))

    async with serving(answer) as (wire, root):
        return await ids(wire, Request(f"{root}/items?limit=2"))


@pytest.mark.parametrize(
    "href_of",
    [
        pytest.param(lambda root, at: f"{root}/items?limit=2&token={at}", id="token"),
        pytest.param(lambda root, at: f"{root}/items?page={at // 2 + 1}&limit=2", id="page"),
        pytest.param(lambda root, at: f"{root}/items?limit=2&skip={at}", id="skip"),
        pytest.param(lambda root, at: f"{root}/items?offset={at}&limit=2", id="offset"),
        pytest.param(lambda root, at: f"/items?limit=2&next={at}", id="relative-to-host"),
        pytest.param(lambda root, at: f"items?limit=2&next={at}", id="relative"),
        pytest.param(lambda root, at: f"?limit=2&next={at}", id="relative-query"),
        pytest.param(lambda root, at: f"{root}/items?token={at}&key=abc&key=abc", id="key-echoed"),
    ],
)
async def test_a_next_link_by_get_is_followed_to_the_end(href_of):
    assert await get_walk(href_of) == [one["id"] for one in ITEMS]


async def test_a_method_in_lower_case_is_the_same_method():
    found = await get_walk(lambda root, at: f"{root}/items?token={at}", method="get", body={"ignored": 1})
    assert len(found) == 5


async def post_walk(link_of: Callable[[dict, int], dict]) -> tuple[list[str], list[dict]]:
    """The ids of pages of two, read by POST, and the bodies received.

    `link_of(body, offset)` gives the next link.
    """
    bodies: list[dict] = []

    async def answer(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        bodies.append(body)
        at = int(body.get("token", 0))
        following = {"href": f"http://{request.host}/search", **link_of(body, at + 2)}
        return web.json_response(page(*ITEMS[at : at + 2], next=following if at + 2 < len(ITEMS) else None))

    async with serving(answer) as (wire, root):
        found = await ids(wire, stac.post_request(f"{root}/search", {"collections": ["c"], "limit": 2}))
    return found, bodies


@pytest.mark.parametrize(
    ("link_of", "filters_kept"),
    [
        (lambda body, at: {"method": "POST", "body": {**body, "token": at}}, True),
        (lambda body, at: {"method": "POST", "body": {**body, "token": at}, "merge": False}, True),
        (lambda body, at: {"method": "POST", "body": {"token": at}, "merge": True}, True),
        (lambda body, at: {"method": "POST", "body": {"token": at}}, False),
        (lambda body, at: {"body": {**body, "token": at}}, True),
    ],
    ids=["whole body", "merge false", "merge true", "body alone is all of it", "no method"],
)
async def test_a_next_link_by_post_is_followed_to_the_end(link_of, filters_kept):
    found, bodies = await post_walk(link_of)
    assert found == [one["id"] for one in ITEMS]
    assert all(("collections" in body) == filters_kept for body in bodies[1:])


async def test_a_post_link_without_a_body_sends_the_body_sent_before():
    async def answer(request: web.Request) -> web.Response:
        at, body = int(request.query.get("token", 0)), json.loads(await request.read())
        following = {"method": "POST", "href": f"?token={at + 2}"} if at < 4 else None
        return web.json_response(page(*ITEMS[at : at + 2] if body == {"limit": 2} else [], next=following))

    async with serving(answer) as (wire, root):
        assert len(await ids(wire, stac.post_request(f"{root}/search", {"limit": 2}))) == 5


async def test_headers_of_a_link_are_sent_unless_only_the_client_may_set_them():
    seen = {}
    sly = {
        "Host": "evil.test",
        "Authorization": "Bearer stolen",
        "Cookie": "a=b",
        "Content-Length": "3",
        "Transfer-Encoding": "chunked",
        "Proxy-Authorization": "x",
        "Connection": "close",
        "X-Api-Key": "k",
        "X-Forwarded-For": "10.0.0.1",
        "X-Split": "a\r\nHost: evil",
    }

    async def answer(request: web.Request) -> web.Response:
        seen.update(request.headers)
        following = {"href": "?token=2", "headers": {"X-Cursor": "abc", **sly}}
        return web.json_response(page(ITEMS[0], next=None if "token" in request.query else following))

    async with serving(answer) as (wire, root):
        assert await walked(wire, Request(f"{root}/items")) == [1, 1]
    assert seen["X-Cursor"] == "abc"
    sent = {name for name, value in sly.items() if seen.get(name) == value}
    assert sent == set()


async def test_headers_are_carried_on_only_when_the_link_says_merge():
    asked: list[Request] = []

    class Noting(Documents):
        async def read(self, request):
            asked.append(request)
            return await super().read(request)

    first = {"href": "?n=2", "headers": {"X-One": "1"}}
    pages = {
        ROOT: page(ITEMS[0], next=first),
        f"{ROOT}?n=2": page(ITEMS[1], next={"href": "?n=3", "headers": {"X-Two": "2"}, "merge": True}),
        f"{ROOT}?n=3": page(ITEMS[2], next={"href": "?n=4", "headers": {"X-Three": "3"}}),
        f"{ROOT}?n=4": page(ITEMS[3]),
    }
    await walked(Noting(pages), Request(ROOT, headers={"Accept": "a/b"}))
    assert [dict(one.headers) for one in asked] == [
        {"Accept": "a/b"},
        {"Accept": "a/b", "X-One": "1"},
        {"Accept": "a/b", "X-One": "1", "X-Two": "2"},
        {"Accept": "a/b", "X-Three": "3"},
    ]


@pytest.mark.parametrize("href", [None, 5, "", "  ", {"a": 1}])
async def test_a_next_link_without_a_usable_href_is_the_end(href):
    reader = Documents({ROOT: {"features": [ITEMS[0]], "links": [link("next", href)]}})
    assert await ids(reader, Request(ROOT)) == ["i0"]


@pytest.mark.parametrize("links", [None, {}, [None, 3, "x", {"rel": ["next"]}]])
async def test_values_that_are_no_links_are_skipped(links):
    assert await walked(Documents({ROOT: {"features": [], "links": links}}), Request(ROOT)) == [0]


async def test_a_next_link_with_http_to_an_https_origin_is_followed_by_https():
    later = "https://api.test/items?token=next:i0"
    reader = Documents({ROOT: page(ITEMS[0], next=later.replace("https", "http")), later: page(ITEMS[1])})
    assert await ids(reader, Request(ROOT)) == ["i0", "i1"]
    assert reader.asked == [ROOT, later]


async def test_every_copy_of_a_key_in_a_next_link_is_removed_and_nothing_else():
    later = f"{ROOT}?token=next%3Ai0&limit=2"
    echoed = f"{ROOT}?key=s3cret&token=next%3Ai0&key=s3cret&limit=2&key=s3cret"
    reader = Documents({ROOT: page(ITEMS[0], next=echoed), later: page()})
    assert await walked(reader, Request(ROOT)) == [1, 0]


@pytest.mark.parametrize("href", ["https://evil.test/items", "http://api.test:8080/x", "//evil.test/"])
async def test_a_next_link_to_another_origin_is_refused_with_the_option_that_allows_it(href):
    reader = Documents({ROOT: page(ITEMS[0], next=href)})
    with pytest.raises(CatalogError, match=r"api\.test.*--allow-origin https?://(evil|api)\.test") as failure:
        await ids(reader, Request(ROOT))
    assert failure.value.kind == "cross-origin-next"
    assert len(reader.asked) == 1


async def test_a_next_link_to_an_origin_that_is_allowed_is_followed():
    reader = Documents({ROOT: page(ITEMS[0], next="https://b.test/2"), "https://b.test/2": page(ITEMS[1])})
    assert await ids(reader, Request(ROOT), allow_origins=frozenset({"https://b.test"})) == ["i0", "i1"]


async def test_a_next_link_that_is_no_url_breaks_the_listing_off():
    reader = Documents({ROOT: page(ITEMS[0], next="http://[bad/")})
    with pytest.raises(CatalogError) as failure:
        await ids(reader, Request(ROOT))
    assert failure.value.kind == "bad-next"
