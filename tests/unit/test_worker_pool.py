"""A worker may start something beside it in a place of its pool that nobody else needs."""

import asyncio

import pytest

from mlhub_async.core.concurrency import IdleSlots, fan_out


class Pool:
    """A pool whose first job lends places, while further jobs come when the test says so."""

    def __init__(self, workers):
        self.workers = workers
        self.jobs = asyncio.Queue()
        self.busy = self.peak = 0
        self.finished = []
        self.free = asyncio.Event()
        self.lent = []
        self.places = IdleSlots()

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
        if job == "lender":
            self.busy += 1
            self.peak = max(self.peak, self.busy)
            for _ in range(8):
                await asyncio.sleep(0)
                if (task := self.places.lend(self.occupy)) is not None:
                    self.lent.append(task)
            await self.free.wait()
            self.busy -= 1
        else:
            await self.occupy()
        self.finished.append(job)

    async def run(self, *jobs, useful=None):
        for job in jobs:
            self.jobs.put_nowait(job)
        return await fan_out(self.produce, self.work, self.workers, useful, self.places)


async def turns(count=30):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ended", [True, False], ids=["no more will come", "more may come"])
async def test_no_more_are_at_work_than_there_are_places(ended):
    pool = Pool(4)
    running = asyncio.create_task(pool.run("lender", *([None] if ended else [])))
    await turns()
    lent = 3 if ended else 2  # a place is kept for the next one
    assert len(pool.lent) == lent and pool.busy == lent + 1
    for job in () if ended else ("a", "b", None):
        pool.jobs.put_nowait(job)
    await turns()
    assert pool.busy == 4
    pool.free.set()
    await running
    assert pool.peak == 4 and sorted(pool.finished) == ([] if ended else ["a", "b"]) + ["lender"]


async def test_nothing_is_lent_while_all_are_at_work():
    pool = Pool(3)
    running = asyncio.create_task(pool.run("a", "b", "lender", "c", None))
    await turns()
    assert pool.lent == [] and pool.peak == 3
    pool.free.set()
    await running
    assert sorted(pool.finished) == ["a", "b", "c", "lender"]


async def test_of_places_that_would_be_of_no_use_none_is_lent():
    pool = Pool(64)
    running = asyncio.create_task(pool.run("lender", None, useful=lambda: 3))
    await turns()
    assert len(pool.lent) == 2
    pool.free.set()
    await running


async def test_a_job_that_comes_gets_the_place_that_is_given_back():
    pool = Pool(3)
    running = asyncio.create_task(pool.run("lender"))
    await turns()
    assert len(pool.lent) == 1
    for job in ("a", "b"):
        pool.jobs.put_nowait(job)
    await turns()
    assert pool.busy == 3 and pool.places.pressed
    pool.lent[0].cancel()
    await turns()
    assert pool.busy == 3 and not pool.places.pressed
    pool.jobs.put_nowait(None)
    pool.free.set()
    await running
    assert sorted(pool.finished) == ["a", "b", "lender"] and pool.peak == 3


async def test_an_error_of_what_was_started_is_one_of_the_pool_and_ends_it():
    async def fails():
        raise OSError("disk")

    async def produce(put):
        await put(1)
        await asyncio.sleep(60)

    async def work(_job):
        await turns()
        assert places.lend(fails) is not None
        await asyncio.sleep(60)

    places = IdleSlots()
    with pytest.raises(OSError, match="disk"):
        await fan_out(produce, work, 4, None, places)


async def test_before_there_is_a_pool_there_is_nothing_to_lend():
    async def never():
        raise AssertionError

    assert IdleSlots().lend(never) is None and not IdleSlots().pressed


async def test_nothing_is_lent_by_a_pool_that_is_shutting_down():
    async def produce(put):
        await put(1)
        await turns()
        raise OSError("disk")

    async def work(_job):
        try:
            await asyncio.sleep(60)
        finally:
            assert places.lend(turns) is None

    places = IdleSlots()
    with pytest.raises(OSError, match="disk"):
        await fan_out(produce, work, 4, None, places)


async def test_what_is_lent_a_place_does_not_find_it_wanted_back_at_once():
    seen = []

    async def lent():
        seen.append(places.pressed)

    async def produce(put):
        await put(1)
        await done.wait()

    async def work(_job):
        await turns()
        for _ in range(3):
            assert places.lend(lent) is not None
            await turns()
        done.set()

    places, done = IdleSlots(), asyncio.Event()
    await fan_out(produce, work, 4, None, places)
    assert seen == [False] * 3
