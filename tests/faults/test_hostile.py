"""A catalogue or server that means ill: names, addresses, redirects, secrets."""

import json
import sys

import pytest

from support.hostile_names import HOSTILE
from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import stac_item, static_catalog

BODY = tif(20_000)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.mark.parametrize("what", ["item", "key", "collection"])
def test_hostile_names_stay_inside_dest_and_lose_nothing(run_cli, site, dest, what):
    url = site.put("/a.tif", BODY)
    asset = {"href": url}
    items = [
        stac_item(name if what == "item" else f"i{n}", name if what == "collection" else "c1")
        | {"assets": {name if what == "key" else "data": asset}}
        for n, name in enumerate(HOSTILE)
    ]
    path = dest.parent / "items.ndjson"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    before = {p for p in dest.parent.rglob("*")}
    ended = run_cli("mirror", path, dest, "--allow-private")
    assert ended.code == 0, ended.err
    assert {p for p in dest.parent.rglob("*") if dest not in p.parents and p != dest} == before
    assert list(Mirrored(dest).files.values()) == [BODY] * len(HOSTILE)
    folded = [name.casefold() for name in Mirrored(dest).files]
    assert len(set(folded)) == len(HOSTILE)
    assert "\x1b" not in ended.err.replace("\x1b[A", "") and "\u202e" not in ended.err


def test_json_output_ends_with_the_summary_and_carries_no_secret(run_cli, site, dest):
    items = publish(site, ["one"])
    items[0]["assets"]["data"]["href"] += "?sig=CANARY-1"
    items.append(stac_item("two", data=site.url("/missing.tif?sig=CANARY-2")))
    ended = run_cli("mirror", static_catalog(site, items), dest, "--json")
    assert ended.code == 4
    assert ended.events[-1]["event"] == "summary"
    assert {"finish", "error"} <= {event["event"] for event in ended.events}
    assert "CANARY" not in ended.out + ended.err
    written = [p for p in (dest / ".mlhub").rglob("*") if p.is_file()]
    assert not [p for p in written if b"CANARY" in p.read_bytes()]


def test_a_key_goes_to_its_origin_only_and_is_written_nowhere(run_cli, troubled_thread, site, dest):
    other = troubled_thread.site("localhost")
    items = [
        stac_item("direct", data=other.put("/direct.tif", BODY)),
        stac_item("redirected", data=site.redirect("/r.tif", other.put("/away.tif", BODY))),
        stac_item("back", data=other.redirect("/out.tif", site.put("/home.tif", BODY))),
        stac_item("broken", data=other.url("/missing.tif")),
    ]
    url = static_catalog(site, items)
    secret = "CANARY-secret"
    headers = ["-H", f"X-Api-Key: {secret}", "-H", f"Authorization: Bearer {secret}"]
    ended = run_cli("mirror", url, dest, *headers, "-v")
    assert ended.code == 4, ended.err
    assert all(secret in str(seen.headers) for seen in site.log if seen.path not in ("/home.tif",))
    assert secret not in str(site.requests["/home.tif"])
    assert len(other.log) >= 4 and secret not in str(other.log)
    assert "CANARY" not in ended.out + ended.err
    assert not [p for p in dest.rglob("*") if p.is_file() and b"CANARY" in p.read_bytes()]


def test_a_redirect_from_https_to_http_is_not_followed(run_cli, troubled_thread, authority, dest):
    safe = troubled_thread.site("localhost", authority.context())
    plain = troubled_thread.site("localhost")
    items = [
        stac_item("good", data=safe.put("/good.tif", BODY)),
        stac_item("down", data=safe.redirect("/down.tif", plain.put("/plain.tif", BODY))),
    ]
    ended = run_cli("mirror", static_catalog(safe, items), dest, "--ca-file", authority.pem)
    assert ended.code == 4, ended.err
    assert list(Mirrored(dest).files) == ["c1/good/data.tif"] and plain.log == []


def test_an_untrusted_certificate_ends_at_once_and_says_why(run_cli, troubled_thread, authority, dest):
    safe = troubled_thread.site("localhost", authority.context())
    ended = run_cli("mirror", static_catalog(safe, []), dest)
    assert ended.code == 3 and "certificate" in ended.err.lower() and safe.log == []


def test_a_certificate_of_a_trusted_authority_for_another_host_is_refused(
    run_cli, troubled_thread, authority, dest
):
    safe = troubled_thread.site("localhost", authority.context("DNS:other.test,DNS:*.localhost"))
    ended = run_cli("mirror", static_catalog(safe, []), dest, "--ca-file", authority.pem)
    assert ended.code == 3 and "certificate" in ended.err.lower() and safe.log == []
    assert "localhost" in ended.err and "not valid for" in ended.err


def test_nobody_follows_a_catalogue_to_a_link_local_address(run_cli, site, dest):
    metadata = "http://169.254.169.254/latest/meta-data/x.tif"
    items = [
        stac_item("direct", data=metadata),
        stac_item("redirected", data=site.redirect("/r.tif", metadata)),
        stac_item("local", data="file:///etc/passwd"),
        stac_item("path", data="/etc/passwd"),
    ]
    ended = run_cli("mirror", static_catalog(site, items), dest)
    assert ended.code == 4, ended.err
    assert Mirrored(dest).files == {}
