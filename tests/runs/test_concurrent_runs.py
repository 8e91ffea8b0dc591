"""Several runs on one DEST where locks do nothing: each may waste its time, none may spoil a file."""

import contextlib
import os
import random
import sqlite3
import sys
import threading

import pytest

from mlhub_async.core.errors import PartialLost
from mlhub_async.core.model import PartialHeader
from mlhub_async.storage.local.partials import Partials
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.storage.local.writer import WriterThreads
from support.mirrored import Mirrored, assert_whole, wait_for
from support.server import Change, Drip, tif
from support.stac_server import stac_item, static_catalog

UNLOCKED = """
import fcntl, runpy
fcntl.lockf = lambda *a: None
runpy.run_module("mlhub_async", run_name="__main__")
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
ONE = ("c1", "one", "data")
SIZE = 3 << 20
OLD, NEW = tif(SIZE, 1), tif(SIZE, 2)


@contextlib.contextmanager
def partials(folder):
    """One run's view of the directory of unfinished files, without any lock."""
    disk = WriterThreads()
    found = Partials(folder, disk, None)
    found.open()
    found.find_left()
    try:
        yield found
    finally:
        disk.close()
        found.close()


async def begun(run, body, upto):
    """A file with the first bytes of a body, tied to their version."""
    file = run.open_file(ONE)
    file.body.begin([], SIZE)
    file.bind(PartialHeader('"1"', SIZE))
    await put(file, body[:upto])
    return file


async def put(file, data):
    for at in range(0, len(data), 1 << 18):
        if (busy := file.body.write(data[at : at + (1 << 18)])) is not None:
            await busy
    await file.body.settled()


async def test_a_file_that_was_taken_over_is_not_emptied_by_the_run_that_began_it(tmp_path):
    with partials(tmp_path) as first:
        ours = await begun(first, OLD, 2 << 20)
        with partials(tmp_path) as second:
            theirs = second.open_file(ONE)
            assert theirs.left is not None
            await theirs.body.adopt([], SIZE)
            proven = theirs.body.offset
            assert 0 < proven <= 2 << 20
            ours.body.begin([], SIZE)
            ours.bind(PartialHeader('"2"', SIZE))
            await put(ours, NEW)
            await put(theirs, OLD[proven:])
            await theirs.body.complete()
            theirs.body.finish(False)
            assert (tmp_path / theirs.body.path).read_bytes() == OLD
            await theirs.drop()
        await ours.body.complete()
        ours.body.finish(False)
        assert (tmp_path / ours.body.path).read_bytes() == NEW
        await ours.drop()


async def test_of_two_runs_that_find_the_same_unfinished_file_one_gets_it(tmp_path):
    with partials(tmp_path) as before:
        await (await begun(before, OLD, 2 << 20)).keep()
    with partials(tmp_path) as one, partials(tmp_path) as other:
        files = [one.open_file(ONE), other.open_file(ONE)]
        assert [file.left is None for file in files] == [False, True]
        await files[0].drop()
        await files[1].drop()
    assert list(tmp_path.iterdir()) == []


async def test_what_somebody_else_removed_is_told_as_such_and_leaves_no_name(tmp_path):
    store = LocalStore(tmp_path)
    store.open()
    file = store.open_partial(ONE)
    file.body.begin([], SIZE)
    await put(file, OLD)
    await file.body.complete()
    (tmp_path / ".mlhub/partial" / file.body.path).unlink()
    with pytest.raises(PartialLost):
        await file.commit("c1/one/data.tif")
    await file.drop()
    store.close()
    assert not (tmp_path / "c1/one/data.tif").exists()


def test_a_document_is_written_whatever_a_run_that_begins_meanwhile_removes(tmp_path):
    store = LocalStore(tmp_path)
    store.open()

    def pieces():
        yield OLD
        begin_another(tmp_path)
        yield NEW

    store.put_pieces("catalog.json", pieces())
    assert (tmp_path / "catalog.json").read_bytes() == OLD + NEW
    staged, _ = store.stage(b"{}")
    begin_another(tmp_path)
    with pytest.raises(PartialLost):
        store.place(staged, "c1/one/data.tif")
    store.close()
    assert os.listdir(tmp_path / ".mlhub/partial") == []


def test_documents_are_written_while_runs_begin_all_the_time(tmp_path):
    store = LocalStore(tmp_path)
    store.open()
    ended = threading.Event()

    def begin_others():
        while not ended.is_set():
            begin_another(tmp_path)

    others = threading.Thread(target=begin_others)
    others.start()
    try:
        for number in range(1000):
            store.put(f"{number % 7}.json", b"%d" % number)
            store.put_pieces("catalog.json", [b"[", b"%d" % number, b"]"])
    finally:
        ended.set()
        others.join()
        store.close()
    assert (tmp_path / "5.json").read_bytes() == b"999"
    assert (tmp_path / "catalog.json").read_bytes() == b"[999]"


def begin_another(folder):
    with partials(folder / ".mlhub/partial"):
        pass


@pytest.mark.parametrize("count", [2, 4])
def test_runs_at_once_publish_only_what_was_offered_and_remember_only_what_is_there(
    run_cli, site, dest, count
):
    rng = random.Random(count)
    names = [f"i{n}" for n in range(6)]
    offered = {name: [tif(900_000, seed)] for seed, name in enumerate(names)}
    for name in names:
        site.put(f"/{name}.tif", offered[name][0], etag='"0"', always=[Drip(0.004, 60_000)])
    url = static_catalog(site, [stac_item(name, data=site.url(f"/{name}.tif")) for name in names])
    runs = []
    for round in range(count):
        runs.append(run_cli.start_raw(sys.executable, "-c", UNLOCKED, "mirror", url, dest, "-j", 3))
        wait_for(lambda run=runs[-1]: list(dest.glob("c1/*/*.tif")) or run.process.poll() is not None)
        for name in rng.sample(names, 3):
            new = tif(900_000, 100 * round + rng.randrange(100))
            site.things[f"/{name}.tif"].faults.append(Change(new, f'"{len(offered[name])}"'))
            offered[name].append(new)
        assert_whole(dest, offered)
    ended = [run.finish() for run in runs]
    assert {one.code for one in ended} <= {0, 5}, [one.err for one in ended]
    assert_whole(dest, offered)
    assert_remembered(dest)
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)
    assert run_cli("verify", dest).code == 0
    assert Mirrored(dest).partial == []


def assert_remembered(dest):
    """What the ledger calls done was there like that: no row speaks of bytes that no file ever had."""
    with contextlib.closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as database:
        rows = database.execute("SELECT path, size FROM file WHERE role=0 AND state=1").fetchall()
    assert rows and all((dest / path).stat().st_size == size for path, size in rows)
