"""Out of descriptors, ports or memory for a while: fewer transfers at a time, and no attempt is used up."""

import asyncio
import os
import sys
from contextlib import contextmanager

import pytest

from mlhub_async.core import concurrency
from mlhub_async.core.concurrency import fan_out, prefetch_one, shrink_pool
from mlhub_async.core.errors import LocalShortage, StorageError, Transient
from mlhub_async.core.options import RetryPolicy
from mlhub_async.http.resilience.retry import MAX_LOCAL_SHORTAGES, Retry
from mlhub_async.storage.local.directories import DirectoryTree
from mlhub_async.storage.local.store import LocalStore

resource = pytest.importorskip("resource", reason="POSIX limits")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")


@contextmanager
def no_more_files():
    """No descriptor is to be had beyond those that are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.dup(0)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def no_wait(_):
    await asyncio.sleep(0)


async def failing(times, error, succeeds="done"):
    """An attempt that meets the same error so many times."""
    left = [error] * times

    async def attempt():
        if left:
            raise left.pop()
        return succeeds

    return await Retry(RetryPolicy(attempts=2), sleep=no_wait)(attempt)


async def test_a_shortage_uses_up_no_attempt_but_does_not_last_for_ever():
    assert await failing(MAX_LOCAL_SHORTAGES - 1, LocalShortage("out of descriptors")) == "done"
    with pytest.raises(LocalShortage, match="ulimit -n"):
        await failing(MAX_LOCAL_SHORTAGES, LocalShortage("out of descriptors"))
    with pytest.raises(Transient):
        await failing(2, Transient("connection lost"))


async def test_a_pool_whose_workers_are_short_of_means_goes_on_with_fewer_and_loses_no_job():
    at_once, most, done = 0, [], []

    async def produce(put):
        for number in range(60):
            await put(number)

    async def work(number):
        nonlocal at_once
        at_once += 1
        most.append(at_once)
        await asyncio.sleep(0)
        if number < 20:
            shrink_pool()
        at_once -= 1
        done.append(number)

    await fan_out(produce, work, 8)
    assert sorted(done) == list(range(60))
    assert max(most[:10]) == 8 and max(most[40:]) <= 2


async def test_a_pool_never_goes_below_one_worker():
    done = []

    async def produce(put):
        for number in range(9):
            await put(number)

    async def work(number):
        shrink_pool()
        done.append(number)

    await fan_out(produce, work, 2)
    assert done == list(range(9))


def test_transfers_are_as_many_as_the_limit_on_files_bears():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for files, transfers in ((40, 1), (70, 2), (160, 32), (256, 64)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
            assert concurrency.affordable_transfers(64) == transfers
            assert concurrency.affordable_transfers(1) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert concurrency.affordable_transfers(3) == 3


def test_a_tree_gives_up_the_directories_it_keeps_open_before_it_gives_up(tmp_path):
    tree = DirectoryTree(tmp_path / "root")
    (tmp_path / "root").mkdir()
    for number in range(5):
        (tmp_path / "source").write_bytes(b"x")
        tree.place(str(tmp_path / "source"), None, f"c1/{number}/a")
    (tmp_path / "source").write_bytes(b"y")
    with no_more_files():
        tree.place(str(tmp_path / "source"), None, "c1/new/a")
    assert (tmp_path / "root/c1/new/a").read_bytes() == b"y"
    tree.close()


async def test_a_small_file_and_a_document_get_the_descriptor_of_a_directory(tmp_path):
    store = LocalStore(tmp_path)
    store.open()
    store.put("c1/one/one.json", b"{}")
    file = store.open_partial(("c1", "one", "data"))
    file.body.begin([])
    file.body.write(b"bytes")
    await file.body.complete()
    with no_more_files():
        await file.commit("c1/one/data.tif")
        store.put("c1/two/two.json", b"[]")
    assert (tmp_path / "c1/one/data.tif").read_bytes() == b"bytes"
    assert (tmp_path / "c1/two/two.json").read_bytes() == b"[]"
    store.close()


async def test_with_no_descriptor_at_all_a_document_is_a_matter_of_storage(tmp_path):
    store = LocalStore(tmp_path)
    store.open()
    file = store.open_partial(("c1", "one", "data"))
    with no_more_files():
        with pytest.raises(StorageError, match="ulimit -n"):
            store.put("c1/one/one.json", b"{}")
        with pytest.raises(LocalShortage):
            file.body.begin([], 1 << 20)
    await file.drop()
    store.close()
    assert list((tmp_path / ".mlhub/partial").iterdir()) == []


@pytest.mark.parametrize("turns", range(1, 12))
async def test_a_listing_that_has_not_heard_of_the_end_yet_hires_nobody(turns):
    """A cancellation comes down one group of tasks after the other, and each takes a turn of the loop."""
    given = []

    async def pages():
        for page in range(1000):
            yield page

    async def produce(put):
        async def give(page):
            for number in range(1000):
                given.append(number)
                await put(number)
                await asyncio.sleep(0)

        await prefetch_one(pages(), give)

    async def produce_deeper(put):
        async def deeper(_):
            await fan_out(produce, put, 1)

        await prefetch_one(pages(), deeper)

    async def work(_):
        await asyncio.Event().wait()

    running = asyncio.create_task(fan_out(produce_deeper, work, 10_000, lambda: len(given) + 1))
    for _ in range(10 + turns):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert given
