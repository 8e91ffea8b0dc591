"""Servers of files whose times are constants, as in images and packages that are built reproducibly.

nginx, Apache, lighttpd and Caddy make their ETags of time and size: those of such a file say only its size.
"""

import pytest

from support.mirrored import Mirrored
from support.server import Cut, tif
from support.stac_server import stac_item

SIZE = 270_000
OLD, NEW = tif(SIZE, 1), tif(SIZE, 2)
CONSTANTS = {
    "Unix, 0": 0,
    "Unix, 1": 1,
    "FAT and ZIP": 315_532_800,
    "buildpacks": 315_532_801,
    "npm": 499_162_500,
    "Bazel": 946_684_800,
    "2049-01-01": 2_493_072_000,
}
TIME_AND_SIZE, DIGEST = '"1-41eb0"', '"0123456789abcdef0123456789abcdef"'


def put(site, body, time, etag, **behaviour):
    return site.put("/a.tif", body, etag=etag, last_modified=time, **behaviour)


def source_of(site):
    return site.json("/item.json", stac_item("one", data="a.tif"))


@pytest.mark.parametrize("etag", [TIME_AND_SIZE, None])
@pytest.mark.parametrize("time", CONSTANTS.values(), ids=CONSTANTS)
def test_no_bytes_of_two_versions_are_joined(site, run_cli, dest, time, etag):
    put(site, OLD, time, etag, faults=[Cut(SIZE // 2)])
    assert run_cli("mirror", source_of(site), dest, "-R", 0).code == 5
    put(site, NEW, time, etag)
    ran = run_cli("mirror", source_of(site), dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


def test_refresh_does_not_ask_by_them(site, run_cli, dest):
    put(site, OLD, 1, TIME_AND_SIZE)
    assert run_cli("mirror", source_of(site), dest).code == 0
    put(site, NEW, 1, TIME_AND_SIZE)
    ran = run_cli("mirror", source_of(site), dest, "--if-exists", "refresh")
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


def test_a_304_that_shows_one_is_not_believed(site, run_cli, dest):
    put(site, OLD, 1_600_000_000, TIME_AND_SIZE)
    assert run_cli("mirror", source_of(site), dest).code == 0
    put(site, NEW, 1, TIME_AND_SIZE)
    ran = run_cli("mirror", source_of(site), dest, "--if-exists", "refresh")
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


@pytest.mark.parametrize(("time", "etag"), [(1, DIGEST), (1_600_000_000, TIME_AND_SIZE)])
def test_an_etag_that_is_a_digest_and_a_real_time_are_believed(site, run_cli, dest, time, etag):
    put(site, OLD, time, etag, faults=[Cut(SIZE // 2)])
    assert run_cli("mirror", source_of(site), dest, "-R", 0).code == 5
    assert run_cli("mirror", source_of(site), dest).code == 0
    assert "range" in site.requests["/a.tif"][-1].headers
    assert run_cli("mirror", source_of(site), dest, "--if-exists", "refresh").code == 0
    assert site.requests["/a.tif"][-1].headers["if-none-match"] == etag


def test_a_document_is_not_asked_for_by_them(site, run_cli, dest):
    """Two documents of the same length, as where a digit has changed."""
    for path, body in (("/a.tif", OLD), ("/b.tif", NEW)):
        site.put(path, body)
    link = {"rel": "item", "href": "item.json"}
    catalogue = {"type": "Catalog", "id": "c", "description": "c", "stac_version": "1.0.0", "links": [link]}
    source = site.json("/catalog.json", catalogue)
    for name, body in (("a.tif", OLD), ("b.tif", NEW)):
        site.json("/item.json", stac_item("one", data=name), etag='"1-200"', last_modified=1)
        ran = run_cli("mirror", source, dest, "--full-every", 9)
        assert ran.code == 0 and Mirrored(dest).bytes_of("one") == body, ran.err
