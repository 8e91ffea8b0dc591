"""The troubled server must itself be right: what it breaks, and that it breaks nothing else."""

import asyncio
import gzip
import socket
import ssl
import threading
import urllib.request

import aiohttp
import pytest

from support.server import (
    Background,
    Change,
    Chunked,
    CloseDelimited,
    ContentRange,
    Cut,
    Delay,
    Drip,
    Endless,
    Etag,
    Flip,
    Gone,
    Gzip,
    HangUp,
    Headers,
    IgnoreIfRange,
    IgnoreRange,
    Informational,
    Length,
    Raw,
    Site,
    Stall,
    Status,
    Troubled,
    header_bomb,
    html,
    tif,
    until,
)
from support.stac_server import Api, stac_item, static_catalog

BODY = tif(10_000)


@pytest.fixture
async def web():
    timeout = aiohttp.ClientTimeout(total=5, sock_read=0.3)
    async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session:
        yield session


async def raw(site: Site, request: str) -> bytes:
    """Everything the server says to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(request.encode())
    try:
        return await reader.read()
    finally:
        writer.close()


def ask(path: str = "/a", *headers: str) -> str:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "Connection: close", "", ""])


async def test_a_url_without_faults_gives_its_bytes_and_records_the_request(troubled, web):
    site = await troubled.site()
    url = site.put("/a b%2F?x".replace(" ", ""), BODY, etag='"1"')
    async with web.get(url, headers={"X-One": "1"}) as response:
        assert (response.status, await response.read()) == (200, BODY)
    [seen] = site.log
    assert (seen.method, seen.target, seen.headers["x-one"]) == ("GET", "/ab%2F?x", "1")


async def test_faults_come_once_each_in_order_and_then_the_url_behaves(troubled, web):
    site = await troubled.site()
    url = site.put("/a", BODY, faults=[Status(503, retry_after=7), None, Status(404)])
    answers = []
    for _ in range(4):
        async with web.get(url) as response:
            answers.append((response.status, response.headers.get("Retry-After")))
    assert answers == [(503, "7"), (200, None), (404, None), (200, None)]
    assert site.count("/a") == 4


async def test_connections_are_kept_alive(troubled, web):
    site = await troubled.site()
    for _ in range(3):
        async with web.get(site.put("/a", BODY)) as response:
            await response.read()
    assert site.connections == 1


@pytest.mark.parametrize(
    "fault",
    [
        Cut(1000),
        Cut(1000, rst=True),
        (Chunked(1000), Cut(500)),
        (Chunked(1000), Cut(1007)),
        Length(+5),
        Stall(1000),
        Gone("hang"),
    ],
)
async def test_a_body_that_does_not_arrive_whole_is_seen_as_an_error(troubled, web, fault):
    site = await troubled.site()
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        async with web.get(site.put("/a", BODY, faults=[fault])) as response:
            await response.read()


@pytest.mark.parametrize("ending", ["fin", "rst"])
async def test_a_connection_can_end_before_any_head(troubled, ending):
    site = await troubled.site()
    site.put("/a", BODY, faults=[Gone(ending)])
    if ending == "fin":
        assert await raw(site, ask()) == b""
    else:
        with pytest.raises(ConnectionResetError):
            await raw(site, ask())


@pytest.mark.parametrize(
    "fault", [Chunked(999), CloseDelimited(), Drip(0.001, 1000), Delay(0.01), HangUp(), Informational(3)]
)
async def test_unusual_but_right_answers_carry_the_whole_body(troubled, web, fault):
    site = await troubled.site()
    async with web.get(site.put("/a", BODY, faults=[fault])) as response:
        assert await response.read() == BODY


async def test_a_close_delimited_body_can_be_cut_and_nobody_can_tell(troubled, web):
    site = await troubled.site()
    async with web.get(site.put("/a", BODY, faults=[(CloseDelimited(), Cut(1000))])) as response:
        assert await response.read() == BODY[:1000]


async def test_a_reset_is_a_reset_on_the_socket(troubled):
    site = await troubled.site()
    site.put("/a", BODY, faults=[Cut(10, rst=True)])
    with pytest.raises(ConnectionResetError):
        await raw(site, ask())


async def test_an_endless_body_has_no_end(troubled, web):
    site = await troubled.site()
    received = 0
    async with web.get(site.put("/a", BODY, faults=[Endless()])) as response:
        while received < 10 * len(BODY):
            received += len(await response.content.readany())


@pytest.mark.parametrize(
    ("asked", "status", "said", "body"),
    [
        ("bytes=9990-", 206, "bytes 9990-9999/10000", BODY[9990:]),
        ("bytes=1-2", 206, "bytes 1-2/10000", BODY[1:3]),
        ("bytes=-5", 206, "bytes 9995-9999/10000", BODY[-5:]),
        ("bytes=10000-", 416, "bytes */10000", b""),
        ("nonsense", 200, None, BODY),
    ],
)
async def test_ranges_are_answered_as_the_standard_says(troubled, web, asked, status, said, body):
    site = await troubled.site()
    async with web.get(site.put("/a", BODY), headers={"Range": asked}) as response:
        assert (response.status, response.headers.get("Content-Range")) == (status, said)
        assert await response.read() == body


@pytest.mark.parametrize(
    ("condition", "etag", "faults", "status"),
    [
        ('"1"', '"1"', [], 206),
        ('"0"', '"1"', [], 200),
        ('W/"1"', 'W/"1"', [], 200),
        ('"0"', '"1"', [IgnoreIfRange()], 206),
        ('"1"', '"1"', [IgnoreRange()], 200),
        ('"1"', '"1"', [Etag('"2"')], 200),
        ('"1"', '"1"', [Change(BODY, etag='"2"')], 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None, [], 206),
        ("Thu, 01 Jan 1970 00:00:01 GMT", None, [], 200),
    ],
)
async def test_if_range_holds_only_for_a_strong_validator(troubled, web, condition, etag, faults, status):
    site = await troubled.site()
    url = site.put("/a", BODY, etag=etag, last_modified=0.0, faults=faults)
    async with web.get(url, headers={"Range": "bytes=5-", "If-Range": condition}) as response:
        assert response.status == status


async def test_conditions_are_honoured(troubled, web):
    site = await troubled.site()
    url = site.put("/a", BODY, etag='"1"')
    answers = []
    for name, value in [("If-Match", '"0"'), ("If-Match", '"1"'), ("If-None-Match", '"1"')]:
        async with web.get(url, headers={name: value}) as response:
            answers.append(response.status)
    assert answers == [412, 200, 304]


async def test_a_206_can_lie_about_itself_or_say_nothing(troubled, web):
    site = await troubled.site()
    url = site.put("/a", BODY, faults=[ContentRange("bytes 0-9/10"), ContentRange(None)])
    said = []
    for _ in range(2):
        async with web.get(url, headers={"Range": "bytes=5-"}) as response:
            said.append((response.status, response.headers.get("Content-Range")))
    assert said == [(206, "bytes 0-9/10"), (206, None)]


async def test_a_changed_thing_stays_changed_but_a_flapping_etag_does_not(troubled, web):
    site = await troubled.site()
    url = site.put("/a", b"old", etag='"1"', faults=[Etag('"x"'), None, Change(b"new", '"2"')])
    got = []
    for _ in range(4):
        async with web.get(url) as response:
            got.append((response.headers["ETag"], await response.read()))
    assert got == [('"x"', b"old"), ('"1"', b"old"), ('"2"', b"new"), ('"2"', b"new")]


async def test_gzip_is_sent_although_nobody_asked_and_may_lack_its_end(troubled, web):
    site = await troubled.site()
    url = site.put("/a", BODY, faults=[Gzip(), Gzip(lose=9)])
    async with web.get(url) as response:
        assert (response.headers["Content-Encoding"], gzip.decompress(await response.read())) == (
            "gzip",
            BODY,
        )
    async with web.get(url) as response:
        with pytest.raises(EOFError):
            gzip.decompress(await response.read())


async def test_a_flipped_bit_keeps_the_framing(troubled, web):
    site = await troubled.site()
    async with web.get(site.put("/a", BODY, faults=[Flip(5000)])) as response:
        body = await response.read()
    assert len(body) == len(BODY) and [n for n in range(len(BODY)) if body[n] != BODY[n]] == [5000]


async def test_head_has_the_headers_and_no_body(troubled):
    site = await troubled.site()
    site.put("/a", BODY)
    answer = await raw(site, ask().replace("GET", "HEAD"))
    assert b"Content-Length: 10000\r\n" in answer and answer.endswith(b"\r\n\r\n")


async def test_a_longer_body_than_announced_is_really_sent(troubled):
    site = await troubled.site()
    site.put("/a", b"12345", faults=[Length(-2)])
    answer = await raw(site, ask())
    assert b"Content-Length: 3\r\n" in answer and answer.endswith(b"\r\n\r\n12345")


async def test_garbage_cookies_and_header_bombs_go_out_as_written(troubled):
    site = await troubled.site()
    cookie = Headers((("Set-Cookie", "a=b; Domain=localhost"), ("Content-Type", None)))
    site.put("/a", BODY, faults=[Raw(b"\x00\xffnot http"), header_bomb(50, 100), cookie])
    assert await raw(site, ask()) == b"\x00\xffnot http"
    assert (await raw(site, ask())).count(b"X-Bomb") == 50
    answer = await raw(site, ask())
    assert b"Set-Cookie: a=b; Domain=localhost\r\n" in answer and b"Content-Type" not in answer


async def test_redirects_and_login_pages(troubled, web):
    site, other = await troubled.site(), await troubled.site("localhost")
    url = site.redirect("/a", other.put("/b", BODY), 307)
    async with web.get(url) as response:
        assert (await response.read(), len(site.log), len(other.log)) == (BODY, 1, 1)
    async with web.get(site.put("/c", BODY, faults=[html()])) as response:
        assert (response.status, response.content_type) == (200, "text/html")


async def test_a_site_counts_how_many_requests_were_in_flight_together(troubled, web):
    site = await troubled.site()
    url = site.put("/a", BODY, always=[Delay(0.03)])
    await asyncio.gather(*(web.get(url) for _ in range(4)))
    assert site.peak == 4 and site.in_flight == 0


async def test_tls_is_spoken_with_a_certificate_of_our_own(troubled, web, authority):
    site = await troubled.site("localhost", authority.context())
    url = site.put("/a", BODY, faults=[Cut(1000), Cut(1000, rst=True)])
    trust = ssl.create_default_context(cafile=authority.pem)
    for _ in range(2):
        with pytest.raises(aiohttp.ClientError):
            async with web.get(url, ssl=trust) as response:
                await response.read()
    async with web.get(url, ssl=trust) as response:
        assert await response.read() == BODY
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await web.get(url)


async def test_stopping_frees_the_port_and_leaves_no_task_even_with_hanging_clients():
    async with Troubled() as sites:
        site = await sites.site()
        site.put("/a", BODY, faults=[Stall(10)])
        hanging = asyncio.create_task(raw(site, ask()))
        await until(lambda: site.in_flight > 0)
        before = asyncio.all_tasks()
    assert await hanging != b""
    assert {task for task in before if not task.done()} == {asyncio.current_task()}
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", site.port)) != 0


def test_in_a_thread_it_serves_other_clients_and_ends_with_them():
    before = threading.active_count()
    with Background() as sites, urllib.request.urlopen(sites.site().json("/a", {"b": 1})) as answer:
        assert answer.read() == b'{"b": 1}'
    assert threading.active_count() == before


ITEMS = [stac_item(f"i{n}", data=f"http://x/{n}.tif") for n in range(25)]


async def pages(web, url, method="GET", body=None):
    """Follows `next` as the standard says."""
    found = []
    while True:
        async with web.request(method, url, json=body if method == "POST" else None) as response:
            page = await response.json(content_type=None)
        found.append([feature["id"] for feature in page["features"]])
        links = [link for link in page["links"] if link["rel"] == "next"]
        if not links:
            return found
        new = links[0].get("body") or {}
        body = {**body, **new} if links[0].get("merge") else new
        url, method = str(response.url.join(type(response.url)(links[0]["href"]))), links[0]["method"]


@pytest.mark.parametrize("style", ["token", "page", "offset", "skip", "startRecord"])
@pytest.mark.parametrize("relative", [True, False])
async def test_an_api_pages_in_every_style(troubled, web, style, relative):
    api = Api(await troubled.site(), ITEMS, 10, style, relative=relative)
    found = await pages(web, api.url + "/collections/c1/items?limit=10")
    assert [len(page) for page in found] == [10, 10, 5]
    assert [id for page in found for id in page] == [f"i{n}" for n in range(25)]


@pytest.mark.parametrize("merge", [True, False])
async def test_an_api_pages_by_post_and_keeps_the_selection(troubled, web, merge):
    items = [*ITEMS, stac_item("other", "c2")]
    api = Api(await troubled.site(), items, 10, merge=merge, empty_last=True)
    found = await pages(web, api.url + "/search", "POST", {"collections": ["c1"], "limit": 10})
    assert [len(page) for page in found] == [10, 10, 5, 0]


async def test_a_static_catalogue_is_linked_from_its_root_to_its_items(troubled, web):
    site = await troubled.site()
    root = static_catalog(site, ITEMS[:2], faults={"c1/i1/i1.json": [Status(503)]})
    async with web.get(root) as response:
        document = await response.json()
    links = [link for link in document["links"] if link["rel"] == "child"]
    async with web.get(response.url.join(type(response.url)(links[0]["href"]))) as response:
        children = [link["href"] for link in (await response.json())["links"] if link["rel"] == "item"]
    answers = []
    for child in children:
        async with web.get(response.url.join(type(response.url)(child))) as answer:
            answers.append(answer.status)
    assert answers == [200, 503]
