"""What redirects and cookies can do to whole runs: nothing is carried from one request to the next."""

import asyncio
import itertools

import pytest

from mlhub_async import RetryPolicy, __version__
from support.engine import AT_ONCE, run
from support.faults import redirect
from support.mirrored import Mirrored, publish
from support.one_request import CANARY
from support.server import Cut, tif
from support.stac_server import Api, stac_item, static_catalog
from support.wire_format import Reply

BODY = tif(400_000)


@pytest.fixture
async def site(troubled):
    return await troubled.site("localhost")


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_no_cookie_comes_back_to_those_who_set_it_or_to_anybody_else(troubled, site, dest, transport):
    neighbour = await troubled.site("localhost")
    wide = [("Set-Cookie", f"wide={CANARY}; Domain=localhost; Path=/"), ("Set-Cookie", f"own={CANARY}")]
    items = publish(site, ["a", "b"], headers=wide) + publish(neighbour, ["c", "d"], headers=wide)
    site.redirect("/r.tif", neighbour.url("/c.tif"), headers=wide)
    api = Api(site, [*items, stac_item("r", data=site.url("/r.tif"))], 2)
    for path in list(site.routes):
        answered = site.routes[path]
        site.route(path, lambda seen, answered=answered: with_cookies(answered(seen), wide))
    report = await run(api.url, dest, "c1", concurrency=1, transport=transport)
    assert report.exit_code == 0 and len(Mirrored(dest).files) == 5
    asked = [*site.log, *neighbour.log]
    assert len(asked) >= 10 and not [seen for seen in asked if "cookie" in seen.headers]
    assert {seen.headers["user-agent"] for seen in asked} == {f"mlhub_async/{__version__}"}
    assert kept(dest) == []


def kept(dest):
    """The files under DEST with the canary in them."""
    return [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def with_cookies(reply: Reply, cookies) -> Reply:
    reply.headers += cookies
    return reply


@pytest.fixture
async def signing(troubled, site):
    """An asset behind a redirect that is signed anew each time, as content delivery networks do it."""
    store, numbers = await troubled.site(), itertools.count()
    store.put("/bytes.tif", BODY, etag='"1"')

    def sign(_):
        query = f"X-Amz-Expires=60&X-Amz-Signature={CANARY}{next(numbers)}"
        reply = Reply()
        redirect(store.url(f"/bytes.tif?{query}")).answered(reply)
        return reply

    site.route("/one.tif", sign)
    return static_catalog(site, [stac_item("one", data=site.url("/one.tif"))]), store


async def test_a_redirect_that_is_signed_anew_each_time_is_one_and_the_same_file(signing, site, dest):
    url, store = signing
    store.things["/bytes.tif"].faults.append(Cut(300_000))
    assert (await run(url, dest, retry=RetryPolicy(attempts=1, base=0))).exit_code == 5
    assert len(Mirrored(dest).partial) == 2 and kept(dest) == []
    for _ in range(2):
        assert (await run(url, dest)).exit_code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.bytes_of("one") == BODY
    assert [seen.headers.get("range") for seen in store.log] == [None, "bytes=300000-"]
    assert len({seen.query for seen in store.log}) == 2 and site.count("/one.tif") == 2
    assert kept(dest) == []


async def test_a_retry_begins_at_the_url_of_the_catalogue_and_not_where_it_was_sent(signing, site, dest):
    url, store = signing
    store.things["/bytes.tif"].faults.extend([Cut(100_000), Cut(100_000)])
    assert (await run(url, dest, retry=AT_ONCE)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == BODY
    assert len({seen.query for seen in store.log}) == site.count("/one.tif") == 3


@pytest.mark.parametrize(("hops", "code"), [(5, 0), (6, 4)])
async def test_five_redirects_are_followed_and_no_more_and_never_twice(site, dest, hops, code):
    for n in range(hops):
        site.redirect(f"/{n}.tif", f"/{n + 1}.tif")
    site.put(f"/{hops}.tif", BODY)
    items = [stac_item("one", data=site.url("/0.tif"))]
    assert (await run(items, dest)).exit_code == code
    assert Mirrored(dest).failed == ({"one": "redirect-loop"} if code else {})
    assert [site.count(f"/{n}.tif") for n in range(hops)] == [1] * hops
    assert site.count(f"/{hops}.tif") == (code == 0)


async def test_a_circle_of_redirects_is_gone_round_once_and_not_tried_again(troubled, site, dest):
    other = await troubled.site()
    site.redirect("/a.tif", other.url("/b.tif"))
    other.redirect("/b.tif", site.url("/a.tif"))
    items = [stac_item("circle", data=site.url("/a.tif")), *publish(site, ["one"])]
    assert (await run(items, dest)).exit_code == 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert mirror.failed == {"circle": "redirect-loop"} and not mirror.errors[0]["error"]["retryable"]
    assert site.count("/a.tif") == other.count("/b.tif") == 1


async def test_who_is_sent_where_another_was_sent_on_waits_for_nobody_who_has_landed(site, dest):
    site.put("/c.tif", tif(1000))
    site.redirect("/b.tif", site.url("/c.tif"))
    hrefs = [site.redirect(f"/a{number}.tif", site.url("/b.tif")) for number in range(2)]
    hrefs.append(site.url("/b.tif"))
    items = [stac_item(f"i{number}", data=href) for number, href in enumerate(hrefs)]
    async with asyncio.timeout(20):
        assert (await run(items, dest, concurrency=1)).exit_code == 0
    assert len(site.requests["/c.tif"]) == 1


async def test_a_place_where_an_attempt_failed_is_waited_for_by_nobody(site, dest):
    """A host that sends to another of its nodes each time."""
    site.put("/good.tif", tif(1000))
    bad = site.put("/bad.tif", tif(1000), faults=[Cut(500)])
    first = site.put("/a.tif", faults=[redirect(bad)], always=[redirect(site.url("/good.tif"))])
    items = [stac_item("one", data=first), stac_item("two", data=bad)]
    async with asyncio.timeout(20):
        assert (await run(items, dest, concurrency=1)).exit_code == 0
    assert len(Mirrored(dest).files) == 2
