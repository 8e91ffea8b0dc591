"""Exit codes of runs whose listing breaks off, cannot begin, or reaches a limit."""

import json
import socket
import sys

import pytest

from support.mirrored import Mirrored, publish
from support.server import Delay, Gone, Status, html, tif
from support.stac_server import Api, static_catalog

BODY = tif(20_000)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.mark.parametrize(
    ("fault", "code"), [(Gone("fin"), 5), (Status(500), 5), (html(), 4)], ids=["gone", "500", "html"]
)
def test_a_listing_that_breaks_off_ends_in_4_or_5_after_what_was_listed(run_cli, site, dest, fault, code):
    api = Api(site, publish(site, [f"i{n}" for n in range(6)]), 2)
    path = "/stac/collections/c1/items"
    site.things[path].faults.extend([None, *[fault] * 20])
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", 2, "-R", 1)
    assert ended.code == code, ended.err
    mirror = Mirrored(dest)
    mirror.check(code)
    assert sorted(mirror.files) == ["c1/i0/data.tif", "c1/i1/data.tif"]
    assert not mirror.receipt["listing"]["complete"]
    site.things[path].faults.clear()
    assert run_cli("mirror", api.url, dest, "-c", "c1", "--limit", 2).code == 0
    Mirrored(dest).check(0)
    assert site.count("/i0.tif") == 1


def test_a_listing_with_a_loop_of_next_links_is_incomplete(run_cli, site, dest):
    api = Api(site, publish(site, [f"i{n}" for n in range(6)]), 2)
    again = {"rel": "next", "href": api.url + "/collections/c1/items?limit=2&token=next:2"}
    api.overrides = {2: {"links": [again]}}
    ended = run_cli("mirror", api.url, dest, "-c", "c1", "--limit", 2, "--json")
    assert ended.code == 5, ended.err
    assert site.count("/stac/collections/c1/items") < 8
    listing = Mirrored(dest).receipt["listing"]
    assert not listing["complete"] and "(pagination-loop)" in listing["reasons"][0]
    [error] = [event for event in ended.events if event["event"] == "error"]
    assert (error["item"], error["error"]["class"]) == (None, "pagination-loop")


def test_a_server_that_is_down_ends_in_5(run_cli, site, dest, tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/catalog.json"
        ended = run_cli("mirror", url, dest, "-R", 0)
    assert ended.code == 5 and "ECONNREFUSED" in ended.err


@pytest.mark.parametrize("fault", [Status(404), Status(401), Status(403), html()], ids=str)
def test_a_root_that_is_no_stac_or_refuses_ends_in_3(run_cli, site, dest, fault):
    site.json("/catalog.json", {"type": "Catalog"}, always=[fault])
    ended = run_cli("mirror", site.url("/catalog.json"), dest, "-R", 1)
    assert ended.code == 3, ended.err


def test_dest_that_is_a_file_ends_in_7(run_cli, site, dest):
    dest.write_text("mine")
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest)
    assert ended.code == 7 and dest.read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [(), ("--no-such-option",), ("-j", "0"), ("--bbox", "1", "2"), ("--if-exists", "sometimes")],
    ids=lambda words: " ".join(words) or "nothing",
)
def test_wrong_arguments_end_in_2(run_cli, words):
    ended = run_cli("mirror", *words)
    assert ended.code == 2 and ended.err


def test_a_limit_on_bytes_ends_in_8(run_cli, site, dest):
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(10)]))
    ended = run_cli("mirror", url, dest, "--max-transfer", "50K", "-j", 1)
    assert ended.code == 8, ended.err
    assert 0 < len(Mirrored(dest).files) < 10
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)


def test_bytes_of_the_listing_do_not_count_as_transfer(run_cli, site, dest):
    """Else a run that continues an earlier one could reach its limit with the listing alone."""
    url = static_catalog(site, publish(site, ["one", "two"]))
    for already in (0, 1):
        ended = run_cli("mirror", url, dest, "--max-transfer", "25000", "-j", 1)
        assert ended.code == (0 if already else 8), ended.err
    assert run_cli("mirror", url, dest, "--max-transfer", "1").code == 0
    Mirrored(dest).check(0)


@pytest.mark.parametrize("words", [("mirror",), ("mirror", "-n"), ("plan",)], ids=" ".join)
def test_a_limit_on_time_applies_while_the_source_is_recognised(run_cli, site, dest, words):
    site.json("/catalog.json", {"type": "Catalog", "id": "c", "links": []}, always=[Delay(20)])
    command, *options = words
    dest = () if command == "plan" else (dest,)
    ended = run_cli(command, site.url("/catalog.json"), *dest, *options, "--max-duration", 0.3, "--json")
    assert ended.code == 8, ended.err
    assert ended.events[-1]["event"] == "summary" and ended.events[-1]["exit_code"] == 8


def test_a_broken_item_document_is_reported_and_the_rest_is_mirrored(run_cli, site, dest):
    items = publish(site, ["one", "two"])
    url = static_catalog(site, items, faults={"c1/i1/i1.json": [Status(404)] * 9})
    ended = run_cli("mirror", url, dest)
    assert ended.code in (4, 5), ended.err
    assert "i1.json" in json.dumps(Mirrored(dest).errors)
    assert list(Mirrored(dest).files) == ["c1/one/data.tif"]
