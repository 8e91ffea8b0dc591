"""The small-file path: what it brings, counts and asks for is what the general path does."""

from __future__ import annotations

import asyncio
import cProfile
import errno
import hashlib
import itertools
import json
import math
import os
import pstats
import random
import sqlite3
from contextlib import closing

import pytest

from mlhub_async.http.transport.fast.lane import ConnectionLane
from mlhub_async.http.transport.fast.pool import ConnectionPool
from support import engine
from support.counterparts import nginx
from support.engine import run
from support.faults import Cut, Delay, Drip, Gzip, Headers, Length, Raw, Stall, Status, html, redirect
from support.mirrored import Mirrored, asset_requests, publish
from support.server import noise, tif
from support.small_files import forced
from support.stac_server import stac_item
from support.wire_format import until

COLUMNS = "collection, item, role, key, path, state, size, sha256, proof, validator, stamp, error"
ORDINARY = 60
MAX_CALLS = 60
"""Python calls per small file, the listing and the item documents included."""
CONNECTIONS = 64


@pytest.fixture(autouse=True)
def lanes():
    if engine.DEFAULTS.get("transport") == "aiohttp":
        pytest.skip("only the fast transport has lanes")


@pytest.fixture
def fast_disk(monkeypatch):
    """Takes no write for slow that a busy machine delays."""
    for module in ("inline", "local.atomic_write"):
        monkeypatch.setattr(f"mlhub_async.storage.{module}.SLOW_SECONDS", math.inf)


@pytest.fixture
def fast_server(monkeypatch):
    """The same for answers."""
    monkeypatch.setattr(ConnectionLane, "give_away_older", lambda self, when: None)


@pytest.fixture(scope="module")
def new_loop():
    """Makes event loops as the program does: the other ones are written in Python themselves."""
    uvloop = pytest.importorskip("uvloop")
    uvloop.new_event_loop().close()  # the first one opens a pipe that the process keeps
    return uvloop.new_event_loop


def odd_assets(site):
    """Assets that are not ordinary, each in its own way."""
    sha = f"1220{hashlib.sha256(tif(900, 5)).hexdigest()}"
    yield "digest", site.put("/digest.tif", tif(900, 5)), {"file:checksum": sha}
    yield "wrong digest", site.put("/wrong.tif", tif(901, 5)), {"file:checksum": sha}
    yield "wrong size", site.put("/size.tif", tif(902)), {"file:size": 903}
    yield "same again", site.url("/digest.tif"), {}
    yield "lost", site.url("/lost.tif"), {}
    yield "query", site.put("/query.tif", tif(904)) + "?a=b", {}
    yield "no suffix", site.put("/none", tif(905)), {}
    yield "large", site.put("/large.tif", noise(600_000)), {}
    for name, fault in ODD_ANSWERS.items():
        yield name, site.put(f"/{name.replace(' ', '-')}.tif", tif(20_000), faults=[fault]), {}


ODD_ANSWERS = {
    "error once": Status(500),
    "busy once": Status(503),
    "forbidden once": Status(403),
    "page once": html(),
    "cut": Cut(5_000),
    "cut in the head": Raw(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "reset": Cut(5_000, rst=True),
    "compressed": Gzip(),
    "announced digest": Headers((("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),)),
    "two lengths": Headers((("X", "1"), ("X", "2"))),
    "other length": Length(1_000),
    "slow": Drip(0.01, 5_000),
    "stalls": Stall(100),
    "moved": redirect("/elsewhere.tif"),
}


def varied(site):
    site.put("/elsewhere.tif", tif(30_000, 9))
    items = publish(site, [f"i{n:02}" for n in range(ORDINARY)], size=3_000)
    for name, href, about in odd_assets(site):
        odd = stac_item(name, data=href)
        odd["assets"]["data"].update(about)
        items += [odd, *publish(site, [f"{name}-{n}".replace(" ", "-") for n in range(40)], size=2_000)]
    return items


def ledger_rows(dest):
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        return sorted(database.execute(f"SELECT {COLUMNS} FROM file"))


def told(dest):
    """What a run says of itself, without times."""
    receipt = {name: value for name, value in Mirrored(dest).receipt.items() if name not in VOLATILE}
    return [json.dumps(one) for one in (receipt, *ledger_rows(dest))]


VOLATILE = ("started", "finished", "manifest_sha256", "source")


async def outcome_of(site, dest, how, concurrency):
    site.requests.clear()
    with forced(how):
        report = await run(varied(site), dest, concurrency=concurrency, timeout=1.0, min_speed=0)
    Mirrored(dest).check(report.exit_code)
    asked = {path: len(seen) for path, seen in site.requests.items()}
    return told(dest), Mirrored(dest).files, asked, report.received


@pytest.mark.parametrize("concurrency", [1, 4, None])
async def test_receipt_ledger_files_and_requests_are_those_of_the_general_path(
    troubled, fast_disk, tmp_path, landed, concurrency
):
    site = await troubled.site()
    off = await outcome_of(site, tmp_path / "off/dest", "off", concurrency)
    assert not landed
    on = await outcome_of(site, tmp_path / "on/dest", "on", concurrency)
    assert len(landed) > ORDINARY
    assert set(on[0]) ^ set(off[0]) == set()
    assert set(on[2].items()) ^ set(off[2].items()) == set()
    assert on[1:] == off[1:]


async def test_no_wake_up_is_lost(troubled, dest, landed):
    site, pace = await troubled.site(), random.Random(1)
    for number in range(ROUNDS):
        faults = [Delay(pace.choice([0, 0, 0, 0.001, 0.003])) for _ in range(FILES)]
        names = [f"r{number}-{n}" for n in range(FILES)]
        items = [
            stac_item(name, data=site.put(f"/{name}.tif", tif(500), faults=[fault]))
            for name, fault in zip(names, faults, strict=True)
        ]
        report = await asyncio.wait_for(run(items, dest / str(number)), 120)
        assert report.exit_code == 0 and report.fetched == FILES
    assert len(landed) > ROUNDS * FILES // 2


ROUNDS, FILES = (200, 2_000) if os.environ.get("MLHUB_PROOF") == "long" else (4, 300)


def count_calls(run_it):
    profile = cProfile.Profile()
    profile.runcall(run_it)
    stats = pstats.Stats(profile).stats
    return sum(calls for (file, _, _), (_, calls, *_) in stats.items() if file != "~")


def test_a_small_file_costs_few_calls(new_loop, fast_disk, fast_server, tmp_path):
    """The difference of two runs: what a run costs in itself is not counted.

    From nginx, as with a slow server there are few files in each turn of the event loop.
    """
    with nginx(tmp_path / "nginx") as server:
        urls = [server.put(f"/{n}.tif", tif(16_384, n)) for n in range(900)]
        items = [stac_item(f"i{n}", **{f"a{k}": urls[n + k] for k in range(10)}) for n in range(0, 900, 10)]
        listings = {
            count: server.json(
                f"/{count}.json", {"type": "FeatureCollection", "features": items[: count // 10]}
            )
            for count in (300, 900)
        }

        def mirrored(count, name):
            mirror = run(listings[count], tmp_path / f"{name}{count}", concurrency=CONNECTIONS)
            with asyncio.Runner(loop_factory=new_loop) as runner:
                return count_calls(lambda: runner.run(mirror))

        mirrored(300, "warm")
        costs = []
        for attempt in range(3):  # on a machine that is busy some answers come late, and go the general way
            costs.append((mirrored(900, attempt) - mirrored(300, attempt)) / 600)
            if costs[-1] <= MAX_CALLS:
                return
        raise AssertionError(costs)


async def test_the_path_opens_the_connections_that_it_needs(fast_disk, fast_server, site, dest, landed):
    items = publish(site, [f"i{n}" for n in range(120)], size=2000)
    with forced("on"):
        report = await run(items, dest, concurrency=4)
    assert report.exit_code == 0 and len(landed) == 120
    assert 1 < len({seen.port for seen in asset_requests(site)}) <= 4


@pytest.mark.parametrize("how", ["on", "off"])
async def test_a_connection_that_cannot_be_opened_is_an_attempt(site, dest, monkeypatch, how):
    numbers, connect = itertools.count(1), ConnectionPool.connect

    async def fail(self, origin):
        if next(numbers) in {1, 2, 3, 8}:  # the first file fails before the host has answered
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        return await connect(self, origin)

    monkeypatch.setattr(ConnectionPool, "connect", fail)
    items = publish(site, [f"i{n}" for n in range(20)], headers=[("Connection", "close")])
    with forced(how):
        report = await run(items, dest, concurrency=1)
    assert set(Mirrored(dest).failed.values()) == {"unreachable"}
    assert report.fetched == len(asset_requests(site)) == 19 and next(numbers) == 19 + 4 + 1


async def test_a_run_that_is_stopped_leaves_nothing_behind(troubled, dest, landed):
    site = await troubled.site()
    items = publish(site, [f"i{n}" for n in range(500)], size=2_000, always=[Delay(0.001)])
    running = asyncio.ensure_future(run(items, dest))
    await until(lambda: len(landed) >= 50)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert Mirrored(dest).partial == []
    Mirrored(dest).check(130)
    assert (await run(items, dest)).exit_code == 0
    assert len(asset_requests(site)) <= len(items) + 64


async def test_an_origin_that_changes_its_mind_goes_the_general_way(troubled, dest, landed):
    """Every answer is odd from the hundredth on: nothing is lost, and nothing is asked for twice."""
    site = await troubled.site()
    items = publish(site, [f"i{n}" for n in range(300)], size=2_000)
    for n in range(100, 300):
        site.things[f"/i{n}.tif"].always = (Gzip(),)
    report = await run(items, dest, concurrency=4)
    assert report.exit_code == 0 and report.fetched == 300
    assert len(asset_requests(site)) == 300 and 0 < len(landed) <= 100


@pytest.mark.parametrize("workers", [1, 3])
async def test_no_more_files_are_under_way_than_there_are_workers(site, dest, landed, workers):
    """Also where files of the general path come in between, and others wait for one with the same URL."""
    items = publish(site, [f"i{n}" for n in range(120)], size=2000)
    for number in range(0, 120, 10):
        items.insert(
            number, stac_item(f"large{number}", data=site.put(f"/l{number}.tif", tif(600_000, number)))
        )
        items += [stac_item(f"again{number}-{n}", data=site.url(f"/i{number}.tif")) for n in range(40)]
    report = await run(items, dest, concurrency=workers)
    assert report.exit_code == 0 and landed
    assert site.peak <= workers and len(asset_requests(site)) == 132
