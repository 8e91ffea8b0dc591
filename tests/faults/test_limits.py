"""The limits that a user sets, as the server sees them."""

import time

from support.mirrored import Mirrored, asset_requests, publish
from support.server import Delay, Status, When, tif
from support.stac_server import stac_item, static_catalog


def many(site, count, prefix="i", **about):
    return publish(site, [f"{prefix}{n}" for n in range(count)], **about)


def test_no_host_gets_more_than_its_share_of_connections(run_cli, troubled_thread, dest):
    one, two = troubled_thread.site(), troubled_thread.site()
    items = [
        item
        for site, prefix in ((one, "a"), (two, "b"))
        for item in many(site, 12, prefix, always=[Delay(0.03), When(lambda site=site: site.peak >= 3)])
    ]
    catalog = static_catalog(troubled_thread.site(), items)
    assert run_cli("mirror", catalog, dest, "-j", 16, "--max-per-host", 3).code == 0
    assert (one.peak, two.peak) == (3, 3)


def test_concurrency_counts_over_all_hosts_together(run_cli, site, dest):
    items = many(site, 12, always=[Delay(0.03), When(lambda: site.peak >= 2)])
    assert run_cli("mirror", static_catalog(site, items), dest, "-j", 2).code == 0
    assert site.peak == 2


def test_requests_per_second_stay_under_the_limit(run_cli, site, dest):
    items = many(site, 12)
    assert run_cli("mirror", static_catalog(site, items), dest, "--tpslimit", 10).code == 0
    times = [seen.time for seen in site.log]
    # A request may be seen late, not early: it is enough that one of the first few was seen in time.
    assert min((len(times) - 1 - n) / (times[-1] - times[n]) for n in range(4)) <= 11


def test_bytes_per_second_stay_under_the_limit(run_cli, site, dest):
    items = many(site, 6, size=100_000)
    assert run_cli("mirror", static_catalog(site, items), dest, "--bwlimit", "300K", "-j", 4).code == 0
    assert time.monotonic() - asset_requests(site)[0].time >= 600_000 / (300 << 10) - 0.1
    Mirrored(dest).check(0)


def test_after_429_no_request_reaches_the_origin_before_its_time(run_cli, site, dest):
    items = many(site, 30, always=[Delay(0.01)])
    site.put("/i5.tif", tif(20_000, 5), faults=[Status(429, retry_after=2)])
    assert run_cli("mirror", static_catalog(site, items), dest, "-j", 8).code == 0
    refused = site.requests["/i5.tif"][0].time
    # Each of the other connections may have a request in flight, and one more before the 429 is read.
    assert len([s.path for s in site.log if refused < s.time < refused + 2]) <= 2 * 7
    assert len(asset_requests(site)) == 31


def test_another_origin_goes_on_while_one_asks_for_a_pause(run_cli, troubled_thread, dest):
    busy, free = troubled_thread.site(), troubled_thread.site()
    items = many(busy, 4, "a") + many(free, 10, "b", always=[Delay(0.02)])
    for n in range(4):
        busy.things[f"/a{n}.tif"].faults.append(Status(503, retry_after=2))
    catalog = static_catalog(troubled_thread.site(), items)
    assert run_cli("mirror", catalog, dest, "-j", 8).code == 0
    refused = busy.log[0].time
    assert max(seen.time for seen in free.log) < refused + 2


def test_many_failures_cost_one_request_each_and_are_all_recorded(run_cli, site, dest):
    items = [stac_item(f"i{n}", data=site.url(f"/none{n}.tif")) for n in range(300)]
    ended = run_cli("mirror", static_catalog(site, items), dest)
    assert ended.code == 4
    assert len(Mirrored(dest).errors) == 300
    assert len(asset_requests(site)) <= 600
    assert len(ended.err.splitlines()) < 100


def test_more_failures_than_allowed_end_the_run(run_cli, site, dest):
    items = [stac_item(f"i{n}", data=site.url(f"/none{n}.tif")) for n in range(50)]
    ended = run_cli("mirror", static_catalog(site, items), dest, "--max-errors", 5, "-j", 1)
    assert ended.code == 4, ended.err
    assert len(asset_requests(site)) <= 20


def test_overwrite_fetches_again_and_refresh_sends_conditional_requests(run_cli, site, dest):
    url = static_catalog(site, many(site, 3, etag='"1"'))
    assert run_cli("mirror", url, dest).code == 0
    assert run_cli("mirror", url, dest, "--if-exists", "refresh").code == 0
    assert [s.headers.get("if-none-match") for s in asset_requests(site)] == [None] * 3 + ['"1"'] * 3
    assert run_cli("mirror", url, dest, "--if-exists", "overwrite").code == 0
    assert [s.headers.get("if-none-match") for s in asset_requests(site)[6:]] == [None] * 3
    Mirrored(dest).check(0)


def test_refresh_fetches_what_changed(run_cli, site, dest):
    url = static_catalog(site, many(site, 2, etag='"1"'))
    assert run_cli("mirror", url, dest).code == 0
    site.put("/i1.tif", tif(30_000, 9), etag='"2"')
    assert run_cli("mirror", url, dest, "--if-exists", "refresh").code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert (mirror.bytes_of("i0"), mirror.bytes_of("i1")) == (tif(20_000, 0), tif(30_000, 9))


def test_an_asset_that_the_catalogue_calls_updated_is_fetched_again(run_cli, site, dest):
    [item] = many(site, 1)
    url = static_catalog(site, [item])
    assert run_cli("mirror", url, dest).code == 0
    site.put("/i0.tif", tif(30_000, 9))
    static_catalog(site, [item | {"properties": {**item["properties"], "updated": "2026-01-01T00:00:00Z"}}])
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.bytes_of("i0") == tif(30_000, 9)


def test_a_new_item_with_the_url_of_an_old_file_needs_no_request(run_cli, site, dest):
    [item] = many(site, 1)
    url = static_catalog(site, [item])
    assert run_cli("mirror", url, dest).code == 0
    static_catalog(site, [item, item | {"id": "twin"}])
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.bytes_of("twin") == mirror.bytes_of("i0") and site.count("/i0.tif") == 1
