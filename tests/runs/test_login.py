"""Assets behind a login by redirect and cookie: whole runs over both transports, with and without netrc."""

import base64
import itertools
import re

import pytest

from mlhub_async.core.errors import MlhubError
from support.engine import AT_ONCE, run
from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import tif
from support.stac_server import stac_item, static_catalog
from support.wire_format import Reply

PASSWORD, SESSION, STATE = f"pw-{CANARY}", f"session-{CANARY}", f"state-{CANARY}"
BASIC = "Basic " + base64.b64encode(f"u:{PASSWORD}".encode()).decode()
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"


def body_of(name):
    return tif(3000, seed=sum(name.encode()))


def moved(location, *cookies):
    return Reply(302, [("Location", location), *(("Set-Cookie", cookie) for cookie in cookies)])


class Portal:
    """A data site with its login host, in the form of Earthdata's: code, cookie, and back to the file.

    `guarded(name)` is an asset behind it. `form`: the login host answers with a page instead of a 401.
    """

    def __init__(self, data, login, *, form=False, cookie=f"session={SESSION}; Path=/; Domain=localhost"):
        self.data, self.login, self.form, self.cookie = data, login, form, cookie
        self.valid = {SESSION}
        self.codes = itertools.count()
        data.route("/back", self.back)
        login.route("/oauth/authorize", self.authorize)

    def guarded(self, name, answer=None):
        path = f"/{name}.tif"

        def answered(seen):
            found = re.search(r"\bsession=([^;]+)", seen.headers.get("cookie", ""))
            if found and found[1] in self.valid:
                return answer or Reply(200, [("Content-Type", "image/tiff")], body_of(name))
            return moved(self.login.url("/oauth/authorize?client=1"), f"want={path}; Path=/")

        return stac_item(name, data=self.data.route(path, answered))

    def authorize(self, seen):
        if seen.headers.get("authorization") == BASIC or "known=" in seen.headers.get("cookie", ""):
            back = self.data.url(f"/back?code={CANARY}{next(self.codes)}")
            return moved(back, f"known={STATE}; Path=/")
        challenge = [("WWW-Authenticate", 'Basic realm="login"'), ("Content-Type", "text/html")]
        return Reply(200 if self.form else 401, challenge, PAGE)

    def back(self, seen):
        return moved(wanted(seen), self.cookie)


def wanted(seen):
    """The path that the data site noted in a cookie before it sent to the login host."""
    return re.search(r"\bwant=([^;]+)", seen.headers["cookie"])[1]


@pytest.fixture
def netrc(tmp_path):
    path = tmp_path / "netrc"
    path.write_text(f"machine localhost login u password {PASSWORD}\ndefault login x password {CANARY}-no\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def portal(troubled_thread):
    return Portal(troubled_thread.site(), troubled_thread.site("localhost"))


@pytest.fixture(params=["fast", "aiohttp"])
def logged_in(request, portal, netrc, monkeypatch):
    monkeypatch.setenv("NETRC", str(netrc))
    return {"transport": request.param, "netrc": True, "allow_origins": (portal.login.origin,)}


async def test_a_login_host_gets_netrc_and_the_asset_comes_with_its_cookie(portal, logged_in, dest):
    items = [portal.guarded(name) for name in ("a", "b", "c")]
    report = await run(items, dest, concurrency=1, **logged_in)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert [Mirrored(dest).bytes_of(name) for name in "abc"] == [body_of(name) for name in "abc"]
    assert portal.login.count("/oauth/authorize") == 1, "one login for all"
    first, second = portal.data.requests["/b.tif"]
    assert "cookie" not in first.headers and f"session={SESSION}" in second.headers["cookie"]
    assert "authorization" not in str([seen.headers for seen in portal.data.log])
    assert all("session" not in str(seen.headers) for seen in portal.login.log)


async def test_many_at_a_time_each_get_their_own_file(portal, logged_in, dest):
    """They are all sent to one URL of the login host, which tells nothing about what comes in the end."""
    names = [f"i{number}" for number in range(24)]
    report = await run([portal.guarded(name) for name in names], dest, concurrency=12, **logged_in)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert all(Mirrored(dest).bytes_of(name) == body_of(name) for name in names)


async def test_a_cookie_that_says_which_file_comes_does_not_mix_two_files(troubled_thread, dest):
    """All assets redirect to one URL; the cookie of each chain decides. No file is taken for another."""
    site = troubled_thread.site()
    items = []
    for number in range(12):
        path = f"/get/{number}.tif"
        site.route(path, lambda seen, n=number: moved("/download", f"file={n}; Path=/"))
        items.append(stac_item(f"i{number}", data=site.url(path)))

    def download(seen):
        return Reply(200, [("Content-Type", "image/tiff")], body_of(seen.headers["cookie"]))

    site.route("/download", download)
    for again in range(2):
        report = await run(items, dest, concurrency=8, if_exists="overwrite" if again else "resume")
        assert report.exit_code == 0, Mirrored(dest).errors
        for number in range(12):
            assert Mirrored(dest).bytes_of(f"i{number}") == body_of(f"file={number}")


async def test_a_file_behind_a_login_may_come_from_a_further_place(portal, logged_in, troubled_thread, dest):
    store = troubled_thread.site("localhost")
    sent = [moved(store.put(f"/{name}.bytes", body_of(name))) for name in "ab"]
    items = [portal.guarded(name, answer) for name, answer in zip("ab", sent, strict=True)]
    assert (await run(items, dest, concurrency=1, **logged_in)).exit_code == 0
    assert [Mirrored(dest).bytes_of(name) for name in "ab"] == [body_of("a"), body_of("b")]
    assert portal.login.count("/oauth/authorize") == 1 and CANARY not in str(store.log)


async def test_a_login_that_expires_is_repeated(portal, logged_in, dest):
    items = [portal.guarded(name) for name in "ab"]
    sessions = iter([SESSION, "second"])
    portal.data.route("/back", lambda seen: moved(wanted(seen), f"session={next(sessions)}; Path=/"))
    answered = portal.data.routes["/a.tif"]

    def once(seen):
        reply = answered(seen)
        if reply.status == 200:
            portal.valid = {"second"}
        return reply

    portal.data.route("/a.tif", once)
    assert (await run(items, dest, concurrency=1, **logged_in)).exit_code == 0
    assert Mirrored(dest).bytes_of("b") == body_of("b") and portal.login.count("/oauth/authorize") == 2


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
async def test_a_redirect_to_the_same_url_with_a_cookie_is_no_circle(troubled_thread, dest, transport):
    site = troubled_thread.site()

    def wall(seen):
        ready = {"a=1", "b=2"} <= set(seen.headers.get("cookie", "").split("; "))
        return Reply(200, [], body_of("wall")) if ready else moved("/wall.tif", "a=1; Path=/", "b=2")

    items = [stac_item("one", data=site.route("/wall.tif", wall))]
    assert (await run(items, dest, transport=transport)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == body_of("wall") and site.count("/wall.tif") == 2


@pytest.mark.parametrize("form", [False, True])
async def test_a_wall_is_named(troubled_thread, dest, form):
    portal = Portal(troubled_thread.site(), troubled_thread.site("localhost"), form=form)
    assert (await run([portal.guarded("a")], dest, retry=AT_ONCE)).exit_code in (4, 5)
    message = Mirrored(dest).errors[0]["error"]["message"]
    assert "login" in message and "localhost" in message and "--netrc" in message
    assert not [seen for seen in portal.login.log if "authorization" in seen.headers]


async def test_a_wall_that_no_cookie_opens_is_named(troubled_thread, dest):
    site = troubled_thread.site()
    site.route("/same.tif", lambda seen: moved("/same.tif", "id=1; Path=/"))
    site.route("/new.tif", lambda seen: moved("/new.tif", f"id={site.count('/new.tif')}; Path=/"))
    items = [stac_item(name, data=site.url(f"/{name}.tif")) for name in ("same", "new")]
    assert (await run(items, dest)).exit_code == 4
    assert Mirrored(dest).failed == {"same": "redirect-loop", "new": "redirect-loop"}
    assert all("cookie" in row["error"]["message"] for row in Mirrored(dest).errors)
    assert site.count("/same.tif") == 2 and site.count("/new.tif") <= 13


async def test_a_password_that_is_refused_is_sent_to_the_login_host_once(portal, logged_in, netrc, dest):
    netrc.write_text("machine localhost login u password wrong\n")
    items = [portal.guarded(name) for name in "abc"]
    assert (await run(items, dest, concurrency=1, **logged_in)).exit_code == 4
    told = [seen for seen in portal.login.log if "authorization" in seen.headers]
    assert len(told) == 1 and len(Mirrored(dest).failed) == 3
    assert all("netrc" in row["error"]["message"] for row in Mirrored(dest).errors)


async def test_the_login_of_a_catalogue_is_not_followed_but_named(portal, logged_in, dest):
    portal.data.route("/c.json", lambda seen: moved("/c.json", "id=1; Path=/"))
    with pytest.raises(MlhubError, match="sets a cookie, which is kept for assets only: a login is needed"):
        await run(portal.data.url("/c.json"), dest, **logged_in)
    assert not [seen for seen in portal.data.log if "cookie" in seen.headers]


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_no_cookie_and_no_password_is_written_printed_or_told_to_another(
    run_cli, portal, netrc, troubled_thread, dest, transport
):
    """A canary in the password, the cookies and the code: nowhere but where they belong."""
    data, login, store = portal.data, portal.login, troubled_thread.site("localhost")
    failing = portal.guarded("failing", Reply(404, [("Set-Cookie", f"x={CANARY}")], CANARY.encode()))
    broken = portal.guarded("broken", Reply(200, [("Content-Type", "text/html")], PAGE))
    away = portal.guarded("away", moved(store.put("/x.tif", body_of("x")), f"y={CANARY}; Domain=localhost"))
    plain = data.put("/plain.tif", tif(500), headers=[("Set-Cookie", f"z={CANARY}")])
    lost = data.route("/lost.tif", lambda _: moved("http://x.invalid/", f"q={CANARY}"))
    items = [*map(portal.guarded, "abc"), failing, broken, away]
    items += [stac_item("plain", data=plain), stac_item("lost", data=lost)]
    words = ["--netrc", "--allow-origin", login.origin, "--allow-private", "-R", 0, "--transport", transport]
    environ = {"NETRC": str(netrc), "PYTHONASYNCIODEBUG": "1"}
    url = static_catalog(data, items)
    ended = run_cli("mirror", url, dest, *words, "-vvv", "--json", env=environ)
    assert len(Mirrored(dest).files) == 5, ended.err
    assert CANARY not in ended.out + ended.err
    assert [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in str(store.log) and PASSWORD not in str(data.log) and SESSION not in str(login.log)
    assert STATE not in str(data.log) and BASIC not in str(data.log) and BASIC in str(login.log)
    others = [*data.requests["/plain.tif"], *data.requests["/static/catalog.json"]]
    assert len(others) >= 2 and not [seen for seen in others if "cookie" in seen.headers]
    for command in ("status", "verify"):
        looked = run_cli(command, dest)
        assert CANARY not in looked.out + looked.err
