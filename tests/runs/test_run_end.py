"""Runs that the disk, the ledger or another run stops: no exit code 0, no open descriptor, no thread left."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest

from conftest import open_files
from mlhub_async import mirror, verify
from mlhub_async.api.downloads import OpenStores
from mlhub_async.core.errors import Locked, StorageError, UsageError
from mlhub_async.core.json_text import dumps
from mlhub_async.core.urls import Origin
from mlhub_async.engine import mirror as engine_mirror
from mlhub_async.engine.finish.run_end import Documents
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.storage.layout import WRITE_AHEAD_LOG_FILES
from mlhub_async.storage.ledger.ledger import Ledger
from mlhub_async.storage.ledger.write_behind import (
    COMMIT_ROWS,
    COMMIT_SECONDS,
    WriteAheadLog,
    uncommitted_rows,
)
from mlhub_async.storage.local.store import LocalStore
from support.command import AS_A_USER
from support.engine import fetched, make_options, run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import tif, until

resource = pytest.importorskip("resource", reason="POSIX limits")


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@contextmanager
def no_file_over(size):
    """Limit the size of the files of this process, which then fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_fetched(path):
    """Write the file of the outcome that `fetched` makes."""
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 1))


def refuse(_):
    raise sqlite3.OperationalError("disk I/O error")


async def commit_that_fails_in_the_background(ledger):
    """Let one batch fail, and the timer of the ledger be the first to notice."""
    gate, passed = threading.Event(), asyncio.Event()
    busy = asyncio.ensure_future(ledger.query(lambda _: gate.wait()))
    await asyncio.sleep(0)
    ledger.enqueue(refuse)
    for n in range(COMMIT_ROWS):
        await ledger.record([(fetched(f"a{n}"), "")])
    await ledger.record([(fetched("b"), "")])
    asyncio.get_running_loop().call_later(COMMIT_SECONDS + 0.02, passed.set)
    gate.set()
    await busy
    await passed.wait()


async def test_a_failed_commit_is_raised_by_every_later_call(tmp_path):
    ledger = Ledger(tmp_path, LocalStore(tmp_path))
    await ledger.open("here", "{}", "now")
    await commit_that_fails_in_the_background(ledger)
    for _ in range(2):
        with pytest.raises(StorageError, match="disk I/O error"):
            await ledger.flush()
        with pytest.raises(StorageError):
            ledger.backpressure()
        with pytest.raises(StorageError):
            await ledger.claim([])
    with pytest.raises(StorageError):
        await ledger.close()
    for n in range(COMMIT_ROWS):
        write_fetched(tmp_path / f"c1/a{n}/data.tif")
    write_fetched(tmp_path / "c1/b/data.tif")
    again = Ledger(tmp_path, LocalStore(tmp_path))
    await again.open("here", "{}", "later")
    found = await again.query(lambda book: len(list(book.finished())))
    await again.close()
    assert found == COMMIT_ROWS + 1


async def test_a_run_whose_ledger_refuses_a_row_has_exit_code_7(site, dest):
    assert (await run(publish(site, ["one"]), dest)).exit_code == 0
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        words = "WHEN NEW.item='two' AND NEW.state=1 BEGIN SELECT RAISE(ABORT, 'no room'); END"
        database.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON file {words}")
    items = publish(site, ["one", "two", "three"])
    with pytest.raises(StorageError, match="no room") as caught:
        await run(items, dest)
    assert caught.value.exit_code == 7
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        database.execute("DROP TRIGGER refuse")
    assert (await run(items, dest)).exit_code == 0
    Mirrored(dest).check(0)
    assert len(asset_requests(site)) == 3


@pytest.mark.parametrize("name", ["receipt.json", "errors.jsonl"])
async def test_a_receipt_that_cannot_be_written_is_a_storage_error(site, dest, name):
    (dest / ".mlhub" / name / "somebody's").mkdir(parents=True)
    with pytest.raises(StorageError, match=name):
        await run(publish(site, ["one"]), dest)


async def test_a_lock_file_that_cannot_be_opened_is_a_storage_error(site, dest):
    (dest / ".mlhub/lock").mkdir(parents=True)
    with pytest.raises(StorageError, match="choose another DEST"):
        await run(publish(site, ["one"]), dest)


@pytest.mark.parametrize("room", [0, 10], ids=["no room", "room for half a line"])
def test_a_write_ahead_log_that_takes_no_line_is_a_storage_error(tmp_path, room):
    journal = WriteAheadLog(tmp_path)
    row = ("c1", "one", 0, "data", "c1/one/data.tif", 1, 1, 1, "0", "size", "", "", "", "")
    with no_file_over(room), pytest.raises(StorageError, match="raise the limit"):
        journal.append([row])
    journal.close()


def test_the_write_ahead_log_gives_back_its_rows_and_those_of_earlier_versions(tmp_path):
    rows = [("c1", "one", 0, f"k{n}", f"c1/{n}.tif", 1, 1, 1, "0", "size", "", "", "", "") for n in range(5)]
    journal = WriteAheadLog(tmp_path)
    journal.append(rows[:2])
    journal.append(rows[2:3])
    journal.close()
    with open(tmp_path / WRITE_AHEAD_LOG_FILES[0], "ab") as file:
        file.write(dumps(rows[3]) + b"\n" + dumps(rows[4]) + b"\n" + dumps(rows)[:-2])
    assert uncommitted_rows(tmp_path) == rows


async def test_a_full_disk_is_no_reason_to_set_a_sound_ledger_aside(site, dest):
    items = publish(site, ["one", "two"])
    assert (await run(items, dest)).exit_code == 0
    with no_file_over(1000), pytest.raises(StorageError):
        await run(items, dest)
    assert list((dest / ".mlhub").glob("*.corrupt-*")) == []
    assert (await run(items, dest)).exit_code == 0
    assert len(asset_requests(site)) == 2


async def test_a_ledger_that_another_program_has_locked_is_not_set_aside(site, dest):
    items = publish(site, ["one"])
    assert (await run(items, dest)).exit_code == 0
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match="end the program that uses it"):
            await run(items, dest)
    assert list((dest / ".mlhub").glob("*.corrupt-*")) == []
    assert (await run(items, dest)).exit_code == 0
    assert len(asset_requests(site)) == 1


async def test_of_two_mirrors_of_one_dest_in_one_process_the_second_is_refused(site, dest):
    first, second = publish(site, ["one"]), publish(site, ["two"])
    ended = await asyncio.gather(run(first, dest), run(second, dest), return_exceptions=True)
    assert [getattr(one, "exit_code", one) for one in ended] == [0, 11]
    assert isinstance(ended[1], Locked)
    assert (await run(second, dest)).exit_code == 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
async def test_a_refused_run_leaves_nothing_open_and_nothing_of_the_other_run_removed(dest):
    with closing(LocalStore(dest)) as holder:
        holder.open()
        before, reserve = len(os.listdir("/proc/self/fd")), dest / ".mlhub/reserve"
        stores = OpenStores("process")
        for _ in range(3):
            with pytest.raises(Locked), stores.at(dest):
                pass
        assert len(os.listdir("/proc/self/fd")) == before and reserve.exists()
        with pytest.raises(Locked):
            await run([], dest)
        assert reserve.exists()
    assert not reserve.exists()
    with closing(stores), stores.at(dest) as store:
        assert store.root == dest


async def refused_by(why, dest):
    """Make DEST refuse every run until the returned context is left."""
    if why == "locked":
        holder = LocalStore(dest)
        holder.open()
        return closing(holder)
    await run([], dest)
    words = {
        "newer": "PRAGMA user_version=99",
        "full": "CREATE TRIGGER full BEFORE INSERT ON run BEGIN SELECT RAISE(ABORT, 'full'); END",
    }
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        database.execute(words[why])
    return nullcontext()


def threads_of_ours():
    return [one.name for one in threading.enumerate() if one.name.startswith("mlhub")]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(
    ("why", "error"), [("locked", Locked), ("newer", UsageError), ("full", StorageError)]
)
async def test_a_run_that_is_refused_leaves_no_descriptor_and_no_thread(dest, why, error):
    with await refused_by(why, dest):
        before, errors = len(os.listdir("/proc/self/fd")), []
        for _ in range(3):
            with pytest.raises(error) as caught:
                await run([], dest)
            errors.append(caught.value)
        assert len(os.listdir("/proc/self/fd")) == before
        assert threads_of_ours() == []


def files_open_in(dest):
    return [one for one in open_files() if str(dest) in one]


def state_of(dest):
    """The receipt, and the rows of the ledger's table of runs."""
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        return Mirrored(dest).receipt, database.execute("SELECT * FROM run").fetchall()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_failure_between_ledger_and_run_closes_the_ledger_as_it_was(site, dest, monkeypatch):
    """A bug where the parts of the run are put together."""
    items = publish(site, ["one"])
    assert (await run(items, dest)).ok
    before = state_of(dest)
    with monkeypatch.context() as broken:
        broken.delattr(engine_mirror, "Inventory")
        for _ in range(3):
            with pytest.raises(NameError):
                await mirror(items, dest, make_options(allow_private=True))
    assert files_open_in(dest) == [] and threads_of_ours() == []
    assert not (dest / ".mlhub/ledger.sqlite-wal").exists()
    assert state_of(dest) == before
    assert (await run(items, dest)).skipped == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
async def test_a_run_that_is_cancelled_while_its_ledger_is_opened_leaves_it_closed(dest):
    """SQLite waits for the lock of another program, which ends after the cancellation: the ledger opens."""
    assert (await run([], dest)).ok
    before = state_of(dest)
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite", check_same_thread=False)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        going = asyncio.ensure_future(run([], dest))
        await until(lambda: any(name.startswith("mlhub-ledger") for name in threads_of_ours()))
        await asyncio.sleep(0.1)
        threading.Timer(0.3, other.close).start()
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
    assert files_open_in(dest) == [] and threads_of_ours() == []
    assert state_of(dest) == before
    assert (await run([], dest)).ok


@pytest.mark.parametrize(
    "kept",
    [b"", b"{", b"[1]", b'{"http://h.test:80": "x", "": -1, "http://i.test:80": 99999999999999999999}'],
)
async def test_learned_limits_that_cannot_be_read_are_ignored(site, dest, kept):
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub/pace.json").write_bytes(kept)
    assert (await run(publish(site, ["one"]), dest)).ok


@pytest.mark.skipif(shutil.which("setpriv") is None or os.geteuid() != 0, reason="needs setpriv and root")
def test_finished_files_that_are_read_only_can_still_be_checked(run_cli, troubled_thread, dest):
    site = troubled_thread.site()
    if subprocess.run([*AS_A_USER, "true"], check=False).returncode:
        pytest.skip("no right to give up rights")
    items = dest.parent / "items.json"
    items.write_text(f'{{"type": "FeatureCollection", "features": {json.dumps(publish(site, ["one"]))}}}')
    assert run_cli("mirror", items, dest, "--allow-private").code == 0
    (dest / "c1/one/data.tif").chmod(0o444)
    ended = run_cli("mirror", items, dest, "--allow-private", "--verify", "checksum", under=AS_A_USER)
    assert ended.code == 0, ended.err
    assert len(asset_requests(site)) == 1
    assert Mirrored(dest).bytes_of("one") == tif(20_000)


async def test_waiting_and_admitted_requests_can_be_cancelled_at_the_same_time():
    gate = OriginLimits(1).gate(Origin("http", "h.test", 80))

    async def hop():
        if not gate.enter_at_once():
            await gate.enter()
        try:
            await asyncio.Event().wait()
        finally:
            gate.leave()

    hops = [asyncio.ensure_future(hop()) for _ in range(4)]
    await asyncio.sleep(0)
    for one in hops:
        one.cancel()
    ended = await asyncio.gather(*hops, return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError] * 4
    assert gate.enter_at_once()


@pytest.mark.parametrize("step", ["write_catalogue", "write_errors", "write_receipt"])
async def test_a_run_that_is_interrupted_while_it_ends_leaves_a_receipt(site, dest, monkeypatch, step):
    loop, cancelled = asyncio.get_running_loop(), threading.Event()
    work, write = [], getattr(Documents, step)

    def stop():
        work[0].cancel(143)
        cancelled.set()

    def interrupted(documents, book):
        write(documents, book)
        if not cancelled.is_set():
            loop.call_soon_threadsafe(stop)
            assert cancelled.wait(10)

    monkeypatch.setattr(Documents, step, interrupted)
    options = make_options(allow_private=True, durability="full")  # the ledger has its thread
    work.append(asyncio.ensure_future(mirror(publish(site, ["one", "two"]), dest, options)))
    with pytest.raises(asyncio.CancelledError):
        await work[0]
    code = 0 if step == "write_receipt" else 143
    Mirrored(dest).check(code)
    assert (await verify(dest)).exit_code == code and Mirrored(dest).partial == []
    assert (await run(publish(site, ["one", "two"]), dest)).exit_code == 0
    assert len(asset_requests(site)) == 2
