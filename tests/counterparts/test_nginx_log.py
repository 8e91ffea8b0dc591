"""What nginx's own access log says of a resumed transfer, and what it asks of those who come: keys, trust."""

from __future__ import annotations

import gzip
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.command import Program
from support.counterparts import Nginx, nginx
from support.mirrored import Mirrored, wait_for
from support.server import noise, tif
from support.stac_server import stac_item, static_catalog

SIZE = 5_000_000
HALF = 2_560_000
SLOW = "if (!-f $document_root/fast) { set $limit_rate 2500k; }"


@dataclass(frozen=True)
class Cut:
    """A run that was killed in the middle of its only file: how many bytes it kept, and how to go on.

    Where there is a journal it says so, not the file's size: what was written last may have no mark yet.
    """

    url: str
    kept: int


def cut(server: Nginx, run_cli: Program, dest: Path, name: str, body: bytes) -> Cut:
    url = static_catalog(server, [stac_item("one", data=server.put(f"/{name}", body))])
    run = run_cli.start("mirror", url, dest)

    def kept() -> int:
        left = Mirrored(dest).partial
        journals = [path for path in left if path.suffix == ".journal"]
        if not journals:
            return sum(part.stat().st_size for part in left)
        marks = [line for path in journals for line in path.read_bytes().split(b"\n")[1:]]
        return max((int(mark.split()[0]) for mark in marks), default=0)

    wait_for(lambda: kept() >= HALF - 200_000)
    run.kill()
    server.put("/fast", b"")
    return Cut(url, kept())


def completed(run_cli: Program, dest: Path, half: Cut, body: bytes) -> None:
    ended = run_cli("mirror", half.url, dest)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []


def continued(server: Nginx, name: str) -> list[dict[str, Any]]:
    """The requests that asked for a range. That of the killed run may be logged before or after them."""
    return [told for told in server.log(name) if told["range"]]


def etag(server: Nginx, name: str) -> str:
    """As nginx makes it: time and size in hexadecimal."""
    about = (server.folder / "root" / name).stat()
    return f'"{int(about.st_mtime):x}-{about.st_size:x}"'


COMPRESSING = "gzip on; gzip_types text/csv; gzip_min_length 1;"
REST: dict[str, tuple[str, str]] = {
    "by its ETag": ("one.tif", ""),
    "by its date, where there is no ETag": ("one.tif", "etag off;"),
    "of a table that nginx would compress": ("one.csv", COMPRESSING),
}


@pytest.mark.parametrize("how", REST)
def test_after_kill_nine_only_the_rest_is_asked_for(run_cli, tmp_path, dest, how):
    name, directives = REST[how]
    body = tif(SIZE) if name.endswith("tif") else noise(SIZE).hex().encode()[:SIZE]
    with nginx(tmp_path / "nginx", SLOW + directives) as server:
        half = cut(server, run_cli, dest, name, body)
        completed(run_cli, dest, half, body)
        [second] = continued(server, name)
        assert (second["status"], second["range"]) == (206, f"bytes={half.kept}-")
        assert second["sent"] == SIZE - half.kept < 0.6 * SIZE
        if "etag off" in directives:
            assert second["if_range"].endswith(" GMT")
        else:
            assert second["if_range"] == etag(server, name)
        assert second["encoding"] == ""


def test_of_a_file_that_changed_in_between_no_old_byte_is_kept(run_cli, tmp_path, dest):
    with nginx(tmp_path / "nginx", SLOW) as server:
        half = cut(server, run_cli, dest, "one.tif", tif(SIZE))
        server.put("/one.tif", tif(SIZE, 2), age=60)
        completed(run_cli, dest, half, tif(SIZE, 2))
        [second] = continued(server, "one.tif")
        assert (second["status"], second["sent"]) == (200, SIZE)
        assert second["range"] == f"bytes={half.kept}-" and second["if_range"] != etag(server, "one.tif")


def test_where_ranges_are_switched_off_everything_comes_again(run_cli, tmp_path, dest):
    with nginx(tmp_path / "nginx", SLOW + "max_ranges 0;") as server:
        half = cut(server, run_cli, dest, "one.tif", tif(SIZE))
        completed(run_cli, dest, half, tif(SIZE))
        assert [(told["status"], told["sent"]) for told in continued(server, "one.tif")] == [(200, SIZE)]


def test_what_came_compressed_without_being_asked_is_never_gone_on_with(run_cli, tmp_path, dest):
    body = noise(SIZE)
    with nginx(tmp_path / "nginx", SLOW + "gzip_static always;") as server:
        server.put("/one.csv.gz", gzip.compress(body, 1))
        half = cut(server, run_cli, dest, "one.csv", body)
        completed(run_cli, dest, half, body)
        assert {told["encoding"] for told in server.log("one.csv")} == {"gzip"}
        assert {told["range"] for told in server.log("one.csv")} == {""}


def test_a_password_opens_what_is_refused_without_it_and_is_written_nowhere(run_cli, tmp_path, dest):
    secret = b64encode(b"somebody:CANARY").decode()
    closed = "location /closed/ { auth_basic mirror; auth_basic_user_file htpasswd; }"
    with nginx(tmp_path / "nginx", closed) as server:
        (server.folder / "htpasswd").write_text("somebody:{PLAIN}CANARY\n")
        open_, shut = server.put("/open.tif", tif(2000, 1)), server.put("/closed/shut.tif", tif(2000, 2))
        url = static_catalog(server, [stac_item("open", data=open_), stac_item("shut", data=shut)])
        ended = run_cli("mirror", url, dest)
        assert ended.code == 4 and "401" in ended.err
        Mirrored(dest).check(4)
        assert list(Mirrored(dest).failed) == ["shut"] and list(Mirrored(dest).files) == ["c1/open/data.tif"]
        ended = run_cli("mirror", url, dest, "-H", f"Authorization: Basic {secret}")
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)
        assert Mirrored(dest).bytes_of("shut") == tif(2000, 2)
        assert server.asked("open.tif") == 1
    left = [path.read_bytes() for path in dest.rglob("*") if path.is_file()]
    assert not [data for data in left if b"CANARY" in data or secret.encode() in data]


class TestTrust:
    """A server whose certificate was signed by an authority that no system knows."""

    @pytest.fixture
    def folder(self, authority):
        """Of a certificate for localhost."""
        authority.context("DNS:localhost")
        return authority.folder

    def test_it_is_trusted_by_those_who_name_the_authority(self, run_cli, tmp_path, dest, authority, folder):
        with nginx(tmp_path / "nginx", tls=folder, name="localhost") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest, "--ca-file", authority.pem)
            assert ended.code == 0, ended.err
            Mirrored(dest).check(0)
            assert Mirrored(dest).bytes_of("one") == tif(3000)

    def test_and_by_nobody_else(self, run_cli, tmp_path, dest, folder):
        with nginx(tmp_path / "nginx", tls=folder, name="localhost") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest)
            assert ended.code == 3 and "certificate" in ended.err
            assert server.asked(".json") == server.asked(".tif") == 0

    def test_not_under_another_name(self, run_cli, tmp_path, dest, authority, folder):
        with nginx(tmp_path / "nginx", tls=folder, name="127.0.0.1") as server:
            url = static_catalog(server, [stac_item("one", data=server.put("/one.tif", tif(3000)))])
            ended = run_cli("mirror", url, dest, "--ca-file", authority.pem)
            assert ended.code == 3 and "certificate" in ended.err
            assert server.asked(".json") == server.asked(".tif") == 0

    def test_a_file_that_lies_there_is_missing_and_the_rest_arrives(self, run_cli, tmp_path, dest, folder):
        with nginx(tmp_path / "plain") as plain, nginx(tmp_path / "tls", tls=folder) as closed:
            here, there = plain.put("/here.tif", tif(2000, 1)), closed.put("/there.tif", tif(2000, 2))
            items = [stac_item("here", data=here), stac_item("there", data=there)]
            ended = run_cli("mirror", static_catalog(plain, items), dest)
            assert ended.code == 4 and "certificate" in ended.err
            Mirrored(dest).check(4)
            assert Mirrored(dest).failed == {"there": "tls"}
            assert Mirrored(dest).files == {"c1/here/data.tif": tif(2000, 1)}
