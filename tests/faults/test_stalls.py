"""The last files of a run: one that stalls is begun anew soon, once, and never at the price of its bytes."""

import pytest

from mlhub_async import RetryPolicy
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Delay, Drip, Stall, tif

ONCE = RetryPolicy(attempts=1, base=0)
PATIENCE = 3.0
"""Of which a sixth without a byte is enough at the end of a run."""


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_last_file_that_stalls_goes_on_over_another_connection(site, dest):
    items = publish(site, ["one", "two"], size=600_000, etag='"1"')
    site.things["/two.tif"].faults.append(Stall(400_000))
    report = await run(items, dest, timeout=PATIENCE, retry=ONCE)
    assert report.exit_code == 0
    assert Mirrored(dest).bytes_of("two") == tif(600_000, 1)
    first, second = site.requests["/two.tif"]
    assert (first.headers.get("range"), second.headers["range"]) == (None, "bytes=400000-")
    assert second.time - first.time < PATIENCE
    assert site.count("/one.tif") == 1


async def test_a_last_file_without_any_answer_is_asked_for_once_more_and_not_twice(site, dest):
    items = publish(site, ["one"], always=[Stall(0)])
    report = await run(items, dest, timeout=PATIENCE, retry=ONCE)
    assert report.exit_code == 5 and report.seconds > PATIENCE
    assert len(asset_requests(site)) == 2


async def test_many_bytes_that_would_be_lost_are_waited_for(site, dest):
    items = publish(site, ["one"], size=3_000_000)
    site.things["/one.tif"].faults.append(Stall(2_000_000))
    report = await run(items, dest, timeout=PATIENCE, retry=ONCE)
    assert report.exit_code == 5 and len(asset_requests(site)) == 1


@pytest.mark.parametrize("slow", [Drip(0.1, 2000), Delay(0.3)], ids=["slow body", "late head"])
async def test_a_file_that_is_only_slow_is_left_alone(site, dest, slow):
    items = publish(site, ["one"], always=[slow])
    report = await run(items, dest, timeout=PATIENCE, retry=ONCE)
    assert report.exit_code == 0 and len(asset_requests(site)) == 1


async def test_the_last_files_get_no_more_connections_at_a_time_than_allowed(site, dest):
    items = publish(site, [f"i{n}" for n in range(6)], etag='"1"', faults=[Stall(1000)])
    report = await run(items, dest, timeout=PATIENCE, retry=ONCE, max_per_host=3)
    assert report.exit_code == 0 and site.peak <= 3
    assert len(asset_requests(site)) == 12
    Mirrored(dest).check(0)
