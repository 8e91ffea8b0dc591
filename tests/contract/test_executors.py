"""What `ports.Executor` promises, of every executor there is."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, closing

import pytest

from mlhub_async import Options, RetryPolicy
from mlhub_async.core.model import Asset, Job, Outcome, Status
from mlhub_async.core.telemetry import Events, Meter
from mlhub_async.engine.connect import open_http
from mlhub_async.engine.executors.local import LocalExecutor
from mlhub_async.engine.executors.remote.assignments import MAX_WINDOW
from mlhub_async.engine.executors.remote.executor import RemoteExecutor
from mlhub_async.engine.executors.remote.liveness import Liveness
from mlhub_async.engine.executors.remote.processes import ProcessPool
from mlhub_async.engine.executors.remote.settings import WorkerSettings
from mlhub_async.engine.executors.remote.wire import pack_outcome, unpack_job
from mlhub_async.sources.location import location_of
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.transfer.context import TransferContext
from mlhub_async.transfer.dedupe import UrlDedupe
from mlhub_async.transfer.existing import ExistingFiles
from support.server import Stall, tif, until

WORKERS = 3
OPTIONS = Options(retry=RetryPolicy(attempts=1, base=0), allow_private=True, concurrency=WORKERS)


class SettleError(Exception):
    """An error in `settle`."""


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@asynccontextmanager
async def local_executor(location, dest):
    """An executor in this loop, with its context and store."""

    async def never(*_):
        raise AssertionError

    async with open_http(location, OPTIONS, {}) as http:
        with closing(LocalStore(dest)) as store:
            store.open()
            told = Meter(), Events(None)
            context = TransferContext(
                http, store, http.retry, UrlDedupe(None), never, never, *told, ExistingFiles.of(store)
            )
            yield LocalExecutor(context, WORKERS), context, store


@pytest.fixture(params=["local", "process"])
async def executor(request, site, dest):
    location = location_of(site.origin, {})
    async with local_executor(location, dest) as (local, context, store):
        if request.param == "local":
            yield local
        else:
            settings = WorkerSettings(OPTIONS, location, str(dest), {}, observed=False)
            yield RemoteExecutor(local, context, ProcessPool(1), settings, store)


def job(url, name):
    return Job(Asset(url, "data", name, "c1"), f"c1/{name}/data.tif")


def produce_all(jobs, submitted=None):
    async def produce(submit):
        for one in jobs:
            await submit(one)
            if submitted is not None:
                submitted.append(one)

    return produce


async def ignore(*_):
    """Take an outcome."""


async def test_every_job_is_settled_once_and_a_failed_one_is_an_outcome(executor, site, dest):
    jobs = [job(site.put(f"/{n}.tif", tif(500, n)), f"i{n}") for n in range(20)]
    jobs.append(job(site.url("/lost.tif"), "lost"))
    settled = {}

    async def settle(batch, place=None):
        await asyncio.sleep(0)
        for outcome, url in batch:
            assert place is None or place(outcome)
            assert outcome.job.asset.item not in settled and url == outcome.job.asset.href
            settled[outcome.job.asset.item] = outcome.status

    await executor.run(produce_all(jobs), settle)
    assert settled == {f"i{n}": Status.FETCHED for n in range(20)} | {"lost": Status.FAILED}
    assert len(list(dest.glob("c1/*/data.tif"))) == 20


async def test_submit_waits_while_the_executor_is_full(executor, site):
    jobs = [job(site.put(f"/{n}.tif", tif(500), always=[Stall(100)]), f"i{n}") for n in range(50)]
    submitted = []
    running = asyncio.create_task(executor.run(produce_all(jobs, submitted), ignore))
    await until(lambda: len(site.log) == WORKERS)
    await asyncio.sleep(0.1)
    assert WORKERS <= len(submitted) <= 3 * WORKERS and len(site.log) == WORKERS
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: site.in_flight == 0)


@pytest.mark.parametrize("culprit", ["produce", "settle"])
async def test_the_first_error_is_raised_as_it_is_and_no_job_goes_on(executor, site, culprit):
    jobs = [job(site.put("/0.tif", tif(500)), "i0")]
    jobs += [job(site.put(f"/{n}.tif", tif(500), always=[Stall(100)]), f"i{n}") for n in range(1, 50)]
    tasks = asyncio.all_tasks()

    async def produce(submit):
        await produce_all(jobs[:WORKERS])(submit)
        await until(lambda: len(site.log) >= WORKERS)
        if culprit == "produce":
            raise SettleError
        await produce_all(jobs[WORKERS:])(submit)

    async def settle(*_):
        await until(lambda: len(site.log) >= WORKERS)
        if culprit == "settle":
            raise SettleError

    with pytest.raises(SettleError):
        await executor.run(produce, settle)
    await until(lambda: site.in_flight == 0)
    assert not [one for one in asyncio.all_tasks() - tasks if "worker" in repr(one)]


async def test_no_jobs_are_no_error(executor):
    await executor.run(produce_all([]), ignore)


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGSTOP")
async def test_a_worker_that_is_stopped_is_replaced_and_its_jobs_are_done(site, dest):
    stopped = []

    def stop_all(seen, reply):
        if len(site.log) == 10 and not stopped:
            stopped.extend(pool.pids)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)

    site.answered = stop_all
    jobs = [job(site.put(f"/{n}.tif", tif(500, n)), f"i{n}") for n in range(40)]
    settled = []

    async def settle(batch, place=None):
        settled.extend(outcome.job.asset.item for outcome, _ in batch if place is None or place(outcome))

    location, pool = location_of(site.origin, {}), ProcessPool(1)
    async with local_executor(location, dest) as (local, context, store):
        settings = WorkerSettings(OPTIONS, location, str(dest), {}, observed=False, alive_seconds=0.1)
        remote = RemoteExecutor(local, context, pool, settings, store, Liveness(silence=8))
        await remote.run(produce_all(jobs), settle)
    assert len(stopped) == 1
    assert sorted(settled) == sorted(f"i{n}" for n in range(40))
    assert len(list(dest.glob("c1/*/data.tif"))) == 40
    with pytest.raises(ProcessLookupError):
        os.kill(stopped[0], 0)


class PromptPool:
    """One worker that has the outcome of every job in the same turn of the event loop."""

    async def start(self, settings, coordinator):
        self.coordinator = coordinator
        coordinator.joined(1)

    def send(self, worker, message):
        if message[0] == "jobs":
            jobs = [unpack_job(fields)[:2] for fields in message[1]]
            done = [pack_outcome(n, Outcome(one, Status.FETCHED), one.asset.href) for n, one in jobs]
            asyncio.get_running_loop().call_soon(self.coordinator.received, worker, ("done", done, {}, []))

    def give_up(self, worker):
        raise AssertionError(worker)

    async def close(self, *, stop):
        """It has ended."""


async def test_workers_that_are_faster_than_the_ledger_get_no_more_jobs_meanwhile(dest):
    """Each job without a recorded outcome keeps its item in memory."""
    jobs = [job(f"http://h.test/{n}", f"i{n}") for n in range(4 * MAX_WINDOW)]
    submitted, settled, recorded = [], [], asyncio.Event()

    async def settle(batch, place=None):
        await recorded.wait()
        settled.extend(outcome.job.asset.item for outcome, _ in batch)

    location = location_of("http://h.test", {})
    async with local_executor(location, dest) as (local, context, store):
        settings = WorkerSettings(OPTIONS, location, str(dest), {}, observed=False)
        remote = RemoteExecutor(local, context, PromptPool(), settings, store)
        running = asyncio.create_task(remote.run(produce_all(jobs, submitted), settle))
        for _ in range(20 * len(jobs)):
            await asyncio.sleep(0)
        held = len(submitted)
        recorded.set()
        await running
    assert 0 < held <= 1.5 * MAX_WINDOW and settled == [f"i{n}" for n in range(len(jobs))]
