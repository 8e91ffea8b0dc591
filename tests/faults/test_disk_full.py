"""A full disk: told and left with 7, or, with --on-full pause, waited for without losing what is there."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from contextlib import closing

import pytest

from mlhub_async.core.errors import DiskFailing, DiskFull, DiskFullWarning, StorageError
from mlhub_async.core.options import Options
from mlhub_async.core.telemetry import Events
from mlhub_async.engine.destination import disk_space_for
from mlhub_async.storage.ledger.ledger import Ledger
from mlhub_async.storage.ledger.rows import rows_of
from mlhub_async.storage.ledger.schema import ledger_error
from mlhub_async.storage.ledger.write_behind import WriteAheadLog
from mlhub_async.storage.local.disk_space import CHECK_SECONDS, PROBE_BYTES, REPORT_SECONDS, DiskSpace
from mlhub_async.storage.local.store import LocalStore
from support.engine import fetched
from support.mirrored import Mirrored, publish
from support.mounts import mounted, remount
from support.server import tif
from support.stac_server import stac_item, static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
FULL = DiskFull("c1/one/data.tif: No space left on device")


class Disk:
    """A disk that is watched by a clock which moves only when somebody sleeps."""

    def __init__(self, place, **chosen):
        self.partials = place / ".mlhub/partial"
        self.partials.mkdir(parents=True)
        self.now, self.told, self.looks = 100.0, [], 0
        self.room = DiskSpace(
            place, listener=lambda full, free: self.told.append((self.now, free)), clock=self.clock,
            sleep=self.sleep, **chosen,
        )  # fmt: skip
        self.full_for = 0
        self.third_look = asyncio.Event()

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        self.looks += 1
        if self.looks == 3:
            self.third_look.set()
        if self.looks == self.full_for:
            self.make_room()
        await asyncio.sleep(0)

    def make_room(self):
        """What happens at the look number `full_for`."""


@pytest.fixture
def small(tmp_path):
    """A file system of four megabytes."""
    with mounted(tmp_path / "small", "size=4M") as place:
        yield place


def fill(path, leave=0):
    """Take all the room there is, but for some bytes."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    if leave:
        os.truncate(path, path.stat().st_size - leave)


async def test_who_is_not_patient_is_told_what_was_met_at_once(tmp_path):
    disk = Disk(tmp_path)
    with pytest.raises(DiskFull) as caught:
        await disk.room.wait(FULL)
    assert caught.value is FULL and disk.looks == 0 and disk.told == [] and disk.room.full is None


async def test_all_wait_while_one_looks_and_all_go_on_when_there_is_room(small):
    disk = Disk(small, waits=True)
    fill(small / "other")
    disk.full_for, disk.make_room = 25, (small / "other").unlink
    await asyncio.gather(*[disk.room.wait(FULL) for _ in range(5)], disk.room.wait_until_free())
    assert disk.looks == 25 and disk.room.full is None
    times = [when for when, _ in disk.told]
    assert (
        times == [100.0, 100.0 + REPORT_SECONDS, 100.0 + 2 * REPORT_SECONDS]
        and 24 * CHECK_SECONDS < 3 * REPORT_SECONDS
    )
    assert {free for _, free in disk.told} == {0}
    assert list(disk.partials.iterdir()) == []


async def test_a_little_room_is_not_enough_to_go_on(small):
    disk = Disk(small, waits=True)
    fill(small / "other", leave=PROBE_BYTES // 2)
    disk.full_for, disk.make_room = 3, (small / "other").unlink
    await disk.room.wait(FULL)
    assert disk.looks == 3


async def test_who_looks_may_be_cancelled_and_another_one_goes_on_looking(small):
    disk = Disk(small, waits=True)
    fill(small / "other")
    waiting = [asyncio.ensure_future(disk.room.wait(FULL)) for _ in range(2)]
    await disk.third_look.wait()
    waiting[0].cancel()
    (small / "other").unlink()
    await waiting[1]
    assert waiting[0].cancelled()


async def test_a_run_that_ends_waits_no_longer(small):
    disk = Disk(small, waits=True)
    fill(small / "other")
    disk.full_for, disk.make_room = 2, disk.room.stop_waiting
    with pytest.raises(DiskFull):
        await disk.room.wait(FULL)
    assert disk.looks == 2


async def test_other_trouble_than_no_room_is_for_those_to_meet_who_wait(tmp_path):
    disk = Disk(tmp_path, waits=True)
    disk.partials.rmdir()
    await disk.room.wait(FULL)
    assert disk.looks == 1


async def test_what_is_waited_for_is_said_with_the_room_there_is(tmp_path):
    events = []
    room = disk_space_for(tmp_path, Options(on_full="pause"), Events(events.append))
    with pytest.warns(DiskFullWarning, match=r"is full \(.* free\): every transfer waits"):
        room._listener(FULL, 5 << 20)
    assert events[0]["event"] == "throttle" and events[0]["free"] == 5 << 20
    assert events[0]["error"] == {"class": "disk-full", "message": FULL.message, "retryable": False}


async def test_one_error_of_the_disk_is_forgiven_and_the_second_is_not(tmp_path):
    store = LocalStore(tmp_path)
    await store.recover(DiskFailing("input/output error"))
    for error in (DiskFailing("again"), DiskFull("no room"), StorageError("read-only")):
        with pytest.raises(StorageError) as caught:
            await store.recover(error)
        assert caught.value is error
    store.close()


async def test_a_batch_that_met_a_full_disk_is_committed_when_there_is_room(small):
    waited = []

    async def make_room(full):
        waited.append(full)
        (small / "other").unlink(missing_ok=True)

    store = LocalStore(small)
    store.wait_for_space = make_room
    ledger = Ledger(small, store)
    await ledger.open("here", "{}", "now")
    names = [f"{n:0>2000}" for n in range(60)]
    for name in names:
        await ledger.record([(fetched(name), "")])
    fill(small / "other")
    await ledger.flush()
    assert waited and all(isinstance(full, DiskFull) for full in waited)
    assert await ledger.query(lambda book: {record.path for _, record in book.finished()}) == {
        f"c1/{name}/data.tif" for name in names
    }
    await ledger.close()


async def test_a_full_disk_that_nobody_waits_for_leaves_the_batch_in_the_journal(small):
    ledger = Ledger(small, LocalStore(small))
    await ledger.open("here", "{}", "now")
    for n in range(60):
        await ledger.record([(fetched(f"{n:0>2000}"), "")])
    fill(small / "other")
    for _ in range(2):
        with pytest.raises(DiskFull):
            await ledger.flush()
    with pytest.raises(DiskFull):
        await ledger.close()
    with closing(WriteAheadLog(small)) as journal:
        assert len(journal.uncommitted()) == 60


def test_a_line_that_was_half_written_does_not_spoil_the_next_one(small):
    journal = WriteAheadLog(small)
    [row] = rows_of([(fetched("x" * 3000), "")])
    fill(small / "other")
    written = 0
    with pytest.raises(DiskFull):
        while True:
            journal.append([row])
            written += 1
    (small / "other").unlink()
    journal.append([row])
    assert journal.uncommitted() == [row] * (written + 1)
    journal.close()


def said(running, words):
    """The next line on stderr with these words."""
    while line := running.process.stderr.readline():
        if words in line:
            return line
    raise AssertionError(f"never said {words}")


def test_a_run_that_may_wait_goes_on_where_it_was_when_there_is_room(run_cli, site, small):
    url = static_catalog(site, more_than_fits(site))
    running = run_cli.start("mirror", url, small, "--on-full", "pause", "-j", 4, "--json")
    assert "B free): every transfer waits" in said(running, "is full")
    assert running.process.poll() is None
    remount(small, "size=40M")
    ended = running.finish()
    assert ended.code == 0, ended.err
    Mirrored(small).check(0)
    finished = [event for event in ended.events if event["event"] == "finish"]
    assert len(Mirrored(small).files) == len(finished) == 18
    assert all(event["bytes"] == event["total"] for event in finished), "some bytes came twice"
    assert "disk-full" in {event["error"]["class"] for event in ended.events if event["event"] == "throttle"}
    assert run_cli("verify", small).code == 0


def more_than_fits(site):
    """Large bodies, which are written as they come, and small ones, which are written at their end."""
    large = publish(site, [f"l{n}" for n in range(6)], 700_000, etag='"1"')
    little = [stac_item(f"s{n}", data=site.put(f"/s{n}.tif", tif(90_000, 50 + n))) for n in range(12)]
    return [*little[:6], *large, *little[6:]]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_and_the_next_run_goes_on(run_cli, site, small, number, code):
    url = static_catalog(site, more_than_fits(site))
    running = run_cli.start("mirror", url, small, "--on-full", "pause", "-j", 4, "-q")
    said(running, "every transfer waits")
    running.process.send_signal(number)
    ended = running.finish(30)
    assert ended.code == code, ended.err
    for name, body in Mirrored(small).files.items():
        kind, seed = name.split("/")[1][0], int(name.split("/")[1][1:])
        assert body == (tif(700_000, seed) if kind == "l" else tif(90_000, 50 + seed))
    remount(small, "size=40M")
    assert run_cli("mirror", url, small).code == 0
    Mirrored(small).check(0)


def test_a_disk_without_room_for_another_name_is_called_full(run_cli, site, small):
    remount(small, "nr_inodes=40")
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(40)]))
    ended = run_cli("mirror", url, small)
    assert ended.code == 7 and "No space left on device" in ended.err, ended.err
    remount(small, "nr_inodes=400")
    assert run_cli("mirror", url, small).code == 0
    Mirrored(small).check(0)


def test_sqlite_says_that_there_is_no_room_in_more_than_one_way(tmp_path):
    for code, kind in ((sqlite3.SQLITE_FULL, DiskFull), (sqlite3.SQLITE_IOERR_WRITE, StorageError)):
        error = sqlite3.OperationalError("whatever")
        error.sqlite_errorcode = code
        assert type(ledger_error(tmp_path, error)) is kind
