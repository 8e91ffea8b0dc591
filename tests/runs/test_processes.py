"""Runs with worker processes: the same mirror as with one process, whatever ends early."""

import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlhub_async import mirror
from support.engine import AT_ONCE, make_options, run
from support.kill_loop import children_of
from support.mirrored import Mirrored
from support.server import Delay, Status, tif
from support.stac_server import stac_item

FILES = 60


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items(site, count=FILES, **about):
    return [
        stac_item(f"i{n}", data=site.put(f"/{n}.tif", tif(2_000, n), etag=f'"{n}"', **about))
        for n in range(count)
    ]


async def test_two_processes_make_the_mirror_that_one_makes(site, tmp_path):
    given = items(site)
    given.append(stac_item("lost", data=site.url("/lost.tif")))
    given.append(stac_item("again", data=given[0]["assets"]["data"]["href"]))
    one = await run(given, tmp_path / "one")
    requested = len(site.log)
    two = await run(given, tmp_path / "two", processes=2)
    assert len(site.log) == 2 * requested, "a URL of two items is fetched once, a missing one asked for once"
    assert (one.exit_code, two.exit_code) == (4, 4)
    receipts = [Mirrored(tmp_path / name).receipt for name in ("one", "two")]
    for name in ("assets", "bytes", "manifest_sha256", "listing"):
        assert receipts[0][name] == receipts[1][name]
    assert Mirrored(tmp_path / "one").files == Mirrored(tmp_path / "two").files
    assert Mirrored(tmp_path / "two").failed == {"lost": "not-found"}
    assert Mirrored(tmp_path / "two").partial == []


async def test_a_second_run_fetches_nothing(site, dest):
    given = items(site)
    await run(given, dest, processes=2)
    site.log.clear()
    report = await run(given, dest, processes=2)
    assert report.exit_code == 0 and site.log == []


async def test_the_limit_of_a_host_is_that_of_all_processes(site, dest):
    given = items(site, always=[Delay(0.02)])
    report = await run(given, dest, processes=3, max_per_host=4)
    assert report.exit_code == 0
    assert site.peak == 4


async def test_one_url_after_the_other_from_a_host_that_allows_one(site, dest):
    report = await run(items(site, 20), dest, processes=3, max_per_host=1)
    assert (report.exit_code, site.peak) == (0, 1)


async def test_fail_fast_ends_all_processes(site, dest):
    given = [*items(site), stac_item("lost", data=site.url("/lost.tif"))]
    report = await run(given, dest, processes=2, fail_fast=True)
    assert report.exit_code == 4 and report.failures == 1


async def test_bytes_in_total_are_those_of_all_processes(site, dest):
    report = await run(items(site), dest, processes=2, max_transfer=20_000)
    assert report.exit_code == 8
    assert sum(map(len, Mirrored(dest).files.values())) <= 20_000
    assert (await run(items(site), dest, processes=2)).exit_code == 0


async def test_events_are_those_of_one_process(site, tmp_path):
    kinds = []
    for name, processes in (("one", 1), ("two", 2)):
        told = []
        options = make_options(retry=AT_ONCE, allow_private=True, processes=processes)
        given = items(site, 10)
        site.things["/3.tif"].faults.append(Status(500))
        await mirror(given, tmp_path / name, options, on_event=told.append)
        kinds.append(sorted((one["event"], one.get("item") or "") for one in told))
    assert kinds[0] == kinds[1]


def is_worker(pid):
    """Not another child of this process, such as the server that starts programs for tests."""
    with suppress(OSError):
        return b"executors.remote.process_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextmanager
def killing(site, path, times):
    """Kill the process that asks for a path, so many times."""
    killed = []

    def kill(seen, reply):
        if seen.path == path and len(killed) < times:
            workers = [one for one in children_of(os.getpid()) if is_worker(one)]
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            killed.append(workers)

    site.answered = kill
    yield killed


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
async def test_what_a_killed_worker_had_is_fetched_by_another(site, tmp_path):
    given = items(site)
    one = await run(given, tmp_path / "one")
    with killing(site, "/30.tif", times=1) as killed:
        two = await run(given, tmp_path / "two", processes=2)
    assert killed and (one.exit_code, two.exit_code) == (0, 0)
    assert Mirrored(tmp_path / "one").receipt["manifest_sha256"] == two.manifest_sha256


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
async def test_an_asset_that_ends_every_worker_is_a_row_and_no_hang(site, dest):
    with killing(site, "/7.tif", times=100) as killed:
        report = await run(items(site, 12), dest, processes=2)
    assert Mirrored(dest).failed == {"i7": "worker-lost"}
    assert report.exit_code == 4 and 2 <= len(killed) <= 4
    assert Mirrored(dest).receipt["assets"]["verified_size"] == 11
