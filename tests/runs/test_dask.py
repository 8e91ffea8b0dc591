"""Runs whose transfers the workers of a Dask cluster make."""

import asyncio
import os
import signal

import pytest

from mlhub_async import Options, mirror
from mlhub_async.core.errors import UsageError
from mlhub_async.engine.mirror import merge
from support.engine import AT_ONCE, run
from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item

distributed = pytest.importorskip("distributed", reason="pip install distributed")
pytestmark = [
    pytest.mark.xdist_group("a Dask cluster"),
    pytest.mark.filterwarnings("default"),  # of Dask's own
]
FILES = 300


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Not looked for here: Dask keeps connections for a while."""


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as found:
        yield found


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items(site, **about):
    return [
        stac_item(f"i{n}", data=site.put(f"/{n}.tif", tif(2_000, n), etag=f'"{n}"', **about))
        for n in range(FILES)
    ]


async def test_a_cluster_makes_the_mirror_that_one_process_makes(site, tmp_path, cluster):
    given = [*items(site), stac_item("lost", data=site.url("/lost.tif"))]
    await run(given, tmp_path / "one")
    report = await run(given, tmp_path / "two", scheduler=cluster.scheduler_address)
    assert report.exit_code == 4
    one, two = (Mirrored(tmp_path / name).receipt for name in ("one", "two"))
    for name in ("assets", "bytes", "manifest_sha256"):
        assert one[name] == two[name]
    assert Mirrored(tmp_path / "two").failed == {"lost": "not-found"}


async def test_shards_are_made_by_a_cluster_each(site, tmp_path, cluster):
    given, dest = items(site), tmp_path / "shards"
    whole = await run(given, tmp_path / "one")
    for number in (1, 2):
        report = await run(given, dest, shard=f"{number}/2", scheduler=cluster.scheduler_address)
        assert report.exit_code == 0
        assert not (dest / ".mlhub/partial").exists(), "workers of a shard write in the state of the shard"
    report = await merge(dest)
    assert (report.exit_code, report.manifest_sha256) == (0, whole.manifest_sha256)


async def test_a_client_is_used_and_left_open(site, dest, cluster):
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        options = Options(retry=AT_ONCE, allow_private=True)
        report = await mirror(items(site), dest, options, executor=client)
        assert report.exit_code == 0 and client.status == "running"
        assert Mirrored(dest).receipt["assets"]["verified_size"] == FILES


async def test_files_of_a_worker_that_is_killed_are_fetched_by_another(site, dest, cluster):
    killed = []

    def kill_one(seen, reply):
        if len(site.log) == FILES // 3 and not killed:
            worker = next(iter(cluster.workers.values()))
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)

    site.answered = kill_one
    report = await run(items(site), dest, scheduler=cluster.scheduler_address)
    assert report.exit_code == 0 and killed
    assert Mirrored(dest).receipt["assets"]["verified_size"] == FILES
    assert Mirrored(dest).failed == {}


async def test_secrets_are_not_sent_in_clear(site, dest, cluster):
    with pytest.raises(UsageError, match="TLS"):
        await run(items(site), dest, scheduler=cluster.scheduler_address, api_key="canary")


async def test_a_scheduler_that_is_not_there_is_named(site, dest, unused_tcp_port):
    with pytest.raises(UsageError, match="no Dask scheduler"):
        await asyncio.wait_for(run(items(site), dest, scheduler=f"tcp://127.0.0.1:{unused_tcp_port}"), 100)
