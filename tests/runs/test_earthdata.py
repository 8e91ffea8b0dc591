"""Files of NASA Earthdata: a token as a bearer, or the redirects and the cookie of Earthdata Login.

Three hosts, as there: one that has the data, Earthdata Login, and the store that the first one redirects to
by signed URLs.
"""

import base64
import re

import pytest

from mlhub_async import mirror
from mlhub_async.core.errors import MlhubError
from support.engine import AT_ONCE, make_options
from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import tif
from support.stac_server import stac_item, static_catalog
from support.wire_format import Reply

TOKEN, SESSION, PASSWORD = f"eyJ.{CANARY}", f"session-{CANARY}", f"pw-{CANARY}"
BASIC = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
BODY = tif(3000)


class Earthdata:
    """`takes_tokens`: the data host lets in who has the token; else Earthdata Login has to."""

    def __init__(self, data, login, store, *, takes_tokens=True):
        self.data, self.login, self.store = data, login, store
        self.takes_tokens = takes_tokens
        self.valid = {TOKEN}
        login.route("/oauth/authorize", self._authorize)
        login.route("/api/users/find_or_create_token", self._token)
        data.route("/login", self._logged_in)

    def file(self, name):
        path = f"/protected/{name}.tif"
        self.store.route(f"/{name}.tif", self._stored)

        def answer(seen):
            bearer = seen.headers.get("authorization", "").removeprefix("Bearer ")
            if (self.takes_tokens and bearer in self.valid) or SESSION in seen.headers.get("cookie", ""):
                return Reply(
                    303, [("Location", self.store.url(f"/{name}.tif?A-userid=me&Signature={CANARY}"))]
                )
            back = f"/oauth/authorize?client_id=x&state={path}"
            return Reply(302, [("Location", self.login.url(back)), ("Set-Cookie", "visit=1; Path=/")])

        return stac_item(name, data=self.data.route(path, answer))

    def _stored(self, seen):
        """A store takes one kind of authentication: with a second one it refuses the request."""
        if "authorization" in seen.headers or "cookie" in seen.headers:
            return Reply(400, [], b"<Error><Code>InvalidArgument</Code></Error>")
        return Reply(200, [("Content-Type", "image/tiff"), ("ETag", '"1"')], BODY)

    def _authorize(self, seen):
        given = seen.headers.get("authorization", "")
        if given == BASIC or given.removeprefix("Bearer ") in self.valid:
            state = re.search(r"state=([^&]+)", seen.query)[1]
            return Reply(302, [("Location", self.data.url(f"/login?code={CANARY}&state={state}"))])
        return Reply(401, [("WWW-Authenticate", 'Basic realm="Please enter your Earthdata Login"')], b"no")

    def _logged_in(self, seen):
        cookie = ("Set-Cookie", f"session={SESSION}; Path=/; HttpOnly")
        return Reply(302, [("Location", re.search(r"state=([^&]+)", seen.query)[1]), cookie])

    def _token(self, seen):
        if seen.headers.get("authorization") != BASIC or seen.method != "POST":
            return Reply(401, [], b'{"error": "invalid_credentials"}')
        body = f'{{"access_token": "{TOKEN}", "token_type": "Bearer", "expiration_date": "10/20/2030"}}'
        return Reply(200, [("Content-Type", "application/json")], body.encode())


@pytest.fixture
def edl(troubled_thread):
    return Earthdata(*(troubled_thread.site("localhost") for _ in range(3)))


def words(edl):
    return [f"{site.origin}=earthdata" for site in (edl.data, edl.login)]


async def run(edl, dest, environ, **options):
    items = [edl.file(name) for name in ("a", "b", "c")]
    options = {
        "retry": AT_ONCE,
        "allow_private": True,
        "concurrency": 1,
        "auth": tuple(words(edl)),
        **options,
    }
    environ = {"EARTHDATA_LOGIN_URL": edl.login.origin, **environ}
    return await mirror(items, dest, make_options(**options), environ=environ)


@pytest.mark.parametrize("variable", ["EARTHDATA_TOKEN", "EARTHDATA_PAT"])
async def test_a_token_opens_the_files_without_a_login_and_without_a_cookie(edl, dest, variable):
    report = await run(edl, dest, {variable: TOKEN})
    assert report.exit_code == 0, Mirrored(dest).errors
    assert all(Mirrored(dest).bytes_of(name) == BODY for name in "abc")
    assert (len(edl.data.log), len(edl.login.log), len(edl.store.log)) == (3, 0, 3)
    assert not [seen for site in (edl.data, edl.store) for seen in site.log if "cookie" in seen.headers]
    assert TOKEN not in str(edl.store.log)


async def test_user_and_password_get_one_token_for_all(edl, dest):
    report = await run(edl, dest, {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": PASSWORD})
    assert report.exit_code == 0, Mirrored(dest).errors
    assert [seen.path for seen in edl.login.log] == ["/api/users/find_or_create_token"]


async def test_a_host_that_leaves_tokens_to_the_login_host(edl, dest):
    """The data host sends every request there; the token opens it, and a cookie comes of it."""
    edl.takes_tokens = False
    report = await run(edl, dest, {"EARTHDATA_TOKEN": TOKEN})
    assert report.exit_code == 0, Mirrored(dest).errors
    assert edl.login.count("/oauth/authorize") == 1, "one login for all"
    assert TOKEN not in str(edl.store.log) and SESSION not in str(edl.login.log)


async def test_by_netrc_the_redirects_lead_to_the_login_host_and_back_with_a_cookie(edl, dest, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login me password {PASSWORD}\n")
    netrc.chmod(0o600)
    options = {"auth": (), "netrc": True, "allow_origins": (edl.login.origin,)}
    report = await run(edl, dest, {"NETRC": str(netrc)}, **options)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert edl.login.count("/oauth/authorize") == 1, "one login for all"
    assert BASIC not in str(edl.data.log) + str(edl.store.log)


@pytest.mark.parametrize("takes_tokens", [True, False])
async def test_a_token_that_has_ended_is_named_by_its_variable(edl, dest, takes_tokens):
    edl.takes_tokens, edl.valid = takes_tokens, set()
    try:
        report = await run(edl, dest, {"EARTHDATA_TOKEN": TOKEN})
        assert report.exit_code == 4
    except MlhubError as error:
        assert error.exit_code == 3
    message = Mirrored(dest).errors[0]["error"]["message"]
    assert "EARTHDATA_TOKEN" in message and "localhost" in message and CANARY not in message


async def test_a_login_that_is_refused_is_sent_once(edl, dest):
    environ = {"EARTHDATA_USERNAME": "me", "EARTHDATA_PASSWORD": f"wrong-{CANARY}"}
    try:
        await run(edl, dest, environ)
    except MlhubError as error:
        assert error.exit_code == 3
    assert edl.login.count("/api/users/find_or_create_token") == 1 and edl.data.log == []
    message = Mirrored(dest).errors[0]["error"]["message"]
    assert "check EARTHDATA_USERNAME and EARTHDATA_PASSWORD" in message and CANARY not in message


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"EARTHDATA_USERNAME": "me"}, "EARTHDATA_USERNAME is set, but not EARTHDATA_PASSWORD"),
        ({"EARTHDATA_PASSWORD": "x"}, "EARTHDATA_PASSWORD is set, but not EARTHDATA_USERNAME"),
        ({"EARTHDATA_TOKEN": "x\ny"}, "EARTHDATA_TOKEN contains a line break"),
        ({"EARTHDATA_TOKEN": "x", "EARTHDATA_LOGIN_URL": "urs"}, "EARTHDATA_LOGIN_URL"),
        ({}, "there are no credentials for this scheme"),
    ],
)
async def test_variables_that_cannot_be_used_are_a_usage_error(edl, dest, environ, said):
    with pytest.raises(MlhubError, match=said) as caught:
        await run(edl, dest, environ)
    assert caught.value.exit_code == 2 and edl.data.log == []


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
@pytest.mark.parametrize("takes_tokens", [True, False])
def test_no_token_and_no_cookie_is_written_printed_or_told_to_another(
    run_cli, edl, site, dest, transport, takes_tokens
):
    edl.takes_tokens = takes_tokens
    items = [edl.file("a"), edl.file("b"), stac_item("other", data=site.put("/other.tif", BODY))]
    items += [stac_item("lost", data=edl.data.put("/lost.tif", b"", status=404))]
    environ = {"EARTHDATA_TOKEN": TOKEN, "EARTHDATA_LOGIN_URL": edl.login.origin, "PYTHONASYNCIODEBUG": "1"}
    given = [word for one in words(edl) for word in ("--auth", one)]
    given += ["--allow-private", "-R", 0, "--transport", transport, "-vvv", "--json"]
    ended = run_cli("mirror", static_catalog(site, items), dest, *given, env=environ)
    assert ended.code == 4 and len(Mirrored(dest).files) == 3, ended.err
    found = [path for path in dest.rglob("*") if CANARY in str(path)]
    found += [one for one in dest.rglob("*") if one.is_file() and CANARY.encode() in one.read_bytes()]
    assert found == [] and CANARY not in ended.out + ended.err
    assert CANARY not in str(site.log) and TOKEN not in str(edl.store.log)
    for command in ("status", "verify"):
        looked = run_cli(command, dest, env=environ)
        assert CANARY not in looked.out + looked.err
