"""Files behind access tokens of OAuth 2.0: whole runs against a token endpoint and a host that wants them."""

import json
import os
import stat
import time

import pytest

from mlhub_async import mirror
from mlhub_async.core.errors import AccessLost, MlhubError
from support.engine import AT_ONCE, make_options
from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import tif
from support.stac_server import stac_item, static_catalog
from support.token_servers import CLIENT, CLIENT_SECRET, PASSWORD, USER, TokenEndpoint

LOGIN = {"CLIENT_ID": CLIENT, "USERNAME": USER, "PASSWORD": PASSWORD}
ALONE = {"CLIENT_ID": CLIENT, "CLIENT_SECRET": CLIENT_SECRET}


def variables(endpoint, given, prefix="MLHUB_OAUTH2"):
    return {f"{prefix}_{name}": value for name, value in {**given, "TOKEN_URL": endpoint.url}.items()}


@pytest.fixture
def endpoint(troubled_thread):
    return TokenEndpoint(troubled_thread.site())


@pytest.fixture
def data(troubled_thread):
    return troubled_thread.site("localhost")


async def run(source, dest, data, environ, **options):
    options = {"retry": AT_ONCE, "allow_private": True, "auth": (f"{data.origin}=oauth2",), **options}
    return await mirror(source, dest, make_options(**options), environ=environ)


@pytest.mark.parametrize("given", [LOGIN, ALONE, {**LOGIN, **ALONE}])
async def test_one_token_is_asked_for_and_opens_all_files(site, endpoint, data, dest, given):
    names = [f"i{number}" for number in range(40)]
    items = [stac_item(name, data=endpoint.guard(data, f"/{name}.tif", tif(900))) for name in names]
    report = await run(static_catalog(site, items), dest, data, variables(endpoint, given), concurrency=8)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert len(endpoint.asked) == 1 and len(data.log) == 40, "no file was asked for without a token"
    kind = "password" if given != ALONE else "client_credentials"
    assert endpoint.asked[0]["grant_type"] == kind


async def test_a_token_that_ends_inside_a_file_is_renewed_once_and_the_file_goes_on(
    site, endpoint, data, dest
):
    body, answers = tif(300_000), []

    def break_off(reply):
        answers.append((reply.status, len(reply.body)))
        if len(answers) == 1:
            endpoint.valid.clear()
            reply.cut, reply.ending = 100_000, "close"

    items = [stac_item("one", data=endpoint.guard(data, "/one.tif", body, after=break_off))]
    report = await run(static_catalog(site, items), dest, data, variables(endpoint, LOGIN))
    assert report.exit_code == 0, Mirrored(dest).errors
    assert Mirrored(dest).bytes_of("one") == body
    assert [form["grant_type"] for form in endpoint.asked] == ["password", "refresh_token"]
    statuses = [status for status, _ in answers]
    assert statuses == [200, 206] and answers[1][1] < len(body), "the file went on where it was"
    assert len(data.log) == 3, "one request more"


async def test_where_the_refresh_token_has_ended_the_login_is_used_again(site, endpoint, data, dest):
    answers = []

    def once(reply):
        answers.append(reply.status)
        if len(answers) == 1:
            endpoint.valid.clear()
            endpoint.refresh.clear()

    items = [
        stac_item(name, data=endpoint.guard(data, f"/{name}.tif", tif(900), after=once)) for name in "ab"
    ]
    report = await run(static_catalog(site, items), dest, data, variables(endpoint, LOGIN), concurrency=1)
    assert report.exit_code == 0, Mirrored(dest).errors
    assert [form["grant_type"] for form in endpoint.asked] == ["password", "refresh_token", "password"]


REFUSALS = [
    (400, {"error": "invalid_grant", "error_description": f"bad {PASSWORD}", "detail": f"bad {PASSWORD}"}),
    (401, {"error": "invalid_client"}),
    (403, {"error": "sessions"}),
    (200, {"token_type": "Bearer"}),
    (200, {"access_token": f"{CANARY}\r\nX: y"}),
    (200, {"access_token": CANARY, "token_type": "mac"}),
    (200, [CANARY]),
]


@pytest.mark.parametrize("refused", REFUSALS)
async def test_a_login_that_is_refused_is_not_sent_again(site, endpoint, data, dest, refused):
    endpoint.refused = refused
    names = [f"i{number}" for number in range(30)]
    items = [stac_item(name, data=endpoint.guard(data, f"/{name}.tif", tif(900))) for name in names]
    try:
        await run(static_catalog(site, items), dest, data, variables(endpoint, LOGIN), concurrency=4)
    except MlhubError as error:
        assert error.exit_code == 3
    assert len(endpoint.asked) == 1 and data.log == []
    rows = Mirrored(dest).errors
    assert rows and all("MLHUB_OAUTH2_PASSWORD" in row["error"]["message"] for row in rows[:1])
    assert CANARY not in str(rows)


async def test_a_login_that_is_refused_ends_the_run_as_a_key_does(site, endpoint, data, dest):
    endpoint.refused = REFUSALS[0]
    names = [f"i{number:03}" for number in range(300)]
    items = [stac_item(name, data=endpoint.guard(data, f"/{name}.tif", tif(900))) for name in names]
    with pytest.raises(AccessLost, match="renew the key or login") as found:
        await run(static_catalog(site, items), dest, data, variables(endpoint, LOGIN), concurrency=4)
    message = found.value.message
    assert "HTTP 400 (bad ***)" in message and "check MLHUB_OAUTH2_" in message and CANARY not in message
    Mirrored(dest).check(3)
    assert len(endpoint.asked) == 1 and data.log == []


async def test_a_token_endpoint_that_fails_for_a_while_is_asked_again(site, endpoint, data, dest):
    endpoint.refused = (503, {"error": "temporarily_unavailable"})
    answer = endpoint._answer

    def recover(seen):
        reply = answer(seen)
        if len(endpoint.asked) == 2:
            endpoint.refused = None
        return reply

    endpoint.site.route("/realms/r/token", recover)
    items = [stac_item("one", data=endpoint.guard(data, "/one.tif", tif(900)))]
    report = await run(static_catalog(site, items), dest, data, variables(endpoint, LOGIN))
    assert report.exit_code == 0 and len(endpoint.asked) == 3


async def test_the_login_does_not_follow_a_redirect_to_another_origin(
    site, endpoint, data, dest, troubled_thread
):
    thief = troubled_thread.site("localhost")
    thief.put("/token", b"{}")
    endpoint.site.redirect("/moved", thief.url("/token"), code=307)
    items = [stac_item("one", data=endpoint.guard(data, "/one.tif", tif(900)))]
    environ = {**variables(endpoint, LOGIN), "MLHUB_OAUTH2_TOKEN_URL": endpoint.site.url("/moved")}
    try:
        report = await run(static_catalog(site, items), dest, data, environ)
        assert report.exit_code in (3, 4)
    except MlhubError as error:
        assert error.exit_code == 3
    assert thief.log == [] and "redirect" in str(Mirrored(dest).errors)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MLHUB_OAUTH2_CLIENT_ID": "c", "MLHUB_OAUTH2_USERNAME": "u"}, "but not MLHUB_OAUTH2_PASSWORD"),
        ({"MLHUB_OAUTH2_CLIENT_ID": "c"}, "but not MLHUB_OAUTH2_CLIENT_SECRET"),
        ({"MLHUB_OAUTH2_SCOPE": "s"}, "but neither MLHUB_OAUTH2_USERNAME"),
        ({"MLHUB_OAUTH2_REFRESH_TOKEN": "r"}, "but not MLHUB_OAUTH2_CLIENT_ID"),
        ({"MLHUB_OAUTH2_CLIENT_ID": "c\nd"}, "MLHUB_OAUTH2_CLIENT_ID contains a line break"),
        (
            {f"MLHUB_OAUTH2_{name}": value for name, value in {**ALONE, "TOKEN_URL": "x"}.items()},
            "MLHUB_OAUTH2_TOKEN_URL",
        ),
        ({}, "there are no credentials for this scheme"),
    ],
)
async def test_variables_that_cannot_be_used_are_a_usage_error(site, data, dest, environ, said):
    with pytest.raises(MlhubError, match=said) as caught:
        await run(
            site.json("/items.json", {"type": "FeatureCollection", "features": []}), dest, data, environ
        )
    assert caught.value.exit_code == 2 and site.log == []


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_no_login_and_no_token_is_written_printed_or_told_to_another(
    run_cli, site, endpoint, data, dest, transport
):
    body, breaks = tif(200_000), []

    def once(reply):
        breaks.append(reply)
        if len(breaks) == 1:
            endpoint.valid.clear()
            reply.cut, reply.ending = 90_000, "close"

    items = [
        stac_item("good", data=endpoint.guard(data, "/good.tif", body, after=once)),
        stac_item("lost", data=data.put("/lost.tif", b"", status=404)),
        stac_item("away", data=data.redirect("/away.tif", site.put("/away.bytes", tif(900)))),
        stac_item("other", data=site.put("/other.tif", tif(900))),
    ]
    words = ["--auth", f"{data.origin}=oauth2", "--allow-private", "-R", 1, "--transport", transport]
    environ = {**variables(endpoint, LOGIN), "PYTHONASYNCIODEBUG": "1"}
    ended = run_cli("mirror", static_catalog(site, items), dest, *words, "-vvv", "--json", env=environ)
    assert ended.code == 4 and len(Mirrored(dest).files) == 3, ended.err
    found = [path for path in dest.rglob("*") if CANARY in str(path)]
    found += [one for one in dest.rglob("*") if one.is_file() and CANARY.encode() in one.read_bytes()]
    assert found == [] and CANARY not in ended.out + ended.err
    assert CANARY not in str(site.log) and PASSWORD not in str(data.log) and "refresh-" not in str(data.log)
    for command in (("status", dest), ("verify", dest), ("plan", static_catalog(site, items))):
        looked = run_cli(*command, *words[:3], env=environ)
        assert CANARY not in looked.out + looked.err


def kept_in(path):
    return json.loads(path.read_text())["tokens"]


async def test_a_token_is_kept_for_the_next_run_where_that_is_asked_for(site, endpoint, data, dest, tmp_path):
    file = tmp_path / "tokens.json"
    for number in range(3):
        item = stac_item(f"i{number}", data=endpoint.guard(data, f"/{number}.tif", tif(900)))
        source = static_catalog(site, [item])
        given = variables(endpoint, LOGIN)
        report = await run(source, dest / f"{number}", data, given, token_file=str(file))
        assert report.exit_code == 0
        assert len(endpoint.asked) == (1 if number < 2 else 2)
        if number == 1:
            endpoint.valid.clear()  # the next run finds it refused, and gets another one
    (row,) = kept_in(file)
    assert row["token"] in endpoint.valid and row["until"] > time.time() + 500
    written = file.read_text()
    assert not [one for one in (*LOGIN.values(), *endpoint.refresh) if one in written]
    assert os.name != "posix" or stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tokens")] == ["tokens.json"]
    kept = row["token"].encode()
    assert not [path for path in dest.rglob("*") if path.is_file() and kept in path.read_bytes()]


async def test_tokens_that_are_kept_are_used_only_for_the_same_login(site, endpoint, data, dest, tmp_path):
    file = str(tmp_path / "tokens.json")
    source = static_catalog(site, [stac_item("i", data=endpoint.guard(data, "/1.tif", tif(900)))])
    for number, given in enumerate((LOGIN, ALONE, {**LOGIN, "SCOPE": "read"})):
        report = await run(source, dest / f"{number}", data, variables(endpoint, given), token_file=file)
        assert (report.exit_code, len(endpoint.asked)) == (0, number + 1)
    assert len(kept_in(tmp_path / "tokens.json")) == 3


@pytest.mark.parametrize("body", ["{", "[]", '{"tokens": [1]}', '{"tokens": [{"until": 9e9, "owner": 1}]}'])
def test_a_file_that_is_no_token_file_is_named_and_stays(site, endpoint, data, run_cli, dest, tmp_path, body):
    file = tmp_path / "other.json"
    file.write_text(body)
    file.chmod(0o600)
    source = static_catalog(site, [stac_item("i", data=endpoint.guard(data, "/1.tif", tif(900)))])
    words = (
        "mirror",
        source,
        dest,
        "--allow-private",
        "--auth",
        f"{data.origin}=oauth2",
        "--token-file",
        file,
    )
    ran = run_cli(*words, env=variables(endpoint, LOGIN))
    assert ran.code == 2 and f"{file}: not written by this program" in ran.err, ran.err
    assert file.read_text() == body


@pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")
def test_a_token_file_that_others_may_read_is_refused(endpoint, data, run_cli, tmp_path):
    file = tmp_path / "tokens.json"
    file.write_text("{}")
    file.chmod(0o644)
    words = ("auth", "status", "--auth", f"{data.origin}=oauth2", "--token-file", file)
    ran = run_cli(*words, env=variables(endpoint, LOGIN))
    assert ran.code == 2 and "others may read it; chmod 600" in ran.out, ran.out
