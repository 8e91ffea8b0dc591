"""Documents that are no JSON or come later: how often they are asked for, and the exit code."""

import gzip
import itertools

import pytest

from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import Status
from support.stac_server import answer, static_catalog
from support.wire_format import Reply

PATH = "/static/c1/i0/i0.json"
HTML = b"<!doctype html><p>Please sign in</p>"
LABELLED = [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
def items(site):
    return publish(site, ["one", "two"])


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=HTML),
        Reply(body=b""),
        Reply(body=b'{"type": "Feature", '),
        Reply(headers=LABELLED, body=gzip.compress(HTML * 9)[:-9]),
    ],
    ids=["HTML", "nothing", "cut", "cut gzip"],
)
async def test_a_document_that_is_damaged_twice_alike_is_asked_for_no_more(site, items, dest, reply):
    url = static_catalog(site, items)
    site.route(PATH, lambda _: reply)
    report = await run(url, dest)
    assert (report.exit_code, site.count(PATH)) == (4, 2)
    assert "the same twice" in Mirrored(dest).errors[0]["error"]["message"]
    assert Mirrored(dest).bytes_of("two") is not None


async def test_a_document_that_is_damaged_each_time_otherwise_may_come_later(site, items, dest):
    url = static_catalog(site, items)
    numbers = itertools.count()
    site.route(PATH, lambda _: Reply(body=b"<p>request %d</p>" % next(numbers)))
    report = await run(url, dest)
    assert (report.exit_code, site.count(PATH)) == (5, 3)


@pytest.mark.parametrize("reply", [Reply(body=HTML), Reply(202, body=HTML)], ids=["HTML", "202"])
async def test_a_document_that_is_right_the_second_time_is_enough(site, items, dest, reply):
    url = static_catalog(site, items)
    replies = iter([reply, answer(items[0])])
    site.route(PATH, lambda _: next(replies))
    assert (await run(url, dest)).ok


@pytest.mark.parametrize("path", [PATH, "/static/catalog.json", "/one.tif"], ids=["item", "root", "asset"])
def test_what_the_server_has_later_is_temporary(troubled_thread, dest, run_cli, path):
    site = troubled_thread.site()
    url = static_catalog(site, publish(site, ["one", "two"]))
    site.things[path].always = (Status(202),)
    ended = run_cli("mirror", url, dest, "-R", 1)
    assert (ended.code, site.count(path)) == (5, 2), ended.err
    assert "202" in ended.err + "".join(row["error"]["message"] for row in Mirrored(dest).errors)
