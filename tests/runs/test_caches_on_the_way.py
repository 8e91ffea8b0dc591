"""A cache between this program and the server that has another version, or damaged bytes: it is passed by."""

import hashlib

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item
from support.wire_format import Reply

OLD, NEW = tif(5_000, 1), tif(5_000, 2)


def cached(site, path, in_cache, at_origin):
    """Answers as a cache does: from what it has, unless it is to ask the origin (RFC 9111)."""

    def answer(seen):
        asks_origin = seen.headers.get("cache-control") == "no-cache"
        body = at_origin if asks_origin else in_cache
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        if seen.headers.get("if-none-match") == etag:
            return Reply(304, [("ETag", etag)])
        return Reply(200, [("ETag", etag)], body)

    return site.route(path, answer)


def test_an_asset_with_another_digest_is_asked_for_past_caches(site, run_cli, dest):
    href = cached(site, "/a.tif", OLD, NEW)
    digest = "1220" + hashlib.sha256(NEW).hexdigest()
    item = stac_item("one", data={"href": href, "file:checksum": digest})
    ran = run_cli("mirror", site.json("/item.json", item), dest)
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err
    first, second = (seen.headers for seen in site.requests["/a.tif"])
    assert "cache-control" not in first and second["cache-control"] == "no-cache"


def test_refresh_is_answered_by_the_origin(site, run_cli, dest):
    source = site.json("/item.json", stac_item("one", data=cached(site, "/a.tif", OLD, OLD)))
    assert run_cli("mirror", source, dest).code == 0
    cached(site, "/a.tif", OLD, NEW)
    ran = run_cli("mirror", source, dest, "--if-exists", "refresh")
    assert ran.code == 0 and Mirrored(dest).bytes_of("one") == NEW, ran.err


def test_a_document_that_is_no_json_is_asked_for_past_caches(site, run_cli, dest):
    site.put("/a.tif", NEW)
    whole = site.json("/item.json", stac_item("one", data="a.tif"))
    body = site.things["/item.json"].body
    cached(site, "/item.json", body[:-20], body)
    assert run_cli("mirror", whole, dest).code == 0
    assert Mirrored(dest).bytes_of("one") == NEW


def test_a_cache_that_gives_a_broken_body_its_own_length_is_not_believed(site, run_cli, dest):
    """Its origin ends bodies by the connection: it sends this one in chunks, then by the length it has."""
    whole = tif(30_000, 1)
    came = whole[:10_000]
    sent = []

    def answer(seen):
        sent.append(seen)
        about = [("Content-Type", "image/tiff")]
        return Reply(200, about, came, framing="chunked" if len(sent) == 1 else "length")

    source = site.json("/item.json", stac_item("one", data=site.route("/a.tif", answer)))
    ran = run_cli("mirror", source, dest)
    assert ran.code == 4 and Mirrored(dest).failed == {"one": "structure"}, ran.err
    assert len(sent) == 2 and Mirrored(dest).files == {}
    sent.clear()
    came = whole
    assert run_cli("mirror", source, dest).code == 0 and Mirrored(dest).bytes_of("one") == whole


def test_a_body_that_was_broken_once_is_taken_when_it_comes_whole(site, run_cli, dest):
    bodies = [(NEW[:2_000], "chunked"), (NEW, "length")]

    def answer(_seen):
        body, framing = bodies.pop(0)
        return Reply(200, [("Content-Type", "image/tiff")], body, framing=framing)

    source = site.json("/item.json", stac_item("one", data=site.route("/a.tif", answer)))
    assert run_cli("mirror", source, dest).code == 0 and Mirrored(dest).bytes_of("one") == NEW
