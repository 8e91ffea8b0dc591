"""Who gets to see a credential: every way over two and three origins, on servers that record everything."""

import itertools

import pytest

from mlhub_async import __version__
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Request
from support.engine import run
from support.faults import redirect
from support.mirrored import publish
from support.one_request import ALL, CANARY, SECRETS, ask, told
from support.server import Status
from support.stac_server import Api, static_catalog

NAMES = ("A", "A2", "L", "S")
"""127.0.0.1, the same host on another port, localhost, and localhost by https"""


@pytest.fixture
async def sites(troubled, authority):
    return {
        "A": await troubled.site(),
        "A2": await troubled.site(),
        "L": await troubled.site("localhost"),
        "S": await troubled.site("localhost", authority.context()),
    }


@pytest.fixture(params=["fast", "aiohttp"])
def trusted(request, authority):
    known = {"ca_file": str(authority.pem), "allow_private": True, "transport": request.param}
    return SECRETS | known


def refused(one, next):
    return one == "S" and next != "S"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_only_the_first_origin_sees_credentials_and_only_until_the_chain_leaves_it(
    sites, trusted, code
):
    for way in itertools.product(NAMES, repeat=3):
        places = [(sites[name], f"/{'-'.join(way)}/{n}") for n, name in enumerate(way)]
        for (here, path), (there, target) in itertools.pairwise(places):
            here.redirect(path, there.url(target), code)
        places[-1][0].put(places[-1][1], b"end")
        ends = next((n + 1 for n in range(2) if refused(way[n], way[n + 1])), 3)
        asked = ask(places[0][0].url(), places[0][0].url(places[0][1]), **trusted)
        if ends == 3:
            assert await asked == b"end"
        else:
            with pytest.raises(TransferError, match="redirect to http") as error:
                await asked
            assert error.value.kind == "redirect-refused" and CANARY not in str(error.value)
        for n, (place, path) in enumerate(places):
            seen = place.requests[path]
            assert len(seen) == (n < ends), way
            if seen:
                assert told(seen[0]) == (ALL if len(set(way[: n + 1])) == 1 else set()), way


@pytest.mark.parametrize("name", ["A2", "L"])
async def test_a_server_that_echoes_the_key_into_its_redirect_cannot_send_it_on(sites, name):
    here, there = sites["A"], sites[name]
    there.put("/x", b"end")
    for spelled in (f"key={CANARY}", f"k%65y={CANARY}", f"api={CANARY}&a=1", f"a=1&token={CANARY}"):
        here.redirect("/echo", there.url(f"/x?{spelled}"))
        assert await ask(here.url(), here.url("/echo"), **SECRETS) == b"end"
    assert len(there.log) == 4 and CANARY not in str(there.log)


async def test_a_key_in_a_href_of_the_catalogue_is_not_sent_to_another_origin(sites):
    there = sites["A2"]
    there.put("/x", b"end")
    await ask(sites["A"].url(), there.url(f"/x?a=1&key={CANARY}"), **SECRETS, allow_private=True)
    assert [seen.target for seen in there.log] == ["/x?a=1"]


async def test_a_page_number_is_no_secret_because_a_header_has_the_same_value(sites):
    site = sites["A"]
    site.redirect("/x", site.url("/y?page=1"))
    site.put("/y", b"end")
    assert await ask(site.url(), site.url("/x"), headers=(("X-Version", "1"),)) == b"end"
    assert site.log[-1].target == "/y?page=1"


async def test_another_origin_gets_no_further_header_fields(sites, trusted):
    here, there = sites["A"], sites["L"]
    here.put("/c", b"x", headers=[("Set-Cookie", "id=1; Domain=localhost"), ("Set-Cookie", "b=2; Path=/")])
    here.redirect("/away", there.url("/x"), headers=[("Set-Cookie", "c=3")])
    there.put("/x", b"end")
    await ask(here.url(), here.url("/away"), **trusted)
    assert set(there.log[0].headers) == {"host", "user-agent", "accept", "accept-encoding"}
    assert there.log[0].headers["user-agent"] == f"mlhub_async/{__version__}"


async def test_neither_cookies_nor_referer_are_sent(sites):
    site = sites["A"]
    site.put("/one", b"1", headers=[("Set-Cookie", "id=1; Path=/")])
    site.redirect("/two", "/one")
    for path in ("/one", "/two", "/one"):
        await ask(site.url(), site.url(path))
    assert len(site.log) == 4
    for seen in site.log:
        assert not {"cookie", "referer", "origin", "from"} & seen.headers.keys()


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("next", "/folder/next"),
        ("../up?a=b", "/up?a=b"),
        ("?only=query", "/folder/start?only=query"),
        ("//{host}/x", "/x"),
        ("/x#fragment", "/x"),
        ("/é", "/%C3%A9"),
        ("/a b", "/a%20b"),
        ("/back\\slash", "/back/slash"),
        ("HTTP://{host}/x", "/x"),
        ("/x%2Fy%7E", "/x%2Fy%7E"),
    ],
)
async def test_a_location_is_resolved_and_percent_encoded(sites, location, path):
    site = sites["A"]
    where = location.format(host=site.origin.removeprefix("http://"))
    site.put(path.partition("?")[0], b"end")
    site.put("/folder/start", b"end", faults=[redirect(where)])
    assert await ask(site.url(), site.url("/folder/start"), **SECRETS) == b"end"
    assert site.log[-1].target == f"{path}{'&' if '?' in path else '?'}key={CANARY}"
    assert [told(seen) for seen in site.log] == [ALL, ALL]


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://user:pw-CANARY@{other}/x",
        "http://CANARY@{other}/x",
        "//u:CANARY@{other}/x",
        "file:///etc/passwd",
        "ftp://{other}/x",
        "data:text/plain,hello",
        "gopher://{other}/x",
        "javascript:alert(1)",
        "\\\\{other}\\x",
        "/\\{other}/x",
        "http:/\\{other}/x",
        "http://{other}\\@trusted.example/x",
        "http://",
        "http:///x",
        "http://{other}:99999/x",
        "/caf\udce9",
    ],
)
async def test_an_ambiguous_or_invalid_location_is_refused(sites, location):
    site, other = sites["A"], sites["A2"]
    other.put("/x", b"elsewhere")
    site.redirect("/start", location.format(other=other.origin.removeprefix("http://")))
    with pytest.raises(TransferError) as error:
        await ask(site.url(), site.url("/start"), **SECRETS, allow_private=True)
    assert error.value.kind == "redirect-refused" and not error.value.retryable
    assert "CANARY" not in str(error.value)
    assert len(site.log) == 1 and other.log == []


async def test_a_location_with_a_control_character_is_refused(sites):
    site = sites["A"]
    site.redirect("/start", "/\x01x")
    with pytest.raises(TransferError):
        await ask(site.url(), site.url("/start"))
    assert {seen.path for seen in site.log} == {"/start"}


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_a_header_beyond_ascii_is_sent_in_utf_8(sites, transport):
    site = sites["A"]
    site.put("/x", b"end")
    await ask(site.url(), site.url("/x"), headers=(("X-Who", "Zürich 地図"),), transport=transport)
    assert site.log[0].headers["x-who"] == "Zürich 地図".encode().decode("latin-1")


async def test_redirect_loops_and_long_chains_end(sites):
    site, other = sites["A"], sites["A2"]
    site.redirect("/a", other.url("/b"))
    other.redirect("/b", site.url("/a"))
    for n in range(9):
        site.redirect(f"/{n}", f"/{n + 1}")
    for path, asked in (("/a", 1), ("/0", 6)):
        site.log.clear()
        with pytest.raises(TransferError) as error:
            await ask(site.url(), site.url(path), **SECRETS)
        assert error.value.kind == "redirect-loop" and len(site.log) == asked


@pytest.mark.parametrize("status", [401, 403, 407, 500])
async def test_a_challenge_is_not_answered(sites, status):
    site = sites["A"]
    challenge = (("WWW-Authenticate", 'Basic realm="x"'), ("Proxy-Authenticate", "Digest realm=x"))
    site.put("/x", always=[Status(status, headers=challenge)])
    with pytest.raises(TransferError):
        await ask(site.url(), site.url("/x"))
    assert len(site.log) == 1 and "authorization" not in site.log[0].headers


@pytest.mark.parametrize("name", ["A", "A2"])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirected_post_stays_a_post_or_becomes_a_get_by_its_status(sites, name, code):
    here, there = sites["A"], sites[name]
    here.redirect("/search", there.url("/moved"), code)
    there.put("/moved", b"end")
    search = Request(here.url("/search"), "POST", {"Content-Type": "application/json"}, b'{"limit":1}')
    assert await ask(here.url(), search, **SECRETS) == b"end"
    seen = there.requests["/moved"][0]
    kept = ("POST", b'{"limit":1}', "application/json") if code in (307, 308) else ("GET", b"", None)
    assert (seen.method, seen.body, seen.headers.get("content-type")) == kept
    assert told(seen) == (ALL if name == "A" else set())


LINK_HEADERS = {
    "Authorization": "Bearer evil",
    "Cookie": "id=evil",
    "Host": "evil.test",
    "X-Api-Key": "evil",
    "Transfer-Encoding": "chunked",
    "X-Page-Token": "p2",
}


async def test_a_next_link_to_another_origin_is_followed_if_allowed_and_then_without_credentials(sites, dest):
    here, there = sites["A"], sites["A2"]
    one, two = publish(here, ["one", "two"])
    body = {"type": "FeatureCollection", "features": [two], "links": []}
    href = there.json("/page2", body, content_type="application/geo+json") + f"?key={CANARY}&token=2"
    link = {"rel": "next", "href": href, "headers": LINK_HEADERS}
    api = Api(here, [one], overrides={1: {"links": [link], "numberMatched": 2}})
    broken = await run(api.url, dest, "c1", **SECRETS)
    assert broken.exit_code == 5 and there.log == []
    report = await run(api.url, dest, "c1", **SECRETS, allow_origins=(there.origin,))
    assert report.exit_code == 0 and report.selected == 2
    seen = there.requests["/page2"][0]
    assert told(seen) == set() and "evil" not in str(seen)
    assert (seen.query, seen.headers["x-page-token"]) == ("token=2", "p2")
    assert all(told(seen) == ALL for seen in here.log)


async def test_a_child_of_another_origin_is_followed_if_allowed_and_then_without_credentials(sites, dest):
    here, there = sites["A"], sites["A2"]
    static_catalog(there, publish(there, ["one"]))
    child = there.url("/static/c1/collection.json")
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "r", "description": "Root"}
    root = here.json("/catalog.json", {**about, "links": [{"rel": "child", "href": child}]})
    broken = await run(root, dest, **SECRETS)
    assert broken.exit_code != 0 and there.log == []
    report = await run(root, dest, **SECRETS, allow_origins=(there.origin,))
    assert report.exit_code == 0 and report.selected == 1
    assert CANARY not in str(there.log) and all(told(seen) == ALL for seen in here.log)
