"""`serve`: the files of a mirror over HTTP: validators, digests, conditions, ranges (RFC 9110, 9530)."""

import base64
import hashlib
import json
import os
import sqlite3
from contextlib import AsyncExitStack, closing
from email.utils import formatdate
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from mlhub_async.api.pages.serving.application import application
from mlhub_async.api.pages.serving.config import ServeConfig
from mlhub_async.engine.verify.following import FollowedLedger
from support.engine import run
from support.mirrored import Mirrored, publish
from support.served import served
from support.server import tif
from support.stac_server import static_catalog

BODY = tif(20_000, 0)
PATH = "/c1/one/data.tif"
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
async def mirror(troubled, dest):
    """DEST with the items `one` and `two`."""
    site = await troubled.site()
    report = await run(static_catalog(site, publish(site, ["one", "two"])), dest)
    assert report.exit_code == 0
    return dest


@pytest.fixture
async def http(mirror):
    async with served(mirror) as site:
        yield site


async def test_a_file_comes_with_type_digest_and_validators(http):
    whole = await http.get(PATH)
    assert (whole.status, whole.body) == (200, BODY)
    assert whole.headers["Content-Type"] == "image/tiff; application=geotiff"
    assert whole.headers["ETag"] == f'"{DIGEST}"'
    assert whole.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(bytes.fromhex(DIGEST)).decode()}:"
    assert whole.headers["Accept-Ranges"] == "bytes"
    head = await http.request("HEAD", PATH)
    same = {"ETag", "Content-Length", "Content-Type", "Last-Modified", "Repr-Digest"}
    assert (head.status, head.body) == (200, b"")
    assert {name: head.headers[name] for name in same} == {name: whole.headers[name] for name in same}


@pytest.mark.parametrize(
    ("target", "media_type"),
    [
        ("/catalog.json", "application/json"),
        ("/c1/collection.json", "application/json"),
        ("/c1/one/one.json", "application/geo+json"),
        ("/.mlhub/receipt.json", "application/json"),
        ("/.mlhub/manifest.txt", "text/plain; charset=utf-8"),
    ],
)
async def test_documents_come_with_their_media_type(http, target, media_type):
    found = await http.get(target)
    assert (found.status, found.headers["Content-Type"]) == (200, media_type)
    assert found.headers["X-Content-Type-Options"] == "nosniff"


RANGES = [
    ("bytes=0-9", BODY[:10], "bytes 0-9/20000"),
    ("bytes=19990-", BODY[-10:], "bytes 19990-19999/20000"),
    ("bytes=19990-99999", BODY[-10:], "bytes 19990-19999/20000"),
    ("bytes=-10", BODY[-10:], "bytes 19990-19999/20000"),
    ("bytes=-99999", BODY, "bytes 0-19999/20000"),
    ("Bytes=5-5", BODY[5:6], "bytes 5-5/20000"),
    ("bytes=0-9,30000-", BODY[:10], "bytes 0-9/20000"),
    ("bytes=19990-18446744073709551616", BODY[-10:], "bytes 19990-19999/20000"),
    ("bytes=-" + "9" * 5000, BODY, "bytes 0-19999/20000"),
    ("bytes=" + "0" * 30 + "5-5", BODY[5:6], "bytes 5-5/20000"),
]


@pytest.mark.parametrize(("field", "body", "content_range"), RANGES)
async def test_a_range(http, field, body, content_range):
    part = await http.get(PATH, Range=field)
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, body, content_range)
    assert part.headers["ETag"] == f'"{DIGEST}"' and "Repr-Digest" in part.headers


@pytest.mark.parametrize(
    "field",
    [
        *("bytes=20000-", "bytes=30000-40000", "bytes=-0", "bytes=18446744073709551616-"),
        *("bytes=18446744073709551616-18446744073709551617", "bytes=" + "9" * 5000 + "-"),
    ],
)
async def test_a_range_that_does_not_exist(http, field):
    refused = await http.get(PATH, Range=field)
    assert (refused.status, refused.headers["Content-Range"]) == (416, "bytes */20000")


@pytest.mark.parametrize(
    "field",
    [
        "bytes=9-0",
        "bytes=18446744073709551617-18446744073709551616",
        "bytes=",
        "bytes=-",
        "chars=0-1",
        "bytes=a-b",
        "bytes=0-1;2-3",
        "bytes=0-,0-",
        "bytes=" + "0-0," * 40,
    ],
)
async def test_a_range_that_is_invalid_or_abusive_is_ignored(http, field):
    whole = await http.get(PATH, Range=field)
    assert (whole.status, whole.body) == (200, BODY)


async def test_several_ranges_come_as_parts(http):
    several = await http.get(PATH, Range="bytes=0-1, 10-19")
    assert several.status == 206
    kind, _, boundary = several.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges" and "Content-Range" not in several.headers
    heads = [
        f"Content-Type: image/tiff; application=geotiff\r\nContent-Range: bytes {span}/20000"
        for span in ("0-1", "10-19")
    ]
    expected = b"".join(
        f"\r\n--{boundary}\r\n{head}\r\n\r\n".encode() + body
        for head, body in zip(heads, (BODY[:2], BODY[10:20]), strict=True)
    )
    assert several.body == expected + f"\r\n--{boundary}--\r\n".encode()


async def test_conditions_are_evaluated_in_their_order(http):
    modified = (await http.get(PATH)).headers["Last-Modified"]
    tag, other, old = f'"{DIGEST}"', '"other"', formatdate(0, usegmt=True)
    expected = [
        ({"If_None_Match": tag}, 304),
        ({"If_None_Match": f'W/{tag}, "x"'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": other}, 200),
        ({"If_None_Match": other, "If_Modified_Since": modified}, 200),
        ({"If_Modified_Since": modified}, 304),
        ({"If_Modified_Since": old}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Match": tag}, 200),
        ({"If_Match": f"W/{tag}"}, 412),
        ({"If_Match": other}, 412),
        ({"If_Match": tag, "If_Unmodified_Since": old}, 200),
        ({"If_Unmodified_Since": old}, 412),
        ({"If_Unmodified_Since": modified}, 200),
        ({"Range": "bytes=0-0", "If_Range": tag}, 206),
        ({"Range": "bytes=0-0", "If_Range": modified}, 206),
        ({"Range": "bytes=0-0", "If_Range": f"W/{tag}"}, 200),
        ({"Range": "bytes=0-0", "If_Range": other}, 200),
        ({"Range": "bytes=0-0", "If_Range": old}, 200),
        ({"Range": "bytes=0-0", "If_None_Match": tag}, 304),
    ]
    assert [(fields, (await http.get(PATH, **fields)).status) for fields, _ in expected] == expected


async def test_a_file_that_has_changed_has_no_digest_and_another_tag(http, mirror):
    (mirror / PATH[1:]).write_bytes(b"changed")
    new = await http.get(PATH)
    assert new.body == b"changed" and "Repr-Digest" not in new.headers
    assert new.headers["ETag"].startswith('W/"')  # it may be written again within the same tick of the clock
    os.utime(mirror / PATH[1:], (1e9, 1e9))
    settled = await http.get(PATH)
    assert settled.headers["ETag"].startswith('"') and settled.headers["Last-Modified"] == formatdate(
        1e9, usegmt=True
    )


@pytest.mark.parametrize(
    "target",
    [
        "/.mlhub/ledger.sqlite",
        "/%2emlhub/ledger.sqlite",
        "/.MLHUB/ledger.sqlite",
        "/.mlhub/lock",
        "/.mlhub/pace.json",
        "/c1/../.mlhub/ledger.sqlite",
        "/c1/%2e%2e/.mlhub/ledger.sqlite",
        "/..%2fsecret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/c1%2fone%2fdata.tif",
        "/c1\\one\\data.tif",
        "//catalog.json",
        "/catalog.json/",
        "/catalog.json%00",
        "/c1",
        "/c1/",
        "/linked.txt",
        "/inside.json",
        "/folder/secret.txt",
        "/.env",
        "/fifo.tif",
        "/%ff",
        "/" + "a/" * 3000,
    ],
)
async def test_nothing_else_is_served(http, mirror, target):
    (mirror.parent / "secret.txt").write_text("secret")
    (mirror / ".env").write_text("secret")
    (mirror / "linked.txt").symlink_to(mirror.parent / "secret.txt")
    (mirror / "inside.json").symlink_to(mirror / "catalog.json")
    (mirror / "folder").symlink_to(mirror.parent)
    os.mkfifo(mirror / "fifo.tif")
    assert (await http.get(target)).status in (400, 404)


async def test_a_hidden_file_is_served_if_it_belongs_to_the_mirror(mirror):
    (mirror / "c1/one/data.tif").rename(mirror / "c1/one/.zgroup")
    (mirror / "c1/one/.zattrs").write_bytes(BODY)
    with closing(sqlite3.connect(mirror / ".mlhub/ledger.sqlite", isolation_level=None)) as ledger:
        renaming = "UPDATE file SET path='c1/one/.zgroup', fold='c1/one/.zgroup' WHERE path='c1/one/data.tif'"
        assert ledger.execute(renaming).rowcount == 1
    async with served(mirror) as http:
        assert (await http.get("/c1/one/.zgroup")).body == BODY
        assert (await http.get("/c1/one/.zattrs")).status == 404


async def test_the_manifest_is_that_of_the_receipt(http, mirror):
    manifest = (await http.get("/.mlhub/manifest.txt")).body
    assert f"c1/one/data.tif 20000 {DIGEST}\n".encode() in manifest
    assert hashlib.sha256(manifest).hexdigest() == Mirrored(mirror).receipt["manifest_sha256"]


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"])
async def test_the_names_of_this_machine_are_answered(http, host):
    assert (await http.get("/catalog.json", Host=host)).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "[::2]", "x[::1]", ""]
)
async def test_another_name_is_refused_on_loopback(http, host):
    assert (await http.get("/catalog.json", Host=host)).status == 421


async def test_any_name_is_answered_where_other_machines_may_ask(mirror):
    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(closing(FollowedLedger(mirror)))
        app = await stack.enter_async_context(application(ServeConfig(mirror, "0.0.0.0"), ledger))
        server = await stack.enter_async_context(TestServer(app))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for host in ("mirror.test", "127.0.0.1"):
            async with session.get(server.make_url("/catalog.json"), headers={"Host": host}) as response:
                assert response.status == 200


async def test_a_page_of_another_origin_may_read_and_only_read(http):
    preflight = await http.request(
        "OPTIONS",
        PATH,
        Origin="https://browser.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range",
        Access_Control_Request_Private_Network="true",
    )
    assert preflight.status == 204 and "Range" in preflight.headers["Access-Control-Allow-Headers"]
    assert preflight.headers["Access-Control-Allow-Private-Network"] == "true"
    part = await http.get(PATH, Range="bytes=0-0", Origin="https://browser.example")
    assert part.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in part.headers["Access-Control-Expose-Headers"]
    for method in ("POST", "PUT", "DELETE", "PROPFIND"):
        refused = await http.request(method, PATH)
        assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_a_client_that_goes_away_and_a_file_that_shrinks_end_the_connection_only(http, mirror, caplog):
    large = mirror / "c1/one/data.tif"
    with large.open("r+b") as file:
        file.truncate(200 << 20)
    async with http.session.get(f"{http.url}{PATH}") as response:
        await response.content.readexactly(1000)
        response.close()
    async with http.session.get(f"{http.url}{PATH}") as response:
        await response.content.readexactly(1000)
        large.write_bytes(b"short")
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert (await http.get(PATH)).body == b"short"
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_file_is_found_by_its_digest(http):
    found = await http.get(f"/.mlhub/sha-256/{DIGEST}", Range="bytes=0-9")
    assert (found.status, found.body) == (206, BODY[:10])
    assert found.headers["ETag"] == f'"{DIGEST}"' and "Repr-Digest" in found.headers
    for other in ("0" * 64, DIGEST[:-1], "..", f"{DIGEST}/x"):
        assert (await http.get(f"/.mlhub/sha-256/{other}")).status == 404


async def test_a_file_that_was_changed_is_not_found_by_its_digest(http, mirror):
    (mirror / PATH[1:]).write_bytes(b"changed")
    assert (await http.get(f"/.mlhub/sha-256/{DIGEST}")).status == 404


async def test_a_file_is_found_by_the_url_that_it_was_fetched_from(http, mirror):
    assert json.loads((await http.get("/.mlhub/lookup")).body)["mlhub-async-lookup"] == 1
    with closing(sqlite3.connect(mirror / ".mlhub/ledger.sqlite")) as ledger:
        ((url, validator),) = ledger.execute("SELECT url, validator FROM file WHERE path=?", (PATH[1:],))
    found = json.loads((await http.get(f"/.mlhub/lookup?url={quote(url, safe='')}")).body)
    same = {"path": PATH[1:], "size": 20000, "sha256": DIGEST, "validator": validator}
    assert found == {**same, "proof": "size", "url": url}
    about = "url=http%3A//h.test/none&collection=c1&item=one&key=data"
    assert json.loads((await http.get(f"/.mlhub/lookup?{about}")).body) == found
    for other in ("http://h.test/none.tif", "x y", ""):
        assert (await http.get(f"/.mlhub/lookup?url={quote(other)}")).status == 404


async def test_our_own_mirror_of_it_has_the_same_manifest(http, mirror, tmp_path):
    report = await run(f"{http.url}/catalog.json", tmp_path / "copy", allow_private=False)
    assert report.exit_code == 0
    first, second = Mirrored(mirror), Mirrored(tmp_path / "copy")
    assert second.receipt["manifest_sha256"] == first.receipt["manifest_sha256"]
    assert second.files == first.files
