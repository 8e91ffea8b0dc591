"""Runs that are killed in the middle of a file of nginx: what the next run requests, by the access log."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlhub_async.transfer.resume import OVERLAP_BYTES
from support.command import Program
from support.counterparts import Nginx, nginx
from support.mirrored import Mirrored, wait_for
from support.server import noise, tif
from support.stac_server import stac_item, static_catalog

SIZE = 5_000_000
HALF = 2_560_000
STOPPING = (
    "limit_rate_after 3600k; set $rate 10k; if (-f $document_root/fast) { set $rate 0; } limit_rate $rate;"
)
"""Directives of a server that sends half of the file at once and the rest slowly, until there is /fast."""


@dataclass(frozen=True)
class Killed:
    """A run that was killed in the middle of its only file; the next run may keep `kept` bytes of it.

    Where there is a journal it says how many, not the size of the file:
    the last bytes may have no checkpoint.
    """

    url: str
    kept: int


def start_and_kill(server: Nginx, run_cli: Program, dest: Path, name: str, body: bytes) -> Killed:
    url = static_catalog(server, [stac_item("one", data=server.put(f"/{name}", body))])
    run = run_cli.start("mirror", url, dest)

    def kept() -> int:
        partial = Mirrored(dest).partial
        if any(path.suffix == ".journal" for path in partial):
            return Mirrored(dest).proven_bytes
        return sum(path.stat().st_size for path in partial)

    wait_for(lambda: kept() >= HALF - 400_000)
    run.kill()
    server.put("/fast", b"")
    return Killed(url, kept())


def complete(run_cli: Program, dest: Path, killed: Killed, body: bytes) -> None:
    ended = run_cli("mirror", killed.url, dest)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []


def range_requests(server: Nginx, name: str) -> list[dict[str, Any]]:
    """The request of the killed run is none of them. It may be logged before or after them."""
    return [entry for entry in server.log(name) if entry["range"]]


def etag(server: Nginx, name: str) -> str:
    """As nginx makes it: time and size in hexadecimal."""
    about = (server.folder / "root" / name).stat()
    return f'"{int(about.st_mtime):x}-{about.st_size:x}"'


COMPRESSING = "gzip on; gzip_types text/csv; gzip_min_length 1;"
VALIDATORS: dict[str, tuple[str, str]] = {
    "by its ETag": ("one.tif", ""),
    "by its date, where there is no ETag": ("one.tif", "etag off;"),
    "of a table that nginx would compress": ("one.csv", COMPRESSING),
}


@pytest.mark.parametrize("how", VALIDATORS)
def test_after_kill_nine_only_the_rest_is_requested(run_cli, tmp_path, dest, how):
    name, directives = VALIDATORS[how]
    body = tif(SIZE) if name.endswith("tif") else noise(SIZE).hex().encode()[:SIZE]
    with nginx(tmp_path / "nginx", STOPPING + directives) as server:
        killed = start_and_kill(server, run_cli, dest, name, body)
        complete(run_cli, dest, killed, body)
        *compared, second = range_requests(server, name)
        assert (second["status"], second["range"]) == (206, f"bytes={killed.kept}-")
        assert second["sent"] == SIZE - killed.kept < 0.6 * SIZE
        first = killed.kept - OVERLAP_BYTES
        assert [entry["range"] for entry in compared] == (
            [f"bytes={first}-{killed.kept - 1}"] if "etag off" in directives else []
        )
        if "etag off" in directives:
            assert second["if_range"].endswith(" GMT")
        else:
            assert second["if_range"] == etag(server, name)
        assert second["encoding"] == ""


def test_of_a_file_that_changed_before_the_next_run_no_old_byte_is_kept(run_cli, tmp_path, dest):
    with nginx(tmp_path / "nginx", STOPPING) as server:
        killed = start_and_kill(server, run_cli, dest, "one.tif", tif(SIZE))
        server.put("/one.tif", tif(SIZE, 2), age=60)
        complete(run_cli, dest, killed, tif(SIZE, 2))
        [second] = range_requests(server, "one.tif")
        assert (second["status"], second["sent"]) == (200, SIZE)
        assert second["range"] == f"bytes={killed.kept}-" and second["if_range"] != etag(server, "one.tif")


def test_where_ranges_are_switched_off_the_whole_file_is_fetched_again(run_cli, tmp_path, dest):
    with nginx(tmp_path / "nginx", STOPPING + "max_ranges 0;") as server:
        killed = start_and_kill(server, run_cli, dest, "one.tif", tif(SIZE))
        complete(run_cli, dest, killed, tif(SIZE))
        found = [(entry["status"], entry["sent"]) for entry in range_requests(server, "one.tif")]
        assert found == [(200, SIZE)]


def test_a_body_that_came_compressed_without_request_is_never_resumed(run_cli, tmp_path, dest):
    body = noise(SIZE)
    with nginx(tmp_path / "nginx", STOPPING + "gzip_static always;") as server:
        server.put("/one.csv.gz", gzip.compress(body, 1))
        killed = start_and_kill(server, run_cli, dest, "one.csv", body)
        complete(run_cli, dest, killed, body)
        assert {entry["encoding"] for entry in server.log("one.csv")} == {"gzip"}
        assert {entry["range"] for entry in server.log("one.csv")} == {""}
