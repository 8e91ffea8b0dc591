"""`IdleSlots`: a job may run a task of its own in a slot of the pool that no worker needs."""

import asyncio

import pytest

from mlhub_async.core.concurrency import IdleSlots, fan_out


class Pool:
    """A pool whose first job borrows slots, while further jobs come when the test says so."""

    def __init__(self, workers):
        self.workers = workers
        self.jobs = asyncio.Queue()
        self.busy = self.peak = 0
        self.finished = []
        self.free = asyncio.Event()
        self.lent = []
        self.idle_slots = IdleSlots()

    async def produce(self, put):
        while (job := await self.jobs.get()) is not None:
            await put(job)

    async def occupy(self):
        self.busy += 1
        self.peak = max(self.peak, self.busy)
        try:
            await self.free.wait()
        finally:
            self.busy -= 1

    async def work(self, job):
        if job == "borrower":
            self.busy += 1
            self.peak = max(self.peak, self.busy)
            for _ in range(8):
                await asyncio.sleep(0)
                if (task := self.idle_slots.lend(self.occupy)) is not None:
                    self.lent.append(task)
            await self.free.wait()
            self.busy -= 1
        else:
            await self.occupy()
        self.finished.append(job)

    async def run(self, *jobs, useful_workers=None):
        for job in jobs:
            self.jobs.put_nowait(job)
        return await fan_out(self.produce, self.work, self.workers, useful_workers, self.idle_slots)


async def turns(count=30):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ended", [True, False], ids=["no more will come", "more may come"])
async def test_workers_and_borrowed_slots_together_never_exceed_the_slots_of_the_pool(ended):
    pool = Pool(4)
    running = asyncio.create_task(pool.run("borrower", *([None] if ended else [])))
    await turns()
    lent = 3 if ended else 2  # a slot is reserved for the next job
    assert len(pool.lent) == lent and pool.busy == lent + 1
    for job in () if ended else ("a", "b", None):
        pool.jobs.put_nowait(job)
    await turns()
    assert pool.busy == 4
    pool.free.set()
    await running
    assert pool.peak == 4 and sorted(pool.finished) == ([] if ended else ["a", "b"]) + ["borrower"]


async def test_no_slot_is_lent_while_all_workers_have_jobs():
    pool = Pool(3)
    running = asyncio.create_task(pool.run("a", "b", "borrower", "c", None))
    await turns()
    assert pool.lent == [] and pool.peak == 3
    pool.free.set()
    await running
    assert sorted(pool.finished) == ["a", "b", "borrower", "c"]


async def test_no_more_slots_are_lent_than_workers_are_useful():
    pool = Pool(64)
    running = asyncio.create_task(pool.run("borrower", None, useful_workers=lambda: 3))
    await turns()
    assert len(pool.lent) == 2
    pool.free.set()
    await running


async def test_a_new_job_gets_the_slot_that_is_given_back():
    pool = Pool(3)
    running = asyncio.create_task(pool.run("borrower"))
    await turns()
    assert len(pool.lent) == 1
    for job in ("a", "b"):
        pool.jobs.put_nowait(job)
    await turns()
    assert pool.busy == 3 and pool.idle_slots.wanted_back
    pool.lent[0].cancel()
    await turns()
    assert pool.busy == 3 and not pool.idle_slots.wanted_back
    pool.jobs.put_nowait(None)
    pool.free.set()
    await running
    assert sorted(pool.finished) == ["a", "b", "borrower"] and pool.peak == 3


async def test_an_error_in_a_borrowed_slot_ends_the_pool_and_is_raised():
    async def fails():
        raise OSError("disk")

    async def produce(put):
        await put(1)
        await asyncio.sleep(60)

    async def work(_job):
        await turns()
        assert idle_slots.lend(fails) is not None
        await asyncio.sleep(60)

    idle_slots = IdleSlots()
    with pytest.raises(OSError, match="disk"):
        await fan_out(produce, work, 4, None, idle_slots)


async def test_without_a_pool_no_slot_is_lent():
    async def never():
        raise AssertionError

    assert IdleSlots().lend(never) is None and not IdleSlots().wanted_back


async def test_a_pool_that_is_shutting_down_lends_no_slot():
    async def produce(put):
        await put(1)
        await turns()
        raise OSError("disk")

    async def work(_job):
        try:
            await asyncio.sleep(60)
        finally:
            assert idle_slots.lend(turns) is None

    idle_slots = IdleSlots()
    with pytest.raises(OSError, match="disk"):
        await fan_out(produce, work, 4, None, idle_slots)


async def test_a_slot_is_not_wanted_back_as_soon_as_it_is_lent():
    seen = []

    async def lent():
        seen.append(idle_slots.wanted_back)

    async def produce(put):
        await put(1)
        await done.wait()

    async def work(_job):
        await turns()
        for _ in range(3):
            assert idle_slots.lend(lent) is not None
            await turns()
        done.set()

    idle_slots, done = IdleSlots(), asyncio.Event()
    await fan_out(produce, work, 4, None, idle_slots)
    assert seen == [False] * 3
