"""The queue of a pool: in order, bounded, and no task waits for ever because another one was cancelled."""

import asyncio

import pytest

from mlhub_async.core.concurrency.job_queue import JobQueue
from support.server import until


async def get(queue):
    await queue.wait_for_job()
    return queue.take()


async def test_jobs_come_in_the_order_in_which_they_were_put():
    queue = JobQueue(3)
    for job in "abc":
        queue.put(job)
    assert queue.is_full
    assert [await get(queue) for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(IndexError):
        queue.take()


async def test_who_waits_for_room_goes_on_after_a_job_was_taken():
    queue = JobQueue(1)
    queue.put("a")
    waiting = asyncio.ensure_future(queue.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert queue.take() == "a"
    await waiting


async def test_a_job_that_another_took_first_is_waited_for_again():
    queue = JobQueue(9)
    waiting = asyncio.ensure_future(get(queue))
    await asyncio.sleep(0)
    queue.put("a")
    assert queue.take() == "a"
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.put("b")
    assert await waiting == "b"


@pytest.mark.parametrize("woken", [False, True])
async def test_the_next_one_is_woken_where_a_waiting_task_is_cancelled(woken):
    queue = JobQueue(9)
    first, second = asyncio.ensure_future(get(queue)), asyncio.ensure_future(get(queue))
    await asyncio.sleep(0)
    if woken:
        queue.put("a")
    first.cancel()
    await until(first.done)
    if not woken:
        queue.put("a")
    assert first.cancelled() and await second == "a"


async def test_many_tasks_share_all_jobs_however_they_are_cancelled():
    """None is lost or taken twice: those that are cancelled have taken none."""
    queue, taken = JobQueue(5), []

    async def work():
        while True:
            taken.append(await get(queue))
            await asyncio.sleep(0)

    workers = [asyncio.ensure_future(work()) for _ in range(8)]
    for job in range(200):
        await queue.wait_for_room()
        queue.put(job)
        if job % 40 == 7:
            workers.pop().cancel()
    await until(lambda: not queue.jobs)
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers)
    assert sorted(taken) == list(range(200))
