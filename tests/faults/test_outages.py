"""Hosts that go away, come back, refuse or ask for time, in whole runs on real sockets."""

import asyncio
import socket
import time

import aiohttp
import pytest

from mlhub_async import RetryPolicy, mirror
from mlhub_async.core.telemetry import Meter
from mlhub_async.http.resilience.circuit_breaker import MAX_REFUSALS_NEVER_GRANTED
from mlhub_async.http.transport.aiohttp import translate
from support.engine import make_options, run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import Delay, Gone, Raw, Status, date, tif, until
from support.stac_server import stac_item


def policy(retries, base=0.01):
    """Waits are a hundredth of what they are for users."""
    return RetryPolicy(attempts=retries + 1, base=base)


def names(prefix, count):
    return [f"{prefix}{n}" for n in range(count)]


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize(
    "trouble", [Gone("fin"), Gone("rst"), Status(502), Status(503), Status(429)], ids=str
)
async def test_a_host_that_is_down_costs_few_requests_and_holds_nobody_up(troubled, site, dest, trouble):
    dead = await troubled.site()
    items = publish(dead, names("dead", 200), always=[trouble]) + publish(site, names("ok", 20))
    report = await run(items, dest, concurrency=8, retry=policy(3, 0.3))
    assert report.exit_code == 5 and report.failures == 200
    mirror = Mirrored(dest)
    assert len(mirror.files) == 20
    assert all(row["error"]["retryable"] for row in mirror.errors)
    assert len(asset_requests(dead)) < 50
    given_up = dead.log[-1].time
    assert max(seen.time for seen in site.log) < given_up


async def test_a_host_that_goes_away_and_comes_back_loses_no_asset(site, dest):
    items = publish(site, names("i", 120), always=[Delay(0.002)])
    going = asyncio.ensure_future(run(items, dest, concurrency=8, retry=policy(8)))
    await until(lambda: len(site.log) > 40)
    site.always, away = (Gone("fin"),), time.monotonic()
    await until(lambda: time.monotonic() > away + 0.5)
    site.always, back = (), time.monotonic()
    report = await going
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    # Five failures and what was in flight with them, twice for aiohttp, then one probe at a time.
    assert sum(away < seen.time < back for seen in site.log) < 60


async def test_few_assets_of_a_host_that_takes_no_connections_for_a_while_are_not_lost(site, dest):
    """A server that is started again, or a network that is gone, while one file comes after the other."""
    stopped, retries = asyncio.Event(), []

    def told(event):
        if event["event"] == "finish":
            stopped.set()
        retries.extend([event] if event["event"] == "retry" else [])

    async def stop_and_start():
        await stopped.wait()
        await site.stop()
        await until(lambda: len(retries) > 5)  # more than a file has without waiting for its host
        await site.start_again()

    changing = asyncio.ensure_future(stop_and_start())
    options = make_options(allow_private=True, retry=policy(5, 0.05), concurrency=1)
    report = await mirror(publish(site, names("i", 3)), dest, options, on_event=told)
    changing.cancel()
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)


async def test_an_outage_longer_than_allowed_ends_in_5_and_the_next_run_completes(site, dest):
    items = publish(site, names("i", 60), always=[Delay(0.002)])
    going = asyncio.ensure_future(run(items, dest, concurrency=4, retry=policy(50), max_outage=0.3))
    await until(lambda: len(site.log) > 20)
    site.always = (Gone("fin"),)
    report = await going
    assert report.exit_code == 5 and "is out" in str(report.failed[-1].error)
    assert report.seconds < 60
    site.always = ()
    assert (await run(items, dest)).exit_code == 0
    Mirrored(dest).check(0)


async def test_few_assets_of_a_host_that_is_down_are_tried_as_often_as_retries_say(site, dest):
    items = publish(site, ["one"], always=[Status(502)])
    report = await run(items, dest, retry=policy(7))
    assert report.exit_code == 5
    assert len(asset_requests(site)) == 8


async def test_assets_that_are_broken_for_good_do_not_make_a_host_that_is_down(site, dest):
    items = publish(site, names("bad", 40), always=[Status(500)]) + publish(site, names("ok", 40))
    report = await run(items, dest, retry=policy(1), concurrency=4)
    assert report.exit_code == 5 and report.failures == 40
    assert len(Mirrored(dest).files) == 40
    assert len(asset_requests(site)) == 120


async def test_one_bad_asset_is_one_line_and_the_rest_goes_on(site, dest):
    items = publish(site, names("i", 20))
    site.things["/i7.tif"].always = (Gone("rst"),)
    report = await run(items, dest, retry=policy(8))
    assert report.exit_code == 5 and len(Mirrored(dest).files) == 19
    [row] = Mirrored(dest).errors
    assert (row["item"], row["error"]["class"]) == ("i7", "connection")


async def test_a_host_that_refuses_everything_is_asked_twenty_times_and_another_goes_on(troubled, site, dest):
    closed = await troubled.site()
    items = publish(closed, names("no", 200), always=[Status(403)]) + publish(site, names("ok", 10))
    report = await run(items, dest, concurrency=4)
    assert report.exit_code == 4 and report.failures == 200
    assert len(asset_requests(closed)) <= MAX_REFUSALS_NEVER_GRANTED + 4
    mirror = Mirrored(dest)
    mirror.check(4)
    assert set(mirror.failed.values()) == {"forbidden"} and len(mirror.files) == 10


async def test_an_object_store_that_says_403_for_what_is_not_there_is_asked_for_the_rest(site, dest):
    items = publish(site, names("a", 5)) + publish(site, names("no", 60), always=[Status(403)])
    report = await run(items + publish(site, names("z", 5)), dest, concurrency=2)
    assert report.exit_code == 4 and report.failures == 60
    assert len(Mirrored(dest).files) == 10


async def test_a_certificate_that_is_refused_is_not_looked_at_for_every_asset(
    troubled, authority, site, dest
):
    strange = await troubled.site("localhost", authority.context())
    items = publish(strange, names("no", 100)) + publish(site, ["ok"])
    report = await run(items, dest, concurrency=4)
    assert report.exit_code == 4 and report.failures == 100
    assert strange.connections <= 8 and asset_requests(strange) == []
    assert set(Mirrored(dest).failed.values()) == {"tls"}


@pytest.mark.parametrize("clock", [0, -86400, 86400], ids=["right", "behind", "ahead"])
async def test_a_date_to_come_back_at_counts_against_the_clock_of_the_server(site, dest, clock):
    items = publish(site, names("i", 12), always=[Delay(0.005)])
    now = time.time() + clock
    busy = Status(503, retry_after=date(now + 1), headers=(("Date", date(now)),))
    site.put("/i3.tif", tif(20_000, 3), faults=[busy])
    report = await run(items, dest, concurrency=2)
    assert report.exit_code == 0
    refused = site.requests["/i3.tif"][0].time
    later = [seen.time for seen in site.log if seen.time > refused]
    # The other connection may have had a request on its way, and another before the refusal was read.
    assert len([t for t in later if t < refused + 1]) <= 2 < len(later)
    assert max(later) < refused + 60


@pytest.mark.parametrize("when", ["past", "no date"])
async def test_a_date_that_says_nothing_is_not_waited_for(site, dest, when):
    now = time.time()
    said = date(now - 60) if when == "past" else "Fri, 32 Foo 2026"
    items = publish(site, ["one"], faults=[Status(503, retry_after=said)])
    report = await run(items, dest)
    assert report.exit_code == 0 and report.seconds < 30
    assert Mirrored(dest).bytes_of("one") == tif(20_000)


@pytest.mark.parametrize("said", ["0", date(1e9)])
async def test_to_come_back_at_once_is_no_time_to_come_back_at(site, dest, said):
    items = publish(site, ["one"], always=[Status(503, retry_after=said)])
    report = await run(items, dest, retry=policy(2))
    assert report.exit_code == 5 and Mirrored(dest).failed == {"one": "throttled"}
    assert site.count("/one.tif") == 3


async def test_a_host_that_only_puts_us_off_is_given_up_after_the_longest_outage(troubled, site, dest):
    busy = await troubled.site()
    items = publish(busy, names("no", 40), always=[Status(429, retry_after=1)]) + publish(site, ["ok"])
    report = await run(items, dest, max_outage=1.0, concurrency=2)
    assert report.exit_code == 5 and report.failures == 40 and report.seconds < 8
    assert set(Mirrored(dest).failed.values()) == {"throttled"} and len(Mirrored(dest).files) == 1
    assert len(asset_requests(busy)) < 20


async def test_a_date_to_come_back_at_counts_against_our_clock_where_the_server_tells_none(site, dest):
    items = publish(site, ["one"], faults=[Status(503, retry_after=date(time.time() + 2))])
    assert (await run(items, dest)).exit_code == 0
    first, second = (seen.time for seen in site.requests["/one.tif"])
    assert 0.9 < second - first < 3  # a date has no fractions of a second


@pytest.mark.parametrize(("code", "tries"), [(socket.EAI_AGAIN, None), (socket.EAI_NONAME, 3)])
def test_a_name_that_does_not_exist_is_looked_up_less_often_than_one_nobody_can_look_up(code, tries):
    theirs = aiohttp.ClientConnectorDNSError(None, socket.gaierror(code, "no"))
    ours = translate(theirs, "http://h.test/a?key=CANARY")
    assert (ours.kind, ours.tries) == ("dns", tries) and "CANARY" not in str(ours)


async def test_a_name_that_does_not_exist_fails_its_assets_as_temporary_and_no_other(site, dest):
    lost = [stac_item(name, data=f"http://nowhere.invalid/{name}.tif") for name in names("no", 100)]
    report = await run([*lost, *publish(site, ["ok"])], dest, concurrency=4)
    assert report.exit_code == 5 and report.failures == 100
    assert set(Mirrored(dest).failed.values()) == {"dns", "host-down"} and len(Mirrored(dest).files) == 1


async def test_who_watches_sees_that_a_host_is_waited_for(site, dest):
    items = publish(site, names("i", 5), faults=[Status(503, retry_after=1)])
    meter = Meter()
    options = make_options(allow_private=True, retry=policy(1))
    going = asyncio.ensure_future(mirror(items, dest, options, meter=meter))
    await until(lambda: bool(meter.held))
    [(host, end)] = meter.held.items()
    assert host == site.origin.removeprefix("http://")
    assert site.log[0].time + 1 < end < time.monotonic() + 1.1
    assert (await going).exit_code == 0
    assert meter.held[host] < time.monotonic()


async def test_of_a_kind_that_is_given_up_early_only_its_own_failures_count(site, dest):
    """A network that is bad in several ways at once is no server that does not speak HTTP."""
    mixed = [Gone("fin"), Status(502), Raw(b"no HTTP"), Gone("rst"), Raw(b"no HTTP"), Status(503)]
    items = publish(site, ["mixed"], faults=mixed) + publish(site, ["never"], always=[Raw(b"no HTTP")])
    report = await run(items, dest, retry=policy(9, base=0))
    assert report.exit_code == 5 and Mirrored(dest).failed == {"never": "protocol"}
    assert site.count("/never.tif") == 4 and "c1/mixed/data.tif" in Mirrored(dest).files
