"""Runs that are stopped, killed or out of disk while several streams bring one large file."""

import os
import signal
import sys

import pytest

from support.mirrored import Mirrored, asset_requests, wait_for
from support.mounts import mounted, remount
from support.server import Change, Drip, Stall, tif
from support.stac_server import stac_item, static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="parts need positional writes")
MIB = 1 << 20
SIZE = 12 * MIB + 12_345
BODY, NEW = tif(SIZE), tif(SIZE, 2)
PACED = Drip(0.004, 64 << 10)
WORDS = ("--parts", 4, "-q")


@pytest.fixture
def url(site):
    """A catalogue of one large file, the first part of which stalls while the others come."""
    href = site.put("/one.tif", BODY, etag='"1"', faults=[None, Stall(100_000)], always=[PACED])
    return static_catalog(site, [stac_item("one", data=href)])


def left(dest, kind="part"):
    [path] = [path for path in Mirrored(dest).partial if path.suffix == f".{kind}"]
    return path


def marks(dest):
    return [int(line.split()[0]) for line in left(dest, "journal").read_bytes().split(b"\n")[1:]]


def completed(run_cli, site, url, dest, body=BODY):
    """Run to the end; gives the headers of the first request for the file."""
    site.log.clear()
    assert run_cli("mirror", url, dest, *WORDS).code == 0
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body and Mirrored(dest).partial == []
    return asset_requests(site)[0].headers


def begun(run_cli, site, url, dest, requests=4):
    running = run_cli.start("mirror", url, dest, *WORDS)
    wait_for(lambda: len(asset_requests(site)) >= requests or running.process.poll() is not None)
    return running


def test_after_a_kill_bytes_beyond_a_hole_are_not_believed(run_cli, site, url, dest):
    running = begun(run_cli, site, url, dest, 6)
    running.kill()
    hole = int(asset_requests(site)[1].headers["range"][6:].split("-")[0])
    assert left(dest).stat().st_size > hole + MIB, "nothing lay beyond the hole"
    assert max(marks(dest), default=0) <= hole + 100_000
    asked = completed(run_cli, site, url, dest)
    assert asked["if-range"] == '"1"' and 0 < int(asked["range"][6:-1]) <= hole + 100_000


@pytest.mark.parametrize("requests", [2, 3, 4, 5])
def test_after_a_kill_at_any_moment_the_next_run_completes_the_file(run_cli, site, url, dest, requests):
    site.things["/one.tif"].faults.clear()
    begun(run_cli, site, url, dest, requests).kill()
    completed(run_cli, site, url, dest)


def test_after_a_kill_what_has_changed_since_is_begun_anew(run_cli, site, url, dest):
    begun(run_cli, site, url, dest, 6).kill()
    site.things["/one.tif"].faults.extend([Change(NEW, '"2"')])
    asked = completed(run_cli, site, url, dest, NEW)
    assert asked["if-range"] == '"1"'


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_all_parts_and_the_next_run_goes_on(run_cli, site, url, dest, name):
    running = begun(run_cli, site, url, dest, 6)
    running.process.send_signal(getattr(signal, name))
    assert running.finish(30).code == 128 + getattr(signal, name)
    assert int(completed(run_cli, site, url, dest)["range"][6:-1]) > 0


@pytest.fixture
def small(tmp_path):
    """A file system of eight megabytes."""
    with mounted(tmp_path / "small", "size=8M") as place:
        yield place


def test_a_full_disk_under_the_parts_ends_the_run_with_7(run_cli, site, url, small):
    site.things["/one.tif"].faults.clear()
    ended = run_cli("mirror", url, small / "dest", *WORDS)
    assert ended.code == 7 and "full" in ended.err
    assert Mirrored(small / "dest").files == {}


def test_a_full_disk_under_the_parts_can_be_waited_for(run_cli, site, url, small):
    site.things["/one.tif"].faults.clear()
    running = run_cli.start("mirror", url, small / "dest", *WORDS, "--on-full", "pause")
    wait_for(
        lambda: (
            os.statvfs(small).f_bavail == 0 or sum(p.stat().st_blocks for p in small.rglob("*.part")) > 12_000
        )
    )
    remount(small, "size=64M")
    assert running.finish().code == 0
    assert Mirrored(small / "dest").bytes_of("one") == BODY
