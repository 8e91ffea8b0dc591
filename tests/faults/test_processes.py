"""Signals, forks, locks, foreign ledgers, wrong clocks, and errors in the callbacks of a caller."""

import asyncio
import errno
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mlhub_async import Options, blocking, mirror
from mlhub_async.core.errors import Locked
from mlhub_async.engine.verify import status, verify
from support.command import REPOSITORY
from support.engine import AT_ONCE, make_options, run
from support.mirrored import Mirrored, asset_requests, publish, wait_for
from support.server import Cut, Delay, Drip, Stall, Status, When, date, tif, until
from support.stac_server import stac_item, static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")
JUMPING = """
import itertools, runpy, sys, time
real, steps = time.time, itertools.cycle(eval(sys.argv.pop(1)))
time.time = lambda: real() + next(steps)
runpy.run_module("mlhub_async", run_name="__main__")
"""
"""Runs the program with a wall clock that is wrong by the next of these seconds whenever it is read."""
DAY = 86400


@pytest.fixture
async def own(troubled):
    """A site in the event loop of the test."""
    return await troubled.site()


def test_a_second_signal_ends_the_run_at_once_and_no_partial_file_has_a_final_name(run_cli, site, dest):
    items = publish(site, ["one", "two"], 600_000, etag='"1"')
    site.things["/two.tif"].faults.append(Stall(400_000))
    url = static_catalog(site, items)
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: site.count("/two.tif") == 1 and (dest / "c1/one/data.tif").exists())
    for _ in range(2):
        running.process.send_signal(signal.SIGINT)
    assert running.finish(30).code == 130
    assert set(Mirrored(dest).files.values()) <= {tif(600_000, 0), tif(600_000, 1)}
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)


HOLD = """
import sys
from pathlib import Path
from mlhub_async.storage.local.destination import RunLock
RunLock(Path(sys.argv[1])).take()
"""


def other_process_takes(dest):
    """Whether another process gets the lock of DEST now."""
    words = [sys.executable, "-c", HOLD, dest / ".mlhub/lock"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    tried = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert tried.returncode == 0 or "another run owns this directory" in tried.stderr, tried.stderr
    return tried.returncode == 0


async def test_verify_status_and_a_refused_run_do_not_drop_the_lock_of_a_running_mirror(own, dest):
    """Closing any descriptor of the lock file in this process would drop its POSIX lock."""
    items = publish(own, ["one", "two"])
    own.things["/two.tif"].faults.append(Stall(100))
    going = asyncio.ensure_future(run(items, dest, timeout=30))
    await until(lambda: own.count("/two.tif") == 1 and (dest / "c1/one/data.tif").exists())
    assert not await asyncio.to_thread(other_process_takes, dest)
    await verify(dest)
    status(dest)
    with pytest.raises(Locked):
        await run(items, dest)
    assert not await asyncio.to_thread(other_process_takes, dest)
    going.cancel()
    await asyncio.wait([going])
    assert await asyncio.to_thread(other_process_takes, dest)


@pytest.mark.parametrize("left", ["", "4194304 a-host another-boot 1970-01-01", "\0" * 5000])
def test_the_content_of_a_lock_file_left_by_a_dead_run_is_ignored(run_cli, site, dest, left):
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub/lock").write_text(left)
    assert run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest).code == 0


def replace_database(path, script):
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(script)


FOREIGN = {
    "of another program": "CREATE TABLE file (x); PRAGMA application_id=7; PRAGMA user_version=1;",
    "of nobody": "CREATE TABLE t (x); INSERT INTO t VALUES (1);",
    "without its tables": "PRAGMA application_id=0x4D4C4842; PRAGMA user_version=1; CREATE TABLE t (x);",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_database_that_is_no_ledger_is_set_aside_and_the_files_are_recovered(run_cli, site, dest, kind):
    url = static_catalog(site, publish(site, ["one", "two"], etag='"1"'))
    assert run_cli("mirror", url, dest).code == 0
    ledger = dest / ".mlhub/ledger.sqlite"
    replace_database(ledger, FOREIGN[kind])
    theirs = ledger.read_bytes()
    ended = run_cli("mirror", url, dest)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert run_cli("verify", dest).code == 0
    [aside] = dest.glob(".mlhub/ledger.sqlite.corrupt-*")
    assert aside.read_bytes() == theirs, "kept as it was"


def test_the_ledger_of_a_newer_program_is_exit_code_2_and_is_not_changed(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    assert run_cli("mirror", url, dest).code == 0
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        database.execute("PRAGMA user_version=99")
    ended = run_cli("mirror", url, dest)
    assert ended.code == 2 and "newer mlhub-async (format 99)" in ended.err
    assert site.count("/one.tif") == 1 and not list(dest.glob(".mlhub/*.corrupt-*"))
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM file WHERE state=1").fetchone()[0] >= 1


def test_a_copy_of_a_mirror_is_a_mirror_that_needs_no_request(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two"]))
    assert run_cli("mirror", url, dest).code == 0
    copied = dest.parent / "copied"
    shutil.copytree(dest, copied)
    for place in (dest, copied):
        assert run_cli("mirror", url, place).code == 0
        assert run_cli("verify", place).code == 0
    assert len(asset_requests(site)) == 2


@pytest.mark.parametrize("steps", [[DAY, -DAY], [0, -(10**9)]], ids=str)
def test_no_wait_and_no_check_depends_on_the_wall_clock(run_cli, site, dest, steps):
    items = publish(site, [f"i{n}" for n in range(6)], 300_000, etag='"1"')
    site.things["/i1.tif"].faults.append(Status(503, retry_after=1))
    site.things["/i2.tif"].faults.append(Status(503, retry_after=date(time.time() + 1)))
    site.things["/i3.tif"].faults.extend([Cut(200_000), Status(500)])
    url = static_catalog(site, items)
    ended = run_cli.start_raw(sys.executable, "-c", JUMPING, steps, "mirror", url, dest).finish()
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    refused, again = (seen.time for seen in site.requests["/i1.tif"])
    assert 1 <= again - refused < 60
    assert run_cli("mirror", url, dest).code == 0
    assert len(asset_requests(site)) == 6 + 4


@pytest.mark.parametrize("wrong", [-900, 900, DAY, -365 * DAY])
def test_signed_urls_are_requested_whatever_the_wall_clock_says_about_their_expiry(
    run_cli, site, dest, wrong
):
    now = time.time() + wrong
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    site.put("/one.tif", tif(20_000), headers=[("Date", date(now))])
    url = static_catalog(site, [stac_item("one", data=site.url(f"/one.tif?st={stamp}&se={stamp}&sig=x"))])
    assert run_cli("mirror", url, dest).code == 0
    assert site.count("/one.tif") == 1


class CallbackError(Exception):
    """An error in a callback."""


@pytest.mark.parametrize("event", ["start", "page", "retry", "finish", "error"])
async def test_an_error_in_the_event_listener_ends_the_run_as_it_is_and_leaves_only_whole_files(
    own, dest, event
):
    items = publish(own, [f"i{n}" for n in range(20)], always=[Delay(0.002)])
    own.things["/i3.tif"].faults.append(Status(500))
    items.append(stac_item("lost", data=own.url("/lost.tif")))
    url = static_catalog(own, items)
    number = 0

    def told(said):
        nonlocal number
        number += said["event"] == event
        if number and said["event"] == event:
            raise CallbackError(event)

    with pytest.raises(CallbackError, match=event):
        await mirror(url, dest, make_options(allow_private=True, retry=AT_ONCE, concurrency=4), on_event=told)
    assert all(body in {tif(20_000, n) for n in range(20)} for body in Mirrored(dest).files.values())
    assert Mirrored(dest).receipt["exit_code"] == 1
    assert (await run(url, dest)).exit_code == 4
    assert len(Mirrored(dest).files) == 20


async def test_an_error_in_the_item_callback_ends_the_run_and_no_task_is_left(own, dest):
    async def each(item, records):
        await asyncio.sleep(0)
        raise CallbackError(item.id)

    items = publish(own, [f"i{n}" for n in range(20)])
    with pytest.raises(CallbackError):
        await mirror(items, dest, make_options(allow_private=True), each=each)
    assert (await run(items, dest)).exit_code == 0
    Mirrored(dest).check(0)


@pytest.mark.parametrize("limit", [None, 60.0])
async def test_a_timeout_error_of_the_item_callback_is_not_taken_for_max_duration(own, dest, limit):
    async def each(item, records):
        raise TimeoutError(errno.ETIMEDOUT, "a disk that is far away")

    with pytest.raises(TimeoutError, match="far away"):
        await mirror(
            publish(own, ["one"]), dest, make_options(allow_private=True, max_duration=limit), each=each
        )
    Mirrored(dest).check(1)


async def test_name_lookups_that_hang_do_not_delay_disk_writes(own, dest, monkeypatch):
    """Every thread of the default executor waits for the resolver; disk writes have threads of their own."""
    real, gate, asked = socket.getaddrinfo, threading.Event(), []

    def looked_up(host, *more, **options):
        if str(host).startswith("slow"):
            asked.append(host)
            gate.wait(120)
            raise socket.gaierror(socket.EAI_AGAIN, "no")
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4))
    own.put("/good.tif", tif(3_000_000), etag='"1"', always=[Drip(0.01, 50_000)])
    slow = [stac_item(f"s{n}", data=f"http://slow{n}.test/x.tif") for n in range(60)]
    items = [stac_item("good", data=own.url("/good.tif")), *slow]
    going = asyncio.ensure_future(run(items, dest, concurrency=64, durability="full"))
    try:
        await until(lambda: len(asked) >= 4)
        assert not (dest / "c1/good/data.tif").exists()
        await until((dest / "c1/good/data.tif").exists)
        assert not going.done()
    finally:
        gate.set()
    report = await going
    assert report.exit_code == 5 and Mirrored(dest).bytes_of("good") == tif(3_000_000)


def mirror_in_fork(gate, items, there, results):
    gate.wait(120)
    try:
        results.put(blocking.mirror(items, there, Options(allow_private=True)).exit_code)
    except Locked as error:
        results.put(error.exit_code)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
async def test_a_forked_process_does_not_drop_the_lock_and_can_run_its_own_mirror(own, dest):
    items = publish(own, ["one", "two"])
    go_on = asyncio.Event()
    own.things["/two.tif"].faults.append(When(go_on.is_set))
    fork = multiprocessing.get_context("fork")
    results, during, after = fork.SimpleQueue(), fork.Event(), fork.Event()
    going = asyncio.ensure_future(run(items, dest))
    await until(lambda: own.count("/two.tif") == 1)
    children = [
        fork.Process(target=mirror_in_fork, args=(gate, items, dest, results)) for gate in (during, after)
    ]
    for child in children:
        child.start()
    during.set()
    assert await asyncio.to_thread(results.get) == 11
    assert not await asyncio.to_thread(other_process_takes, dest)
    go_on.set()
    assert (await going).exit_code == 0
    after.set()
    assert await asyncio.to_thread(results.get) == 0
    for child in children:
        await asyncio.to_thread(child.join, 60)
        child.close()
    results.close()
    Mirrored(dest).check(0)
    assert len(asset_requests(own)) == 2
