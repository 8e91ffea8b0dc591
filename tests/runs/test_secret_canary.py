"""A canary in every place of a secret: no run writes it, and only the origin that it is for receives it."""

import re
import sys

import pytest

from support.mirrored import Mirrored, publish, wait_for
from support.one_request import CANARY
from support.server import Cut, Raw, Stall, Status, tif
from support.stac_server import Api, stac_item, static_catalog

BODY = tif(20_000)
WORDS = ["--api-key", CANARY, "-H", f"X-Api-Key: {CANARY}", "-H", f"Authorization: Bearer {CANARY}"]
SIGNED = f"?sv=2020&se=2030&sig={CANARY}"
QUOTED = f"<Error><Code>Denied</Code><Message>key {CANARY} is not right</Message></Error>".encode()
REASON = Raw(f"HTTP/1.1 403 no {CANARY}\r\nX-Key: {CANARY}\r\nContent-Length: 2\r\n\r\nno".encode())
FORGED = Raw(f"HTTP/1.1 {CANARY}\r\n{CANARY}\r\n\r\n".encode())


@pytest.fixture
def other(troubled_thread):
    return troubled_thread.site("localhost")


@pytest.fixture
def secure(troubled_thread, authority):
    return troubled_thread.site("localhost", authority.context())


def failing_items(site, other, secure):
    """Assets that fail, each in another way."""
    place = other.origin.removeprefix("http://")
    return [
        stac_item("unauthorized", data=site.put("/401.tif", always=[Status(401, body=QUOTED)]) + SIGNED),
        stac_item("forbidden", data=other.put("/403.tif", always=[Status(403, body=QUOTED)]) + SIGNED),
        stac_item("reason", data=other.put("/reason.tif", always=[REASON]) + SIGNED),
        stac_item("forged", data=other.put("/forged.tif", always=[FORGED]) + SIGNED),
        stac_item("short", data=other.put("/short.tif", BODY, always=[Cut(5)]) + SIGNED),
        stac_item("nowhere", data=f"https://no-such-host.invalid/x.tif{SIGNED}"),
        stac_item("refused", data=f"http://127.0.0.1:1/x.tif{SIGNED}"),
        stac_item("untrusted", data=secure.put("/tls.tif", BODY) + SIGNED),
        stac_item("user", data=f"http://user:{CANARY}@{place}/x.tif"),
        stac_item("ftp", data=f"ftp://user:{CANARY}@{place}/x.tif{SIGNED}"),
        stac_item("away", data=site.redirect("/a.tif", f"http://user:{CANARY}@{place}/x") + SIGNED),
        stac_item("down", data=site.redirect("/d.tif", f"ftp://{place}/x{SIGNED}") + SIGNED),
        stac_item("loop", data=other.redirect("/l.tif", f"/l.tif{SIGNED}") + SIGNED),
        stac_item("lost", data=site.redirect("/n.tif", f"https://no-such-host.invalid/x{SIGNED}") + SIGNED),
    ]


def fetched_items(site, other):
    """Assets that are fetched, with secrets in their URLs and headers."""
    signed = stac_item("signed", data=other.put("/s.tif", BODY) + SIGNED)
    signed["links"] = [
        {"rel": "self", "href": site.url(f"/items/signed?key={CANARY}")},
        {"rel": "about", "href": other.url(f"/about{SIGNED}")},
        {"rel": "license", "href": f"https://user:{CANARY}@license.test/x"},
    ]
    spare = {"s3": {"href": f"https://bucket.test/s.tif?X-Amz-Signature={CANARY}"}}
    signed["assets"]["data"] |= {"alternate": spare, "x:preview": f"s3://b/k?X-Amz-Signature={CANARY}"}
    signed["properties"] |= {
        "x:at": [f'https://x.test/\u00e9"{SIGNED}'],
        "x:by": f"ftp://me:{CANARY}@x.test/",
    }
    return [
        signed,
        stac_item("echo", data=site.redirect("/e.tif", other.put("/echo.tif", BODY) + f"?key={CANARY}")),
        stac_item("again", data=other.redirect("/r.tif", other.put("/again.tif", BODY) + SIGNED)),
        stac_item("cookie", data=site.put("/c.tif", BODY, headers=[("Set-Cookie", f"id={CANARY}")])),
        *publish(site, ["plain"]),
    ]


def assert_nowhere_in(dest, *texts):
    assert CANARY not in "".join(texts)
    written = [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert written == []


def unsigned(site):
    """The requests that a site received, without the signatures that are meant for it."""
    return re.sub(rf"sig={CANARY}", "", str([(seen.target, seen.headers, seen.body) for seen in site.log]))


@pytest.mark.parametrize("talk", [["-v"], ["-vv", "--json"], ["-vvv"], ["-q"]], ids=" ".join)
def test_a_run_with_every_kind_of_failure_does_not_reveal_it(run_cli, site, other, secure, dest, talk):
    url = static_catalog(site, fetched_items(site, other) + failing_items(site, other, secure))
    ended = run_cli("mirror", url, dest, *WORDS, *talk, "-R", 0, env={"PYTHONASYNCIODEBUG": "1"})
    assert ended.code == 4, ended.err
    assert len(Mirrored(dest).files) == 5 and len(Mirrored(dest).errors) == 14
    assert_nowhere_in(dest, ended.out, ended.err)
    assert CANARY in str(site.log) and CANARY not in unsigned(other)
    for command in ("status", "verify"):
        looked = run_cli(command, dest)
        assert_nowhere_in(dest, looked.out, looked.err)


@pytest.mark.parametrize("command", ["plan", "ls", "ls -c c1", "ls --ids signed"])
def test_commands_that_only_read_a_catalogue_do_not_reveal_it(run_cli, site, other, secure, dest, command):
    url = static_catalog(site, fetched_items(site, other) + failing_items(site, other, secure))
    dest.mkdir()
    name, *chosen = command.split()
    chosen += ["--save", dest / "plan.ndjson"] if name == "plan" else []
    for talk in ([], ["--json", "-vv"]):
        ended = run_cli(name, f"{url}?sig={CANARY}", *chosen, *WORDS, *talk)
        assert (ended.code == 0 and "c1" in ended.out + ended.err) or "data" in ended.out, ended.err
        assert_nowhere_in(dest, ended.out, ended.err)


@pytest.mark.parametrize("end", ["401", "403", "html", "short", "not there", "wrong", "tls", "dns", "user"])
def test_a_source_that_cannot_be_read_is_named_without_it(run_cli, site, secure, dest, end):
    sources = {
        "401": site.put("/401", always=[Status(401, body=QUOTED)]),
        "403": site.put("/403", always=[REASON]),
        "html": site.put("/html", f"<html>{CANARY}</html>".encode()),
        "short": site.put("/short", BODY, always=[Cut(5)]),
        "not there": site.url(f"/{'none'}"),
        "wrong": site.json("/wrong", {"type": CANARY}),
        "tls": secure.url("/x"),
        "dns": "http://no-such-host.invalid/x",
        "user": f"http://user:{CANARY}@127.0.0.1:1/x",
    }
    for talk in ([], ["--json", "-vv"]):
        ended = run_cli("mirror", sources[end] + SIGNED, dest, *WORDS, "-R", 0, *talk)
        assert ended.code in (2, 3, 5), ended.err
        assert CANARY not in ended.out + ended.err
    assert_nowhere_in(dest)


@pytest.mark.parametrize(
    "source",
    [
        f"hf://datasets/org/name?token={CANARY}",
        f"hf://datasets/org/name@main?token={CANARY}",
        f"zenodo:12?token={CANARY}",
        f"figshare:12?private_link={CANARY}",
        f"10.5281/zenodo.12?token={CANARY}",
        f"doi:10.5281/zenodo.12?token={CANARY}",
        f"https://drive.google.com/drive/folders/a?resourcekey={CANARY}",
        f"zenodo.org/records/12?token={CANARY}",
        f"user:{CANARY}@stac.test/catalog.json",
        f"//user:{CANARY}@stac.test/catalog.json",
    ],
)
def test_an_address_that_is_written_wrong_is_named_without_it(run_cli, dest, source):
    for words in (["mirror", source, dest, "-v"], ["ls", source, "--json"]):
        ended = run_cli(*words, "-R", 0, env={"PYTHONWARNINGS": "error"})
        assert ended.code in (2, 3) and CANARY not in ended.out + ended.err, ended.err
    assert not dest.exists()


def test_the_password_in_the_address_of_a_scheduler_is_not_shown(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["plain"]))
    ended = run_cli("mirror", url, dest, "--scheduler", f"tcp://user:{CANARY}@127.0.0.1:1", "-v")
    assert ended.code == 2 and "leave out the user" in ended.err, ended.err
    assert CANARY not in ended.out + ended.err


def test_a_path_that_is_not_there_is_named_whole(run_cli, dest):
    ended = run_cli("mirror", "data@2020/c#1.json", dest)
    assert ended.code == 3 and "data@2020/c#1.json does not exist" in ended.err, ended.err


def test_a_listing_that_breaks_off_is_named_without_it(run_cli, site, other, dest):
    items = publish(site, ["one", "two", "three"])
    next_page = {"rel": "next", "href": other.url(f"/next?key={CANARY}&token={CANARY}")}
    api = Api(site, items, page_size=2, overrides={1: {"links": [next_page]}})
    ended = run_cli("mirror", api.url, dest, "-c", "c1", *WORDS, "-vv")
    assert ended.code == 5 and "--allow-origin" in ended.err, ended.err
    assert other.log == []
    assert_nowhere_in(dest, ended.out, ended.err)


def test_a_killed_run_leaves_it_in_no_file(run_cli, site, other, dest):
    stuck = stac_item("stuck", data=other.put("/stuck.tif", BODY, always=[Stall(100)]) + SIGNED)
    url = static_catalog(site, [*fetched_items(site, other), stuck])
    running = run_cli.start("mirror", url, dest, *WORDS, "-j", 8)
    wait_for(lambda: len(other.requests["/stuck.tif"]) > 0 and (dest / "c1/plain/data.tif").exists())
    running.kill()
    assert [path.name for path in (dest / ".mlhub").iterdir() if path.name.startswith("ledger")]
    assert_nowhere_in(dest)


TOKEN = f"sv=2021&se=2040-01-01&sktid=72f988bf-86f1-41af-91ab-2d7cd011db47&sig={CANARY}"
SCHEMES = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_SESSION_TOKEN": f"{CANARY}-session",
    },
    "google": {"GOOGLE_OAUTH_ACCESS_TOKEN": CANARY},
    "azure-sas": {"AZURE_STORAGE_SAS_TOKEN": TOKEN},
    "planetary-computer": {"PC_SDK_SUBSCRIPTION_KEY": CANARY},
    "hugging-face": {"HF_TOKEN": CANARY},
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_keys_of_a_scheme_are_revealed_by_no_end_of_a_run(run_cli, site, other, dest, scheme):
    """`site` has the keys: it gives one file, and quotes them in every refusal. `other` must see none."""
    echoed = Raw(f"HTTP/1.1 403 {CANARY}\r\nContent-Length: {len(QUOTED)}\r\n\r\n".encode() + QUOTED)
    files = {
        "good": site.put("/account/box/good.tif", BODY),
        "refused": site.put("/account/box/403.tif", always=[echoed]),
        "unauthorized": site.put("/account/box/401.tif", always=[Status(401, body=QUOTED)]),
        "gone": site.put("/account/box/410.tif", always=[Status(410, body=QUOTED)]),
        "short": site.put("/account/box/short.tif", BODY, always=[Cut(5)]),
        "away": site.redirect("/account/box/r.tif", other.put("/r.tif", BODY)),
        "echo": site.redirect("/account/box/e.tif", other.put("/e.tif", BODY) + f"?x={CANARY}"),
    }
    site.json("/sas/account/box", {"token": TOKEN, "msft:expiry": "2040-01-01T00:00:00Z"})
    url = static_catalog(other, [stac_item(name, data=href) for name, href in files.items()])
    env = {**SCHEMES[scheme], "PC_SDK_SAS_URL": site.url("/sas"), "PYTHONASYNCIODEBUG": "1"}
    words = ("--auth", f"{site.origin}={scheme}", "--allow-private", "-R", 0)
    for talk in (["-vvv"], ["--json", "-vv"]):
        ended = run_cli("mirror", url, dest, *words, *talk, env=env)
        assert ended.code == 4, ended.err
        assert_nowhere_in(dest, ended.out, ended.err)
    assert (dest / "c1/good/data.tif").read_bytes() == BODY
    assert CANARY not in unsigned(other)
    sent = [seen for seen in site.log if seen.path == "/account/box/good.tif"]
    assert all("authorization" in seen.headers or "sig=" in seen.query for seen in sent) and sent
    plan = run_cli("plan", url, "--save", dest / "plan.ndjson", *words, env=env)
    assert plan.code == 0
    assert_nowhere_in(dest, plan.out, plan.err)


SCRIPT = """
import asyncio, logging, sys
import mlhub_async

logging.basicConfig(level=logging.DEBUG)
asyncio.get_event_loop_policy()

async def fails(item, records):
    raise ValueError("a mistake in the callback")

async def main(url, dest, canary):
    headers = (("X-Api-Key", canary), ("Authorization", f"Bearer {canary}"))
    options = mlhub_async.Options(
        api_key=canary, headers=headers, retry=mlhub_async.RetryPolicy(attempts=2, base=0)
    )
    logging.info("%s %r", options, options)
    asyncio.get_running_loop().slow_callback_duration = 0
    await mlhub_async.mirror(url, dest, options, each=fails)

asyncio.run(main(*sys.argv[1:]), debug=True)
"""


def test_a_traceback_and_the_debug_logs_of_all_libraries_do_not_reveal_it(run_cli, site, other, secure, dest):
    url = static_catalog(site, failing_items(site, other, secure) + fetched_items(site, other))
    running = run_cli.start_raw(sys.executable, "-c", SCRIPT, url, dest, CANARY)
    ended = running.finish()
    assert ended.code == 1 and "a mistake in the callback" in ended.err
    assert "DEBUG:asyncio" in ended.err and "Executing <" in ended.err
    assert_nowhere_in(dest, ended.out, ended.err)
