"""A finished mirror whose files have other modification times alone: nothing is fetched again."""

import os
import shutil
import time

import pytest

from mlhub_async import verify
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import tif
from support.stac_server import static_catalog

CHANGES = {
    "whole seconds": lambda ns: ns // 10**9 * 10**9,
    "an hour later": lambda ns: ns + 3600 * 10**9,
    "copied now": lambda _: time.time_ns(),
}
NAMES = ["i1", "i2", "i3"]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def touch(dest, change):
    for path in dest.rglob("*"):
        if path.is_file() and ".mlhub" not in path.parts:
            ns = change(path.stat().st_mtime_ns)
            os.utime(path, ns=(ns, ns))


@pytest.mark.parametrize("change", CHANGES)
async def test_files_with_other_times_are_read_and_pruned_but_not_fetched(site, dest, change):
    items = publish(site, NAMES)
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    touch(dest, CHANGES[change])
    site.log.clear()
    report = await run(static_catalog(site, items[:-1]), dest, prune=True)
    assert (report.exit_code, report.skipped, asset_requests(site)) == (0, 2, [])
    assert sorted(Mirrored(dest).files) == ["c1/i1/data.tif", "c1/i2/data.tif"]
    assert (await verify(dest)).exit_code == 0
    site.log.clear()
    assert (await run(static_catalog(site, items[:-1]), dest)).skipped == 2 and asset_requests(site) == []


async def test_a_copy_of_a_mirror_goes_on_where_the_mirror_was(site, dest):
    items = publish(site, NAMES)
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    copy = dest.parent / "copy"
    shutil.copytree(dest, copy, copy_function=shutil.copyfile)
    site.log.clear()
    assert (await run(static_catalog(site, items), copy)).skipped == 3 and asset_requests(site) == []


@pytest.mark.parametrize("prune", [False, True])
async def test_other_bytes_under_another_time_are_fetched_again_and_never_removed(site, dest, prune):
    items = publish(site, NAMES)
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    for name in NAMES:
        (dest / f"c1/{name}/data.tif").write_bytes(b"x" * 20_000)
    report = await run(static_catalog(site, items[:-1]), dest, prune=prune)
    assert (report.exit_code, report.fetched) == (0, 2)
    assert Mirrored(dest).files["c1/i1/data.tif"] == tif(20_000, 0)
    assert Mirrored(dest).files["c1/i3/data.tif"] == b"x" * 20_000
