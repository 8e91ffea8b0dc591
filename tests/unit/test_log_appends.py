"""Appends to the write-ahead log: many at once on a slow disk, and no rotation between lines and rows."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlhub_async.storage.inline import DiskWork
from mlhub_async.storage.ledger.log_appends import LogAppends


class Log:
    """Notes the appends. The first waits until `release` is set."""

    def __init__(self):
        self.appends, self.release, self.error = [], threading.Event(), None

    def append(self, rows):
        self.release.wait(10)
        if self.error is not None:
            raise self.error
        self.appends.append((sorted(rows), threading.current_thread() is threading.main_thread()))


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def disk():
    with ThreadPoolExecutor(1) as pool:
        yield DiskWork(pool)


async def turn(times=10):
    for _ in range(times):
        await asyncio.sleep(0)


async def record(appends, row, recorded):
    await appends.append([row])
    recorded.append(row)
    appends.release()


async def test_on_a_fast_disk_each_caller_appends_in_the_loop(log, disk):
    log.release.set()
    appends, recorded = LogAppends(log.append, disk), []
    for row in range(3):
        await record(appends, row, recorded)
    assert log.appends == [([0], True), ([1], True), ([2], True)]


async def test_on_a_slow_disk_all_that_wait_are_written_at_once(log, disk):
    disk.fast = False
    appends, recorded = LogAppends(log.append, disk), []
    callers = [asyncio.create_task(record(appends, row, recorded)) for row in range(5)]
    await turn()
    log.release.set()
    await asyncio.gather(*callers)
    assert log.appends == [([0], False), ([1, 2, 3, 4], False)]
    assert appends._holders == 0


async def test_the_log_rotates_between_appends_and_never_before_rows_are_added(log, disk):
    disk.fast = False
    appends, recorded, seen = LogAppends(log.append, disk), [], []
    callers = [asyncio.create_task(record(appends, row, recorded)) for row in range(3)]
    await turn()
    appends.when_quiet(lambda: seen.append((list(recorded), len(log.appends))))
    assert not seen
    log.release.set()
    await asyncio.gather(*callers)
    assert seen == [([0], 1)]
    appends.when_quiet(lambda: seen.append("at once"))
    assert seen[-1] == "at once"


async def test_an_error_reaches_all_whose_lines_it_lost_and_the_next_goes_on(log, disk):
    disk.fast = False
    appends, recorded = LogAppends(log.append, disk), []
    log.error = OSError("no")
    log.release.set()
    callers = [asyncio.create_task(record(appends, row, recorded)) for row in range(3)]
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert answers == [log.error] * 3 and not recorded
    log.error = None
    await record(appends, 7, recorded)
    assert recorded == [7] and appends._holders == 0


async def test_no_append_in_the_loop_overtakes_one_in_a_thread(log, disk):
    disk.fast = False
    appends, recorded = LogAppends(log.append, disk), []
    first = asyncio.create_task(record(appends, 0, recorded))
    await turn()
    disk.fast = True
    second = asyncio.create_task(record(appends, 1, recorded))
    await turn()
    assert not recorded
    log.release.set()
    await asyncio.gather(first, second)
    assert recorded == [0, 1]
