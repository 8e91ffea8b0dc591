"""Mirrors from nginx: validators, limits, compression, redirects, signed URLs, keys, large files."""

import base64
import hashlib
import time

import pytest

from mlhub_async import RetryPolicy
from support.counterparts import nginx
from support.engine import run
from support.mirrored import Mirrored, wait_for
from support.server import tif
from support.stac_server import stac_item, static_catalog

LIMITS = """
limit_req_zone $binary_remote_addr zone=requests:1m rate=10r/s;
limit_conn_zone $binary_remote_addr zone=connections:1m;
"""
LOCATIONS = """
set $rate 1m; if (-f $document_root/fast) { set $rate 0; }
location /slow/ { alias root/files/; limit_rate $rate; }
location /few/ { alias root/files/; limit_req zone=requests burst=2 nodelay; limit_req_status 429;
                 error_page 429 @later; }
location @later { add_header Retry-After 1 always; return 429; }
location /two/ { alias root/files/; limit_conn connections 2; limit_rate 100k; limit_conn_status 503; }
location /pair/ { alias root/files/; limit_conn connections 2; limit_rate 1600k; limit_conn_status 503; }
location /packed/ { alias root/files/; gzip on; gzip_types *; gzip_min_length 1; }
location /signed/ { alias root/files/; secure_link $arg_sig,$arg_exp;
                    secure_link_md5 "$secure_link_expires$uri secret";
                    if ($secure_link = "") { return 403; } if ($secure_link = "0") { return 410; } }
location /moved/ { rewrite ^/moved/(.*)$ /files/$1 redirect; }
location /secret/ { alias root/files/; if ($http_x_key != "CANARY") { return 401; } }
"""
SOON = RetryPolicy(attempts=20, base=0.05)


@pytest.fixture
def server(tmp_path):
    """One nginx whose locations serve the same files in different ways."""
    with nginx(tmp_path / "nginx", LOCATIONS, http=LIMITS) as found:
        yield found


def catalog(server, location, count, size=20_000):
    """The URL of a catalogue of `count` items, whose files are asked for below `location`."""
    for number in range(count):
        server.put(f"/files/{number}.tif", tif(size, number))
    urls = [server.url(f"/{location}/{number}.tif") for number in range(count)]
    return static_catalog(server, [stac_item(f"i{number}", data=url) for number, url in enumerate(urls)])


def assert_complete(dest, count, size=20_000):
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/i{number}/data.tif": tif(size, number) for number in range(count)}


def test_a_second_run_fetches_no_file_and_a_refresh_asks_for_each_by_its_validator(run_cli, server, dest):
    url = catalog(server, "files", 20)
    for _ in range(2):
        ended = run_cli("mirror", url, dest)
        assert ended.code == 0, ended.err
    assert_complete(dest, 20)
    assert server.statuses("/files/") == [200] * 20
    assert run_cli("mirror", url, dest, "--if-exists", "refresh").code == 0
    assert server.statuses("/files/")[20:] == [304] * 20


async def test_a_rate_limit_with_retry_after_slows_the_run_and_loses_nothing(server, dest):
    assert (await run(catalog(server, "few", 8), dest)).exit_code == 0
    assert_complete(dest, 8)
    assert 429 in server.statuses("/few/")


async def test_under_a_limit_on_connections_all_files_arrive(server, dest):
    report = await run(catalog(server, "two", 5, 150_000), dest, concurrency=5, retry=SOON)
    assert report.exit_code == 0
    assert_complete(dest, 5, 150_000)
    assert 503 in server.statuses("/two/")


async def test_compression_by_the_server_changes_no_file(server, dest):
    assert (await run(catalog(server, "packed", 3), dest)).exit_code == 0
    assert_complete(dest, 3)


async def test_redirects_are_followed(server, dest):
    assert (await run(catalog(server, "moved", 3), dest)).exit_code == 0
    assert_complete(dest, 3)
    assert server.statuses("/moved/") == [302] * 3


def signed_url(server, name, expires):
    digest = hashlib.md5(f"{expires}/signed/{name} secret".encode()).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return server.url(f"/signed/{name}?sig={signature}&exp={expires}")


def test_signatures_are_sent_as_given_and_an_expired_one_is_a_failure(run_cli, server, dest):
    catalog(server, "signed", 2)
    now = int(time.time())
    items = [
        stac_item("i0", data=signed_url(server, "0.tif", now + 6000)),
        stac_item("i1", data=signed_url(server, "1.tif", now - 6000)),
    ]
    ended = run_cli("mirror", static_catalog(server, items), dest)
    assert ended.code == 4, ended.err
    mirror = Mirrored(dest)
    assert mirror.bytes_of("i0") == tif(20_000, 0) and list(mirror.failed) == ["i1"]
    secret = items[0]["assets"]["data"]["href"].split("sig=")[1].split("&")[0]
    assert secret not in ended.err
    assert not [p for p in dest.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


async def test_files_that_need_a_key_fail_without_it_and_arrive_with_it(server, dest):
    url = catalog(server, "secret", 2)
    assert (await run(url, dest)).exit_code == 4
    assert (await run(url, dest, headers=(("X-Key", "CANARY"),))).exit_code == 0
    assert_complete(dest, 2)


async def test_a_large_file_over_slow_connections_comes_in_segments(server, dest):
    assert (await run(catalog(server, "slow", 1, 6_000_000), dest, parts=4)).exit_code == 0
    assert_complete(dest, 1, 6_000_000)
    found = server.statuses("/slow/")
    assert found.count(200) == 1 and found.count(206) == len(found) - 1 >= 3


async def test_where_two_connections_are_allowed_a_large_file_comes_by_two(server, dest):
    report = await run(catalog(server, "pair", 1, 9_000_000), dest, parts=4, retry=SOON)
    assert report.exit_code == 0
    assert_complete(dest, 1, 9_000_000)
    assert {206, 503} <= set(server.statuses("/pair/"))


def test_a_large_file_that_is_replaced_during_its_segments_is_one_version_of_it(run_cli, server, dest):
    url = catalog(server, "slow", 1, 9_000_000)
    running = run_cli.start("mirror", url, dest, "--parts", 4, "-q")
    wait_for(lambda: sum(path.stat().st_size for path in Mirrored(dest).partial) > 3_000_000)
    server.put("/new.tif", tif(9_000_000, 7), age=0)
    (server.folder / "root/new.tif").rename(server.folder / "root/files/0.tif")
    server.put("/fast", b"")
    assert running.finish().code == 0
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("i0") in (tif(9_000_000, 0), tif(9_000_000, 7))
    assert 412 in server.statuses("/slow/")
