"""The concurrency limit that a run learned for an origin: written to DEST and used by the next run."""

import asyncio
import json

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT
from support.connections import LoopbackServer
from support.engine import run
from support.mirrored import publish
from support.server import Delay, tif
from support.stac_server import stac_item, static_catalog


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_run_writes_the_limits_it_learned(site, dest):
    items = publish(site, [f"i{n}" for n in range(40)], always=[Delay(0.02)])
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    learned = json.loads((dest / ".mlhub" / "pace.json").read_text())
    assert list(learned) == [site.url("/").rstrip("/")]
    assert FIRST_LIMIT <= learned[site.url("/").rstrip("/")] <= MAX_LIMIT


async def test_a_run_starts_with_the_limits_an_earlier_run_learned(site, dest):
    items = publish(site, ["a", "b", "c", "d"], always=[Delay(0.02)])
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub" / "pace.json").write_text(json.dumps({site.url("/").rstrip("/"): 1}))
    assert (await run(static_catalog(site, items), dest)).exit_code == 0
    assert site.peak == 1


async def test_an_unreadable_file_of_limits_is_ignored(site, dest):
    (dest / ".mlhub").mkdir(parents=True)
    (dest / ".mlhub" / "pace.json").write_text('{"a": "b", "c": -1, "d": [')
    assert (await run(static_catalog(site, publish(site, ["a"])), dest)).exit_code == 0


class FewConnections(LoopbackServer):
    """Serves one file to so many connections at a time, and closes any other at once."""

    def __init__(self, most):
        super().__init__()
        self.most, self.open, self.refused = most, 0, 0

    async def _serve(self, reader, writer):
        if self.open >= self.most:
            self.refused += 1
            return
        self.open += 1
        try:
            body = tif(2_000)
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.01)
                head = f"HTTP/1.1 200 OK\r\nContent-Type: image/tiff\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        finally:
            self.open -= 1


@pytest.mark.parametrize("given", [None, 32])
async def test_a_host_that_closes_further_connections_is_asked_by_fewer(site, dest, given):
    async with FewConnections(10) as host:
        hrefs = {f"i{n}": f"http://127.0.0.1:{host.port}/{n}.tif" for n in range(1_500)}
        items = [stac_item(name, data=href) for name, href in hrefs.items()]
        retry = RetryPolicy(base=0.01)
        report = await run(static_catalog(site, items), dest, concurrency=given, retry=retry)
    assert report.exit_code == 0 and report.fetched == 1_500
    assert host.refused <= 150
