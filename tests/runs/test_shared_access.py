"""A shared access signature in SOURCE: sent to its container, to nothing else, and written nowhere."""

import json
import re
from urllib.parse import parse_qs

import pytest

from mlhub_async.http.auth.signers.shared_access import container_of
from support.mirrored import Mirrored
from support.one_request import CANARY
from support.server import tif
from support.stac_server import stac_collection, stac_item
from support.wire_format import Ask, Reply, content

SIGNED = f"sv=2022-11-02&sr=c&se=2030-01-01T00%3A00%3A00Z&sp=rl&sig={CANARY}%2Bx%3D"
RENEWED = SIGNED.replace("2030", "2031").replace(CANARY, CANARY[::-1])


@pytest.fixture
def other(troubled_thread):
    return troubled_thread.site("localhost")


def publish(site, other):
    """A catalogue in a container that answers to a valid signature only; gives its URL."""
    away = {"rel": "child", "href": f"{other.origin}/data/x.json"}
    site.json(
        "/data/catalog.json",
        {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "r",
            "description": "r",
            "links": [{"rel": "child", "href": "sub/collection.json"}],
        },
    )
    links = [{"rel": "item", "href": "./i.json"}, {"rel": "about", "href": "./about.html"}]
    site.json("/data/sub/collection.json", stac_collection("c1", links=[*links, away]))
    assets = {
        "data": "./i.tif",
        "elsewhere": other.put("/data/e.tif", tif(300, 1)),
        "beside": site.put("/other/b.tif", tif(300, 2)),
        "dotted": site.put("/data/%2E%2E/d.tif", tif(300, 5)),
        "own": site.put("/data/own.tif", tif(300, 3)) + "?sv=1&sig=ownownown",
        "echoed": f"{other.put('/data/echo.tif', tif(300, 4))}?{SIGNED}",
    }
    site.json("/data/sub/i.json", stac_item("i", "c1", **assets))
    site.put("/data/sub/i.tif", tif(300, 6))
    for path, thing in [*site.things.items()]:
        if path.startswith("/data/") and "own" not in path and "%2E" not in path:
            site.route(path, lambda seen, thing=thing: admit(seen, thing))
    return site.url("/data/catalog.json")


def admit(seen, thing):
    valid = parse_qs(seen.query).get("sig", [""])[0] in (f"{CANARY}+x=", f"{CANARY[::-1]}+x=")
    return content(Ask(dict(seen.headers), thing)) if valid else Reply(403, [], b"no")


def texts(dest):
    """All that is written in DEST, but the data."""
    return {
        path.relative_to(dest).as_posix(): path.read_bytes()
        for path in dest.rglob("*")
        if path.is_file() and path.suffix != ".tif"
    }


def test_a_signature_of_source_goes_to_its_container_and_nowhere_else(site, other, run_cli, dest):
    source = publish(site, other)
    ran = run_cli("mirror", f"{source}?{SIGNED}", dest, "--json", "-v", "--allow-private", "-R", "0")
    assert ran.code == 4, ran.err  # the child link to another origin
    assert len(Mirrored(dest).files) == 6 and Mirrored(dest).receipt["source"] == source
    sent = {seen.path: seen.query for one in (site, other) for seen in one.log}
    inside = {path for path in sent if path.startswith("/data/sub/") or path == "/data/catalog.json"}
    assert inside == {
        "/data/catalog.json",
        *(f"/data/sub/{name}" for name in ("collection.json", "i.json", "i.tif")),
    }
    assert all(sent[path] == SIGNED for path in inside)
    assert all(CANARY not in sent[path] for path in set(sent) - inside)
    assert sent["/data/own.tif"] == "sv=1&sig=ownownown"
    secret = re.compile(rf"{CANARY}|sig=(?!\*)".encode())
    assert [name for name, text in texts(dest).items() if secret.search(text)] == []
    assert CANARY not in ran.out + ran.err


def test_another_signature_changes_no_path_and_fetches_nothing_again(site, other, run_cli, dest):
    source = publish(site, other)
    words = ("--allow-private", "-R", "0", "--allow-origin", other.origin)
    first = run_cli("mirror", f"{source}?{SIGNED}", dest, *words)
    files, before = Mirrored(dest).files, texts(dest)["c1/i/i.json"]
    again = run_cli("mirror", f"{source}?{RENEWED}", dest, *words)
    assert (first.code, again.code) == (4, 4) and Mirrored(dest).files == files
    assert "0 fetched, 6 already there" in again.err
    assert json.loads(texts(dest)["c1/i/i.json"]) == json.loads(before)
    assert all(CANARY[::-1] not in text.decode("latin-1") for text in texts(dest).values())


def test_a_signature_that_is_refused_is_told_without_it(site, run_cli, dest):
    site.put("/data/catalog.json", status=403)
    ran = run_cli("mirror", f"{site.url('/data/catalog.json')}?{SIGNED}", dest)
    assert ran.code == 3 and "not accepted" in ran.err and CANARY not in ran.err + ran.out


@pytest.mark.parametrize(
    ("url", "container"),
    [
        ("https://acct.blob.core.windows.net/data/a/catalog.json", "/data/"),
        ("https://acct.blob.core.windows.net/catalog.json", "/"),
        ("http://127.0.0.1:10000/devstoreaccount1/data/a/catalog.json", "/devstoreaccount1/data/"),
        ("http://127.0.0.1:10000/data/catalog.json", "/data/"),
    ],
)
def test_the_container_of_a_url(url, container):
    assert container_of(url) == container
