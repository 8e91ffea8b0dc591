"""Against nginx, a server that nobody here wrote: ranges, validators, limits, compression, signatures."""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from support.counterparts import free_port
from support.mirrored import Mirrored, wait_for
from support.server import tif
from support.stac_server import stac_item, static_catalog_files

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None or sys.platform == "win32", reason="nginx is not here")

CONFIG = """
daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log {at}/access.log; default_type application/octet-stream;
  client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3;
  uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;
  types {{ application/json json; image/tiff tif; text/csv csv; }}
  limit_req_zone $binary_remote_addr zone=few:1m rate=10r/s;
  limit_conn_zone $binary_remote_addr zone=two:1m;
  server {{
    listen 127.0.0.1:{port}; root {at}/www;
    set $pace 1m; if (-f {at}/www/fast) {{ set $pace 0; }}
    location /slow/ {{ alias {at}/www/files/; limit_rate $pace; }}
    location /few/ {{ alias {at}/www/files/; limit_req zone=few burst=2 nodelay; limit_req_status 429;
                      error_page 429 @later; }}
    location @later {{ add_header Retry-After 1 always; return 429; }}
    location /two/ {{ alias {at}/www/files/; limit_conn two 2; limit_rate 400k; limit_conn_status 503; }}
    location /packed/ {{ alias {at}/www/files/; gzip on; gzip_types *; gzip_min_length 1; }}
    location /rangeless/ {{ alias {at}/www/files/; max_ranges 0; limit_rate $pace; }}
    location /signed/ {{ alias {at}/www/files/; secure_link $arg_sig,$arg_exp;
                         secure_link_md5 "$secure_link_expires$uri secret";
                         if ($secure_link = "") {{ return 403; }} if ($secure_link = "0") {{ return 410; }} }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /files/$1 redirect; }}
    location /secret/ {{ alias {at}/www/files/; if ($http_x_key != "CANARY") {{ return 401; }} }}
  }}
}}
"""


class Nginx:
    """One nginx over a folder; `files` is what its many locations serve."""

    def __init__(self, at):
        self.at, self.files = at, at / "www/files"
        self.files.mkdir(parents=True)
        self.port = free_port()
        # Started by root it would become a user who cannot read our temporary directories.
        user = "user root;" if os.getuid() == 0 else ""
        (at / "nginx.conf").write_text(user + CONFIG.format(at=at, port=self.port))
        self.process = subprocess.Popen(
            [NGINX, "-p", at, "-c", at / "nginx.conf", "-e", at / "error.log"], stderr=subprocess.DEVNULL
        )
        wait_for(self.is_up)

    def is_up(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{path}"

    def catalog(self, items):
        static_catalog_files(self.at / "www/stac", items)
        return self.url("stac/catalog.json")

    def log(self):
        lines = (self.at / "access.log").read_text().splitlines()
        return [line.split('"') for line in lines]

    def statuses(self, path):
        """The status of every request for a path, in order."""
        return [int(line[2].split()[0]) for line in self.log() if f" /{path}" in line[1]]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture
def nginx(tmp_path):
    server = Nginx(tmp_path / "nginx")
    yield server
    server.stop()


def many(nginx, location, count, size=20_000):
    for seed in range(count):
        (nginx.files / f"{seed}.tif").write_bytes(tif(size, seed))
    return [stac_item(f"i{n}", data=nginx.url(f"{location}/{n}.tif")) for n in range(count)]


def assert_complete(dest, count, size=20_000):
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/i{n}/data.tif": tif(size, n) for n in range(count)}


def test_a_catalogue_and_its_files_are_mirrored_and_then_only_the_catalogue_is_read(run_cli, nginx, dest):
    url = nginx.catalog(many(nginx, "files", 20))
    for _ in range(2):
        ended = run_cli("mirror", url, dest)
        assert ended.code == 0, ended.err
    assert_complete(dest, 20)
    assert len(nginx.statuses("files/")) == 20
    assert run_cli("mirror", url, dest, "--if-exists", "refresh").code == 0
    assert nginx.statuses("files/")[20:] == [304] * 20


@pytest.mark.parametrize("location", ["slow", "rangeless"])
def test_after_kill_nine_the_rest_is_asked_for_or_everything_where_ranges_are_not_served(
    run_cli, nginx, dest, location
):
    # nginx calls a file that is younger than a second weakly known.
    [item] = many(nginx, location, 1, 3_000_000)
    os.utime(nginx.files / "0.tif", (1e9, 1e9))
    url = nginx.catalog([item])
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: Mirrored(dest).proven > 500_000)
    running.kill()
    (nginx.at / "www/fast").touch()
    assert run_cli("mirror", url, dest).code == 0
    assert_complete(dest, 1, 3_000_000)
    assert nginx.statuses(f"{location}/")[-1] == (206 if location == "slow" else 200)


def test_a_file_that_changed_between_two_runs_is_not_spliced(run_cli, nginx, dest):
    [item] = many(nginx, "slow", 1, 3_000_000)
    url = nginx.catalog([item])
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: sum(p.stat().st_size for p in Mirrored(dest).partial) > 1_000_000)
    running.kill()
    (nginx.at / "www/fast").touch()
    (nginx.files / "0.tif").write_bytes(tif(3_000_000, 77))
    os.utime(nginx.files / "0.tif", (1e9, 1e9))
    assert run_cli("mirror", url, dest).code == 0
    assert Mirrored(dest).bytes_of("i0") == tif(3_000_000, 77)


def test_a_rate_limit_with_retry_after_slows_the_run_and_loses_nothing(run_cli, nginx, dest):
    ended = run_cli("mirror", nginx.catalog(many(nginx, "few", 12)), dest)
    assert ended.code == 0, ended.err
    assert_complete(dest, 12)
    assert 429 in nginx.statuses("few/")


def test_a_limit_on_connections_is_lived_with(run_cli, nginx, dest):
    ended = run_cli("mirror", nginx.catalog(many(nginx, "two", 8, 100_000)), dest, "-j", 8)
    assert ended.code == 0, ended.err
    assert_complete(dest, 8, 100_000)
    assert 503 in nginx.statuses("two/")


def test_compression_on_the_way_leaves_the_bytes_as_they_are(run_cli, nginx, dest):
    assert run_cli("mirror", nginx.catalog(many(nginx, "packed", 3)), dest).code == 0
    assert_complete(dest, 3)


def test_redirects_are_followed(run_cli, nginx, dest):
    assert run_cli("mirror", nginx.catalog(many(nginx, "moved", 3)), dest).code == 0
    assert_complete(dest, 3)


def signed(nginx, name, expires):
    digest = hashlib.md5(f"{expires}/signed/{name} secret".encode()).digest()
    return nginx.url(
        f"signed/{name}?sig={base64.urlsafe_b64encode(digest).decode().rstrip('=')}&exp={expires}"
    )


def test_signatures_arrive_as_they_were_given_and_expired_ones_are_told(run_cli, nginx, dest):
    many(nginx, "signed", 2)
    now = int(time.time())
    items = [
        stac_item("i0", data=signed(nginx, "0.tif", now + 600)),
        stac_item("i1", data=signed(nginx, "1.tif", now - 600)),
    ]
    ended = run_cli("mirror", nginx.catalog(items), dest)
    assert ended.code == 4, ended.err
    mirror = Mirrored(dest)
    assert mirror.bytes_of("i0") == tif(20_000, 0) and list(mirror.failed) == ["i1"]
    secret = items[0]["assets"]["data"]["href"].split("sig=")[1].split("&")[0]
    assert secret not in ended.err
    assert not [p for p in dest.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]


def test_a_header_opens_what_is_closed_without_it(run_cli, nginx, dest):
    url = nginx.catalog(many(nginx, "secret", 2))
    assert run_cli("mirror", url, dest).code == 4
    assert run_cli("mirror", url, dest, "-H", "X-Key: CANARY").code == 0
    assert_complete(dest, 2)


PARTS = ("--parts", 4, "-q")


def test_a_large_file_whose_connections_are_slow_comes_in_parts(run_cli, nginx, dest):
    url = nginx.catalog(many(nginx, "slow", 1, 6_000_000))
    assert run_cli("mirror", url, dest, *PARTS).code == 0
    assert_complete(dest, 1, 6_000_000)
    found = nginx.statuses("slow/")
    assert found.count(200) == 1 and found.count(206) == len(found) - 1 >= 3


def test_where_only_two_connections_are_taken_a_large_file_comes_by_two(run_cli, nginx, dest):
    url = nginx.catalog(many(nginx, "two", 1, 4_200_000))
    assert run_cli("mirror", url, dest, *PARTS, "--retries", 20).code == 0
    assert_complete(dest, 1, 4_200_000)
    assert {206, 503} <= set(nginx.statuses("two/"))


def test_a_large_file_that_is_replaced_under_its_parts_is_one_version_of_it(run_cli, nginx, dest):
    [item] = many(nginx, "slow", 1, 9_000_000)
    running = run_cli.start("mirror", nginx.catalog([item]), dest, *PARTS)
    wait_for(lambda: sum(p.stat().st_size for p in Mirrored(dest).partial) > 3_000_000)
    (nginx.at / "new.tif").write_bytes(tif(9_000_000, 7))
    (nginx.at / "new.tif").rename(nginx.files / "0.tif")
    (nginx.at / "www/fast").touch()
    assert running.finish().code == 0
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("i0") in (tif(9_000_000, 0), tif(9_000_000, 7))
    assert 412 in nginx.statuses("slow/")
