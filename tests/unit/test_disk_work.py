"""Where brief work for the disk is done: in the loop, unless the disk is slow."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mlhub_async.storage import inline
from mlhub_async.storage.inline import DiskWork
from mlhub_async.storage.local.store import LocalStore
from support.slow_disk import slow_writes


class Timed(DiskWork):
    """Work takes as long as it says, by a clock that stands still otherwise."""

    def __init__(self, pool):
        self.now = self.without_processor = 0.0
        self.clock, self.processor_wait = (lambda: self.now), (lambda: self.without_processor)
        super().__init__(pool, lambda: self.changes.append(self.fast))
        self.changes = []

    def taking(self, seconds, without_processor=0.0):
        def work():
            self.now += seconds
            self.without_processor += without_processor
            return threading.get_ident() == threading.main_thread().ident

        return work


@pytest.fixture
def disk():
    with ThreadPoolExecutor(1) as pool:
        yield Timed(pool)


SLOW, FAST = 2 * inline.SLOW_SECONDS, inline.SLOW_SECONDS / 2


async def calls_until_fast(disk):
    count = 0
    while not disk.fast:
        assert not await disk.run(disk.taking(FAST))
        count += 1
    return count


async def test_one_slow_piece_of_work_is_the_last_in_the_loop(disk):
    assert await disk.run(disk.taking(FAST))
    assert await disk.run(disk.taking(SLOW))
    assert not await disk.run(disk.taking(FAST))
    assert disk.changes == [False]


async def test_the_loop_takes_over_after_enough_fast_calls_in_a_row(disk):
    await disk.run(disk.taking(SLOW))
    for seconds in [FAST] * (inline.FAST_CALLS - 1) + [SLOW]:
        await disk.run(disk.taking(seconds))
    assert await calls_until_fast(disk) == inline.FAST_CALLS
    assert await disk.run(disk.taking(FAST))
    assert disk.changes == [False, True]


async def test_a_disk_that_is_slow_again_soon_must_prove_more(disk):
    counts = []
    for _ in range(3):
        await disk.run(disk.taking(SLOW))
        counts.append(await calls_until_fast(disk))
    disk.now += 2 * inline.RELAPSE_SECONDS
    await disk.run(disk.taking(SLOW))
    counts.append(await calls_until_fast(disk))
    assert counts == [inline.FAST_CALLS * times for times in (1, 2, 4, 1)]


async def test_a_busy_machine_is_no_slow_disk(disk):
    assert await disk.run(disk.taking(SLOW, without_processor=SLOW))
    assert await disk.run(disk.taking(SLOW, without_processor=SLOW))
    assert disk.fast and not disk.changes
    await disk.run(disk.taking(SLOW))
    for _ in range(inline.FAST_CALLS):
        await disk.run(disk.taking(SLOW, without_processor=SLOW - FAST))
    assert disk.changes == [False, True]


async def test_a_slow_disk_is_found_after_a_time_without_processor(tmp_path, monkeypatch):
    """A write in the loop that takes long is the last there, however busy the machine was before."""
    waited = 0.0
    with slow_writes(), closing(LocalStore(tmp_path)) as store:
        monkeypatch.setattr(store.disk, "processor_wait", lambda: waited)
        store.open()
        waited, store.disk.stale_at = 60.0, -1.0
        store.stage(b"bytes")
        assert not store.disk.fast


async def test_work_that_writes_nothing_says_nothing_of_the_disk(disk):
    await disk.run(disk.taking(SLOW))
    for _ in range(2 * inline.FAST_CALLS):
        await disk.run(disk.taking(FAST), writes=False)
    assert not disk.fast


async def test_work_in_a_thread_has_ended_when_its_caller_is_cancelled(disk):
    await disk.run(disk.taking(SLOW))
    release, ended = threading.Event(), []
    caller = asyncio.create_task(disk.run(lambda: (release.wait(10), ended.append(True))))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended
