"""A disk on which each write takes long: the event loop does not wait for it, and the copy is the same."""

import asyncio

import pytest

from support import engine
from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import tif
from support.slow_disk import slow_writes
from support.stac_server import stac_item
from support.wire_format import until

FILES = 300


def mixed(site):
    """Small files, some with one item and some with ten, and a few that need partial files."""
    yield from publish(site, [f"i{n}" for n in range(FILES)], size=2_000)
    for number in range(8):
        urls = {f"a{n}": site.put(f"/m{number}-{n}.tif", tif(3_000, n)) for n in range(10)}
        yield stac_item(f"many{number}", **urls)
        yield stac_item(f"large{number}", data=site.put(f"/l{number}.tif", tif(1_400_000, number)))


async def test_after_the_first_slow_write_none_is_made_in_the_loop(site, dest, landed):
    with slow_writes() as writes:
        report = await run(list(mixed(site)), dest)
    Mirrored(dest).check(report.exit_code)
    assert report.exit_code == 0 and report.fetched == FILES + 88
    assert writes.in_loop <= 2 and writes.in_threads > FILES  # one batch of a large body is two writes
    assert len(landed) <= 64


async def test_the_small_file_path_comes_back_when_the_disk_is_fast_again(
    troubled, dest, landed, pytestconfig
):
    if engine.DEFAULTS.get("transport") == "aiohttp" or pytestconfig.getoption("--small-files") == "off":
        pytest.skip("there is no small-file path")
    site = await troubled.site()
    items = publish(site, [f"i{n}" for n in range(2_000)], size=2_000)
    with slow_writes() as writes:
        running = asyncio.ensure_future(run(items, dest))
        await until(lambda: writes.in_threads >= 100)
        writes.seconds, before = 0.0, len(landed)
        report = await running
    assert report.exit_code == 0 and report.fetched == 2_000
    assert before <= 64 and len(landed) > 500


async def test_a_run_that_is_stopped_on_a_slow_disk_is_continued(site, dest):
    items = list(mixed(site))
    with slow_writes() as writes:
        running = asyncio.ensure_future(run(items, dest))
        await until(lambda: writes.in_threads >= 200)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        Mirrored(dest).check(130)
        report = await run(items, dest)
    Mirrored(dest).check(report.exit_code)
    assert report.exit_code == 0 and report.failed == []
