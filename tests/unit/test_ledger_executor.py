"""Where the ledger's statements run: in the loop while that holds nobody up, one at a time and in order."""

import asyncio
import sqlite3
import threading

import pytest

from mlhub_async.storage import inline
from mlhub_async.storage.ledger.executor import StatementExecutor


@pytest.fixture
def database(tmp_path):
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE one (n INTEGER)")
    yield connection
    connection.close()


@pytest.fixture
async def executor(database):
    made = StatementExecutor()
    made.allow_inline(database)
    yield made
    made.close()


def here():
    return threading.current_thread() is threading.main_thread()


async def test_a_brief_call_runs_in_the_loop_and_another_in_the_thread(executor):
    brief = executor.submit(here, brief=True)
    assert brief.done() and brief.result()
    assert not await executor.submit(here)


async def test_all_calls_run_in_the_thread_before_the_loop_may_run_some():
    executor = StatementExecutor()
    assert not await executor.submit(here, brief=True)
    executor.close()


async def test_calls_keep_their_order_behind_one_that_is_in_the_thread(executor):
    release, order = threading.Event(), []
    first = executor.submit(lambda: (release.wait(), order.append("thread")))
    second = executor.submit(lambda: order.append("brief"), brief=True)
    assert not second.done()
    release.set()
    await asyncio.gather(first, second)
    assert order == ["thread", "brief"]


async def test_no_call_runs_beside_one_whose_caller_stopped_waiting(executor):
    release, began, order = threading.Event(), threading.Event(), []
    first = executor.submit(lambda: (began.set(), release.wait(), order.append("cancelled")))
    await asyncio.to_thread(began.wait)
    first.cancel()
    second = executor.submit(lambda: order.append("brief"), brief=True)
    assert not second.done()
    release.set()
    await second
    assert order == ["cancelled", "brief"]


async def test_after_a_call_that_was_cancelled_in_the_queue_the_loop_takes_over_again(executor):
    release = threading.Event()
    first = executor.submit(release.wait)
    queued = executor.submit(lambda: None)
    queued.cancel()
    release.set()
    await first
    await executor.submit(lambda: None)
    assert executor.submit(here, brief=True).result()


async def test_two_slow_calls_in_a_row_are_the_last_in_the_loop(executor, monkeypatch):
    """The clock is that of the module: no test waits for a slow disk."""
    now = [0.0]
    monkeypatch.setattr(executor, "_inline", inline.InlineWork(lambda: now[0]))

    def slow():
        now[0] += 2 * inline.SLOW_SECONDS
        return here()

    for call in (slow, here, slow, slow):
        assert executor.submit(call, brief=True).result()
    assert not await executor.submit(here, brief=True)


async def test_a_locked_database_is_waited_for_in_the_thread(executor, database, tmp_path):
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    waiting = executor.submit(lambda: database.execute("INSERT INTO one VALUES (1)").rowcount, brief=True)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert await waiting == 1
    assert database.execute("SELECT n FROM one").fetchall() == [(1,)]


async def test_errors_of_both_ways_reach_the_caller(executor, database):
    for brief in (True, False):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await executor.submit(lambda: database.execute("SELECT * FROM two"), brief=brief)
