"""Authentication schemes that a catalogue names: credentials go where it says, and to nobody else."""

import json
from urllib.parse import parse_qsl

import pytest

from mlhub_async import mirror
from support.engine import AT_ONCE, make_options
from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import tif
from support.stac_server import stac_item
from support.token_servers import CLIENT, CLIENT_SECRET, PASSWORD, USER, TokenEndpoint
from support.wire_format import Ask, Reply, Thing, content

BODY = tif(900)
ALONE = {"MLHUB_OAUTH2_CLIENT_ID": CLIENT, "MLHUB_OAUTH2_CLIENT_SECRET": CLIENT_SECRET}
LOGIN = {"MLHUB_OAUTH2_CLIENT_ID": CLIENT, "MLHUB_OAUTH2_USERNAME": USER, "MLHUB_OAUTH2_PASSWORD": PASSWORD}
KEYS = {
    **ALONE,
    "EARTHDATA_TOKEN": CANARY,
    "CDSE_USERNAME": CANARY,
    "CDSE_PASSWORD": CANARY,
    "AWS_ACCESS_KEY_ID": CANARY,
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "MLHUB_API_KEY": CANARY,
    "HF_TOKEN": CANARY,
}
"""Everything that a user may have."""


def needs(href, *refs):
    return {"href": href, "auth:refs": list(refs)}


def listed(site, scheme, *items):
    """A list of items at SOURCE, all with one scheme by the name `x`."""
    for one in items:
        one["properties"]["auth:schemes"] = {"x": scheme}
    return site.json("/items.json", {"type": "FeatureCollection", "features": list(items)})


async def run(source, dest, environ=None, **options):
    options = {"retry": AT_ONCE, "allow_private": True, **options}
    return await mirror(source, dest, make_options(**options), environ=environ or {})


def guarded(site, path, lets_in):
    def answer(seen):
        if lets_in(seen):
            return Reply(200, [("Content-Type", "image/tiff")], BODY)
        return Reply(401, [], b'{"detail": "not allowed"}')

    return site.route(path, answer)


PLACES = [
    ({"in": "header", "name": "x-api-key"}, lambda seen: seen.headers.get("x-api-key") == CANARY),
    ({"in": "query", "name": "token"}, lambda seen: seen.query == f"token={CANARY}"),
    ({"in": "cookie", "name": "sid"}, lambda seen: seen.headers.get("cookie") == f"sid={CANARY}"),
    ({"in": "header", "name": "Host"}, lambda seen: seen.query == f"key={CANARY}"),
    ({"in": "header", "name": "a\r\nb"}, lambda seen: seen.query == f"key={CANARY}"),
    ({"in": "path", "name": "k"}, lambda seen: seen.query == f"key={CANARY}"),
    ({}, lambda seen: seen.query == f"key={CANARY}"),
]


@pytest.mark.parametrize(("place", "lets_in"), PLACES)
async def test_an_api_key_goes_where_the_catalogue_says(site, dest, place, lets_in):
    item = stac_item("one", data=needs(guarded(site, "/a.tif", lets_in), "x"))
    report = await run(listed(site, {"type": "apiKey", **place}, item), dest, api_key=CANARY)
    assert report.exit_code == 0, Mirrored(dest).errors
    asked = site.requests["/a.tif"][-1]
    assert str(asked).count(CANARY) == 1, "in one place only"


async def test_an_api_key_goes_to_links_where_the_catalogue_says(site, dest):
    def lets_in(seen):
        return seen.headers.get("x-api-key") == CANARY and "key=" not in seen.query

    item = json.dumps(stac_item("one", None, data=site.put("/a.tif", BODY))).encode()
    site.route("/i.json", lambda seen: Reply(200, [], item) if lets_in(seen) else Reply(401))
    links = [{"rel": "item", "href": "./i.json", "auth:refs": ["k"]}]
    scheme = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    catalog = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "-", "links": links}
    url = site.json("/catalog.json", {**catalog, "auth:schemes": {"k": scheme}})
    assert (await run(url, dest, api_key=CANARY)).exit_code == 0


@pytest.mark.parametrize("kind", ["oauth2", "openIdConnect", "direct"])
async def test_a_token_is_got_where_the_catalogue_says(site, dest, kind):
    """`direct`: without the name of a flow, as in the example of version 1.0.0."""
    endpoint = TokenEndpoint(site)
    discovery = site.json("/.well-known/openid-configuration", {"token_endpoint": endpoint.url})
    scheme = {
        "oauth2": {
            "type": "oauth2",
            "flows": {
                "authorizationCode": {"tokenUrl": "https://x.invalid/t", "scopes": {}},
                "clientCredentials": {"tokenUrl": endpoint.url, "scopes": {}},
            },
        },
        "openIdConnect": {"type": "openIdConnect", "openIdConnectUrl": discovery},
        "direct": {"type": "oauth2", "flows": {"tokenUrl": endpoint.url, "scopes": {}}},
    }[kind]
    items = [stac_item(name, data=needs(endpoint.guard(site, f"/{name}.tif", BODY), "x")) for name in "abc"]
    report = await run(listed(site, scheme, *items), dest, ALONE, concurrency=2)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert len(endpoint.asked) == 1
    assert len(site.requests["/.well-known/openid-configuration"]) == (kind == "openIdConnect")


@pytest.mark.parametrize("kind", ["oauth2", "openIdConnect", "discovered"])
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_login_elsewhere_needs_the_users_word(site, dest, troubled_thread, kind, allowed):
    elsewhere = troubled_thread.site("localhost")
    endpoint = TokenEndpoint(elsewhere)
    home = site if kind == "discovered" else elsewhere
    discovery = home.json("/.well-known/openid-configuration", {"token_endpoint": endpoint.url})
    scheme = {"type": "openIdConnect", "openIdConnectUrl": discovery}
    if kind == "oauth2":
        scheme = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": endpoint.url}}}
    item = stac_item("one", data=needs(endpoint.guard(site, "/a.tif", BODY), "x"))
    options = {"allow_origins": (elsewhere.origin,)} if allowed else {}
    report = await run(listed(site, scheme, item), dest, ALONE, **options)
    if allowed:
        assert report.exit_code == 0, Mirrored(dest).errors
        return
    assert report.exit_code == 4 and CANARY not in str(elsewhere.log + site.log) and endpoint.asked == []
    assert f"--allow-origin {elsewhere.origin}" in Mirrored(dest).errors[0]["error"]["message"]


async def test_a_token_is_for_source_and_for_hosts_that_auth_names_only(site, dest, troubled_thread):
    data = troubled_thread.site("localhost")
    endpoint = TokenEndpoint(site)
    scheme = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": endpoint.url, "scopes": {}}}}
    item = stac_item("one", data=needs(endpoint.guard(data, "/a.tif", BODY), "x"))
    url = listed(site, scheme, item)
    report = await run(url, dest, ALONE)
    assert report.exit_code == 4 and endpoint.asked == [] and CANARY not in str(data.log)
    message = Mirrored(dest).errors[0]["error"]["message"]
    assert f"--auth {data.origin}=oauth2" in message and "'x' (oauth2)" in message
    report = await run(url, dest, ALONE, auth=(f"{data.origin}=oauth2",))
    assert report.exit_code == 0, Mirrored(dest).errors


UNKNOWN = [
    ({"type": "planetaryComputer"}, "'x' (planetaryComputer): a scheme that this program does not know"),
    ({"type": "http", "scheme": "digest"}, "'x' (http digest): a scheme that this program does not know"),
    ({"type": "http", "scheme": "Basic"}, "'x' (http basic): add 127.0.0.1 to ~/.netrc, and give --netrc"),
    ({"type": "http", "scheme": "bearer"}, "Authorization: Bearer ...'"),
    ({"type": "s3"}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ({"type": "apiKey", "in": "header", "name": "x-k"}, "give --api-key"),
    ({"type": "\x1b[31m"}, r"'x' (\x1b[31m): a scheme"),
    ({"type": 5}, "'x' (which it does not describe)"),
    ("nonsense", "'x' (which it does not describe)"),
]


@pytest.mark.parametrize(("scheme", "said"), UNKNOWN)
async def test_what_a_file_needs_is_told_in_its_error_and_in_the_receipt(site, dest, scheme, said):
    items = [
        stac_item(name, data=needs(guarded(site, f"/{name}.tif", lambda seen: False), "x")) for name in "ab"
    ]
    open_to_all = stac_item("open", data=needs(site.put("/open.tif", BODY), "x"))
    report = await run(listed(site, scheme, *items, open_to_all), dest)
    assert report.exit_code == 4
    assert Mirrored(dest).bytes_of("open") == BODY, "it is tried without"
    assert said in Mirrored(dest).errors[0]["error"]["message"]
    (told,) = Mirrored(dest).receipt["authentication"].items()
    assert said in told[0] and told[1] == 2


def hostile(site, evil):
    """Items of a catalogue that names everything that might send a secret to another origin than its own."""
    token = evil.put("/token", b'{"access_token": "x"}', content_type="application/json")
    discovery = evil.json("/.well-known/openid-configuration", {"token_endpoint": token})
    schemes = {
        "flow": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": token, "scopes": {}}}},
        "oidc": {"type": "openIdConnect", "openIdConnectUrl": discovery},
        "signed": {
            "type": "signedUrl",
            "flows": {"authorizationCode": {"authorizationApi": evil.url("/sign"), "method": "POST"}},
        },
        "key": {"type": "apiKey", "in": "header", "name": "X-Steal"},
        "basic": {"type": "http", "scheme": "basic"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "s3": {"type": "s3"},
        "copernicus": {
            "type": "openIdConnect",
            "openIdConnectUrl": "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/"
            ".well-known/openid-configuration",
        },
    }
    items = []
    for name in schemes:
        for number, host in enumerate((site, evil)):
            href = guarded(host, f"/{name}.tif", lambda seen: False)
            items.append(stac_item(f"{name}{number}", data=needs(href, name)))
            items[-1]["properties"]["auth:schemes"] = schemes
    return items


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_a_hostile_catalogue_gets_no_key_sent_to_another_origin(
    run_cli, site, dest, troubled_thread, tmp_path, transport
):
    """SOURCE gets what the user gives for it (--api-key); the other origin gets nothing at all."""
    evil = troubled_thread.site("localhost")
    url = site.json("/items.json", {"type": "FeatureCollection", "features": hostile(site, evil)})
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine data.test login me password {CANARY}\n")
    netrc.chmod(0o600)
    words = ["--api-key", CANARY, "--netrc", "--allow-private", "-R", 0, "--transport", transport]
    environ = {**KEYS, "NETRC": str(netrc), "PYTHONASYNCIODEBUG": "1"}
    ended = run_cli("mirror", url, dest, *words, "-vvv", "--json", env=environ)
    assert ended.code in (3, 4), ended.err
    assert evil.log and CANARY not in str(evil.log) and "client" not in str(evil.log)
    assert not {seen.path for seen in evil.log} & {"/token", "/sign", "/.well-known/openid-configuration"}
    assert {name for seen in site.log for name, value in seen.headers.items() if CANARY in value} == {
        "x-steal"
    }
    found = [path for path in dest.rglob("*") if CANARY in str(path)]
    found += [one for one in dest.rglob("*") if one.is_file() and CANARY.encode() in one.read_bytes()]
    assert found == [] and CANARY not in ended.out + ended.err
    messages = [row["error"]["message"] for row in Mirrored(dest).errors if row["item"]]
    assert any(evil.origin in message and "--allow-origin" in message for message in messages)


def test_the_user_is_told_once_what_the_files_need(run_cli, site, dest):
    items = [
        stac_item(f"i{n}", data=needs(guarded(site, f"/{n}.tif", lambda seen: False), "x")) for n in range(8)
    ]
    ended = run_cli("mirror", listed(site, {"type": "s3"}, *items), dest, "--allow-private")
    assert ended.code == 4
    assert "8 assets need a login: 'x' (s3): set AWS_ACCESS_KEY_ID" in ended.err


class SigningApi:
    """An API that signs URLs, and the files that only a URL with one of its valid signatures opens."""

    def __init__(self, api, data):
        self.api, self.data = api, data
        self.asked = []
        self.valid = set()
        self.answer = None
        self.url = api.route("/sign", self._sign)

    def _sign(self, seen):
        self.asked.append(seen)
        told = json.loads(seen.body) if seen.body else dict(parse_qsl(seen.query))
        if self.answer is not None:
            return self.answer
        signature = f"sig={CANARY}{len(self.asked)}"
        self.valid.add(signature)
        url = f"{told['url']}?{signature}&se=2030"
        return Reply(200, [("Content-Type", "application/json")], json.dumps({"signed": url}).encode())

    def scheme(self, place="body", **more):
        flow = {
            "authorizationApi": self.url,
            "method": "POST" if place == "body" else "GET",
            "parameters": {
                "url": {"in": place, "required": True},
                "Authorization": {"in": "header", "required": "true"},
                "duration": {"in": "query", "required": False},
            },
            "responseField": "signed",
            **more,
        }
        return {"type": "signedUrl", "flows": {"authorizationCode": flow}}

    def file(self, path, body, after=None):
        thing = Thing(body, content_type="image/tiff", etag=f'"{len(body)}"')

        def answer(seen):
            if seen.query.partition("&")[0] not in self.valid:
                return Reply(403, [], b"<Error><Code>AuthenticationFailed</Code></Error>")
            reply = content(Ask(dict(seen.headers), thing))
            if after is not None:
                after(reply)
            return reply

        return self.data.route(path, answer)


@pytest.fixture
def signing(site, troubled_thread):
    return SigningApi(site, troubled_thread.site("localhost"))


@pytest.mark.parametrize("place", ["body", "query"])
async def test_a_url_is_signed_by_the_api_that_the_catalogue_names(site, dest, signing, place):
    item = stac_item("one", data=needs(signing.file("/a.tif", BODY), "x"))
    report = await run(listed(site, signing.scheme(place), item), dest, api_token=CANARY)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert len(signing.asked) == 1 and len(signing.data.log) == 1, "signed before it was asked for"
    assert signing.asked[0].headers["authorization"] == f"Bearer {CANARY}", "as to any URL of SOURCE"
    assert "authorization" not in signing.data.log[0].headers


async def test_a_signature_that_ends_inside_a_file_is_renewed_and_the_file_goes_on(site, dest, signing):
    body, answers = tif(300_000), []

    def break_off(reply):
        answers.append((reply.status, len(reply.body)))
        if len(answers) == 1:
            signing.valid.clear()
            reply.cut, reply.ending = 100_000, "close"

    item = stac_item("one", data=needs(signing.file("/a.tif", body, break_off), "x"))
    report = await run(listed(site, signing.scheme(), item), dest)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert Mirrored(dest).bytes_of("one") == body
    assert [status for status, _ in answers] == [200, 206] and answers[1][1] < len(body)
    assert len(signing.asked) == 2


BAD_ANSWERS = [
    Reply(200, [], b"[]"),
    Reply(200, [], b'{"signed": 5}'),
    Reply(200, [], b'{"signed": "file:///etc/passwd"}'),
    Reply(200, [], b'{"other": "https://x.test/"}'),
    Reply(404, [], b"{}"),
    Reply(401, [], b"{}"),
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
async def test_an_api_that_signs_nothing_is_named(site, dest, signing, answer):
    signing.answer = answer
    item = stac_item("one", data=needs(signing.file("/a.tif", BODY), "x"))
    report = await run(listed(site, signing.scheme(), item), dest)
    assert report.exit_code == 4 and signing.url in Mirrored(dest).errors[0]["error"]["message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"method": "DELETE"}, "it wants the method DELETE"),
        ({"parameters": {"user": {"in": "query", "required": True}}}, "it wants the parameter user"),
        ({"parameters": {"bucket": {"in": "body", "required": True}}}, "it wants the parameter bucket"),
        ({"parameters": {}}, "nothing says how it is told the address"),
        ({"parameters": {"url": {"in": "cookie"}}}, "nothing says how it is told the address"),
    ],
)
async def test_an_api_that_wants_something_else_is_named(site, dest, signing, more, said):
    item = stac_item("one", data=needs(signing.file("/a.tif", BODY), "x"))
    report = await run(listed(site, signing.scheme(**more), item), dest)
    assert report.exit_code == 4 and signing.asked == []
    assert said in Mirrored(dest).errors[0]["error"]["message"]


@pytest.mark.parametrize("allowed", [False, True])
async def test_an_api_elsewhere_is_asked_only_by_the_users_word(site, dest, troubled_thread, allowed):
    elsewhere = troubled_thread.site("localhost")
    signing = SigningApi(elsewhere, troubled_thread.site("localhost"))
    item = stac_item("one", data=needs(signing.file("/a.tif", BODY), "x"))
    options = {"allow_origins": (elsewhere.origin,)} if allowed else {}
    report = await run(listed(site, signing.scheme(), item), dest, api_token=CANARY, **options)
    assert len(signing.asked) == allowed and "authorization" not in str(elsewhere.log)
    if not allowed:
        assert report.exit_code == 4
        assert f"--allow-origin {elsewhere.origin}" in Mirrored(dest).errors[0]["error"]["message"]


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_no_signature_is_written_or_printed(run_cli, site, dest, signing, transport):
    items = [stac_item("one", data=needs(signing.file("/a.tif", BODY), "x"))]
    items += [stac_item("lost", data=needs(signing.data.put("/lost.tif", b"", status=404), "x"))]
    words = ["--allow-private", "-R", 0, "--transport", transport, "-vvv", "--json"]
    ended = run_cli("mirror", listed(site, signing.scheme(), *items), dest, *words)
    assert ended.code == 4 and len(Mirrored(dest).files) == 1, ended.err
    found = [one for one in dest.rglob("*") if one.is_file() and CANARY.encode() in one.read_bytes()]
    assert found == [] and CANARY not in ended.out + ended.err
