"""Files that are replaced once more within the second in which they were received.

nginx, Caddy and WsgiDAV make their ETags of the size and of the second: that of such a file stays the same.
"""

import pytest

from support.archives import catalogue, tarred
from support.mirrored import Mirrored
from support.server import Cut, noise
from support.stac_server import stac_item
from support.wire_format import date

SIZE, NOW = 270_000, 1_700_000_000
OLD, NEW = noise(SIZE, 1), noise(SIZE, 2)
ETAGS = {"of seconds": '"6553f100-41eb0"', "weak": 'W/"6553f100-41eb0"', "none": None}
DIGEST = '"0123456789abcdef0123456789abcdef"'
MODIFIED = {"that second": 0, "a clock ahead": 20}


def put(site, path, body, etag, *, modified=0, **behaviour):
    """The server answers at the second NOW."""
    headers = [("Date", date(NOW))]
    return site.put(path, body, etag=etag, last_modified=NOW + modified, headers=headers, **behaviour)


def source_of(site):
    return site.json("/item.json", stac_item("one", data="a.bin"))


@pytest.mark.parametrize("modified", MODIFIED.values(), ids=MODIFIED)
@pytest.mark.parametrize("etag", ETAGS.values(), ids=ETAGS)
def test_refresh_does_not_ask_by_their_etag(site, run_cli, dest, etag, modified):
    put(site, "/a.bin", OLD, etag, modified=modified)
    assert run_cli("mirror", source_of(site), dest).code == 0
    put(site, "/a.bin", NEW, etag, modified=modified)
    ran = run_cli("mirror", source_of(site), dest, "--if-exists", "refresh")
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


@pytest.mark.parametrize("etag", ETAGS.values(), ids=ETAGS)
def test_no_bytes_of_two_versions_are_joined(site, run_cli, dest, etag):
    put(site, "/a.bin", OLD, etag, faults=[Cut(SIZE // 2)])
    assert run_cli("mirror", source_of(site), dest, "-R", 0).code == 5
    put(site, "/a.bin", NEW, etag)
    ran = run_cli("mirror", source_of(site), dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


@pytest.mark.parametrize(("etag", "modified"), [(DIGEST, 0), (ETAGS["of seconds"], -1)])
def test_an_etag_that_is_a_digest_or_of_a_past_second_is_believed(site, run_cli, dest, etag, modified):
    put(site, "/a.bin", OLD, etag, modified=modified, faults=[Cut(SIZE // 2)])
    assert run_cli("mirror", source_of(site), dest, "-R", 0).code == 5
    assert run_cli("mirror", source_of(site), dest).code == 0
    assert "range" in site.requests["/a.bin"][-1].headers
    assert run_cli("mirror", source_of(site), dest, "--if-exists", "refresh").code == 0
    assert site.requests["/a.bin"][-1].headers["if-none-match"] == etag


@pytest.mark.parametrize("etag", ETAGS.values(), ids=ETAGS)
def test_a_document_is_not_asked_for_by_them(site, run_cli, dest, etag):
    """Two documents of the same length, as where a digit has changed."""
    for path, body in (("/a.bin", OLD), ("/b.bin", NEW)):
        site.put(path, body)
    link = {"rel": "item", "href": "item.json"}
    root = {"type": "Catalog", "id": "c", "description": "c", "stac_version": "1.0.0", "links": [link]}
    source = site.json("/catalog.json", root)
    for name, body in (("a.bin", OLD), ("b.bin", NEW)):
        site.json(
            "/item.json",
            stac_item("one", data=name),
            etag=etag,
            last_modified=NOW,
            headers=[("Date", date(NOW))],
        )
        ran = run_cli("mirror", source, dest, "--full-every", 9)
        assert ran.code == 0 and Mirrored(dest).bytes_of("one") == body, ran.err


def test_a_tar_is_read_again(site, run_cli, dest):
    files = catalogue(3, 900)
    changed = {name: body[:-1] + b"!" if name.endswith(".tif") else body for name, body in files.items()}
    for members in (files, changed):
        source = put(site, "/a.tar", tarred(members), ETAGS["of seconds"])
        ran = run_cli("mirror", source, dest)
        expected = sorted(body for name, body in members.items() if name.endswith(".tif"))
        assert ran.code == 0 and sorted(Mirrored(dest).files.values()) == expected, ran.err
