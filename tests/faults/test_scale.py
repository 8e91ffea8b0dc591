"""Memory, tasks, descriptors and transactions do not grow with the number of items, files or failures."""

import asyncio
import gc
import json
import os
import sqlite3
import struct
import sys
import time
from contextlib import closing

import pytest
from aiohttp.client_proto import ResponseHandler

from conftest import open_files
from mlhub_async import RetryPolicy, mirror
from mlhub_async.http.resilience.concurrency import MAX_LIMIT
from mlhub_async.http.transport.fast.connection import Connection
from support.command import PEAK
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish, unread_bytes, wait_for
from support.server import Cut, Stall, tif
from support.stac_server import Api, stac_item, static_catalog, static_catalog_files
from support.wire_format import Reply

MIB = 1 << 20
ITEMS = "/stac/collections/c1/items"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="reads /proc or kills")


def api_of_large_items(site, count):
    """An API of `count` items of eight kilobytes each, without assets, which are made on request."""
    api = Api(site, [stac_item("i0")])
    body = json.dumps(stac_item("ID", properties={"description": "x" * 8000}))

    def page(seen):
        at = int(seen.query.partition("at=")[2] or 0)
        items = ",".join(body.replace('"ID"', f'"i{n}"') for n in range(at, min(at + 100, count)))
        following = (
            f'{{"rel": "next", "href": "{site.url(ITEMS)}?at={at + 100}"}}' if at + 100 < count else ""
        )
        text = f'{{"type": "FeatureCollection", "features": [{items}], "links": [{following}]}}'
        return Reply(200, [("Content-Type", "application/json")], text.encode())

    site.route(ITEMS, page)
    return api.url


@posix_only
def test_five_thousand_more_items_take_no_more_memory(run_cli, troubled_thread, tmp_path):
    peaks = []
    for count in (500, 5_500):
        url = api_of_large_items(troubled_thread.site(), count)
        ended = run_cli("mirror", url, tmp_path / str(count), "-c", "c1", under=PEAK)
        assert ended.code == 0, ended.err
        receipt = Mirrored(tmp_path / str(count)).receipt
        assert receipt["listing"]["complete"] and receipt["listing"]["unique"] == count
        peaks.append(int(ended.err.rpartition("peak ")[2]))
    assert peaks[1] - peaks[0] <= 20, peaks


async def test_a_catalogue_of_many_links_does_not_start_a_task_for_each(tmp_path, dest):
    static_catalog_files(tmp_path / "many", [stac_item(f"i{n}") for n in range(800)])
    tasks = []

    async def each(*_):
        tasks.append(len(asyncio.all_tasks()))

    report = await mirror(tmp_path / "many/catalog.json", dest, each=each)
    assert report.exit_code == 0 and report.listing.unique == 800
    assert len(tasks) == 800 and max(tasks) < 2 * MAX_LIMIT


@posix_only
async def test_three_hundred_failures_leave_no_connection_open_and_are_all_recorded(troubled, dest):
    site = await troubled.site()
    items = publish(site, [f"i{n}" for n in range(300)], size=2000, always=[Cut(10, rst=True)])
    files, tasks = [], []

    def sample(*_):
        files.append(len(open_files()))
        tasks.append(len(asyncio.all_tasks()))

    site.answered = sample
    report = await run(items, dest, concurrency=16, retry=RetryPolicy(attempts=2, base=0))
    assert report.exit_code == 5 and report.failures == 300
    assert len(Mirrored(dest).errors) == 300 and len(asset_requests(site)) <= 600
    half = len(files) // 2
    assert max(files[half:]) <= max(files[:half]) + 8 and max(tasks) < 120
    assert Mirrored(dest).partial == []
    gc.collect()  # the report keeps the failures: without the connections on which they happened
    assert not [one for one in gc.get_objects() if isinstance(one, Connection | ResponseHandler)]


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell what it holds of a connection")
async def test_a_fast_network_waits_for_a_slow_disk(troubled, dest, monkeypatch):
    site = await troubled.site()
    body, exchanges, written, ahead = tif(48 * MIB), [], [0], []
    site.answered = lambda *exchange: exchanges.append(exchange)
    write = os.write

    def slow(descriptor, data):
        if len(data) < 4096:
            return write(descriptor, data)
        time.sleep(len(data) / (64 * MIB))
        # Without what the system buffers: that is not bounded by the program, and can be tens of megabytes.
        came = sum(sum(reply.sent) for _, reply in exchanges)
        ahead.append(came - sum(unread_bytes(seen) for seen, _ in exchanges) - written[0])
        written[0] += len(data)
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    items = [stac_item("one", data=site.put("/one.tif", body))]
    assert (await run(items, dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == body
    assert len(ahead) > 20 and max(ahead) < 10 * MIB


def count_commits(wal):
    """Transactions in a write-ahead log of SQLite: its frames that have the size of the database."""
    data = wal.read_bytes()
    page = struct.unpack(">I", data[8:12])[0]
    frames = (data[at : at + 8] for at in range(32, len(data), 24 + page))
    return sum(struct.unpack(">II", frame)[1] > 0 for frame in frames)


@posix_only
def test_small_assets_cost_one_request_each_and_few_transactions(run_cli, site, dest):
    items = publish(site, [f"i{n}" for n in range(500)], size=200)
    items.append(stac_item("last", data=site.put("/last.tif", tif(400_000), always=[Stall(1000)])))
    source = dest.parent / "items.json"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    running = run_cli.start("mirror", source, dest)
    wait_for(lambda: len(list(dest.glob("c1/i*/i*.json"))) == 500)
    running.kill()
    assert {seen.method for seen in site.log} == {"GET"} and len(site.log) == 501
    assert count_commits(dest / ".mlhub/ledger.sqlite-wal") < 50


@posix_only
def test_a_long_reader_of_the_ledger_disturbs_no_run(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    assert run_cli("mirror", url, dest).code == 0
    ledger = dest / ".mlhub/ledger.sqlite"
    with closing(sqlite3.connect(ledger, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM file WHERE role=0").fetchone() == (1,)
        url = static_catalog(site, publish(site, ["one", *(f"i{n}" for n in range(300))]))
        ended = run_cli("mirror", url, dest)
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)
        assert Mirrored(dest).receipt["assets"]["selected"] == 301
        assert reader.execute("SELECT count(*) FROM file WHERE role=0").fetchone() == (1,)
    assert run_cli("mirror", url, dest).code == 0
    left = dest / ".mlhub/ledger.sqlite-wal"
    assert not left.exists() or left.stat().st_size == 0
    assert run_cli("verify", dest).code == 0
