"""Large bodies on their way to the disk: received on while a piece is written, and never over it."""

import asyncio
import ssl
from dataclasses import dataclass, field

import pytest

from mlhub_async.core.concurrency import LazyAwaitable
from mlhub_async.core.model import Request
from mlhub_async.http.transport.fast import buffers
from support.engine import run
from support.mirrored import Mirrored, asset_requests
from support.server import Drip, Stall, noise, tif
from support.stac_server import stac_item
from support.wire import Wire, connected, counted, says, until

MIB = 1 << 20


@dataclass
class Slow:
    """A sink as the disk is one: it works on what it was given until it says that it is done."""

    seconds: float = 0.0
    pieces: list = field(default_factory=list)
    done: list = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, head):
        pass

    def write(self, data):
        self.pieces.append(data)
        return LazyAwaitable(self._work)

    async def _work(self):
        assert len(self.done) + 1 == len(self.pieces), "the next piece came before this one was done"
        if self.seconds:
            await asyncio.sleep(self.seconds)
        else:
            await self.open.wait()
        self.done.append(bytes(self.pieces[-1]))


@pytest.fixture
async def transport():
    async with connected("fast") as one:
        yield one


@pytest.fixture(params=["plain", "TLS"])
def secured(request):
    """How a server and a client of this test are told to speak TLS; two empty ones where they do not."""
    if request.param == "plain":
        return {}, {}
    authority = request.getfixturevalue("authority")
    return {"tls": authority.context()}, {"tls": ssl.create_default_context(cafile=authority.pem)}


async def test_the_next_piece_is_received_while_the_sink_works_on_the_one_before_it(secured):
    body, sink = noise(5 * MIB + 12_345), Slow()
    serve, ask = secured
    async with Wire(says(counted(body)), host="localhost", **serve) as wire, connected("fast", **ask) as one:
        asking = asyncio.create_task(one.send(Request(wire.url()), sink))
        await until(lambda: sink.pieces)
        [connection] = one._active
        await until(lambda: connection.buffer.full)
        await asyncio.sleep(0.02)
        assert len(sink.pieces) == 1 and bytes(sink.pieces[0]) == body[: len(sink.pieces[0])]
        sink.open.set()
        await asking
    assert b"".join(sink.done) == body
    assert max(map(len, sink.done)) == buffers.LARGE_BUFFER_BYTES


async def test_many_concurrent_large_bodies_are_intact_and_use_a_bounded_number_of_buffers(transport):
    bodies = [noise(MIB + 300_000 + number, number) for number in range(buffers.MAX_LARGE_BUFFERS + 8)]
    sinks = [Slow() for _ in bodies]
    kept = transport._pool._buffers
    async with Wire(*(says(counted(body)) for body in bodies)) as wire, asyncio.TaskGroup() as group:
        for sink in sinks:
            group.create_task(transport.send(Request(wire.url()), sink))
        await until(lambda: all(sink.pieces for sink in sinks))
        assert kept._large_count == buffers.MAX_LARGE_BUFFERS
        for sink in sinks:
            sink.open.set()
    assert sorted(b"".join(sink.done) for sink in sinks) == sorted(bodies)
    assert kept._large_count == 0 and len(kept._free) <= buffers.MAX_FREE_BUFFERS


async def test_the_buffer_of_a_cancelled_transfer_is_not_reused_while_the_sink_uses_it(transport):
    first, then, given_up = noise(3 * MIB, 1), noise(3 * MIB, 2), Slow()
    async with Wire(says(counted(first)), says(counted(then))) as wire:
        asking = asyncio.create_task(transport.send(Request(wire.url()), given_up))
        await until(lambda: given_up.pieces)
        asking.cancel()
        await asyncio.wait([asking])
        other = Slow(0.001)
        await transport.send(Request(wire.url()), other)
    given = b"".join(given_up.pieces)  # with what had come by then, which the next run goes on from
    assert given == first[: len(given)] and b"".join(other.done) == then
    assert transport._pool._buffers._large_count == 0


async def test_an_idle_connection_has_given_back_its_large_buffers(transport):
    answers = [says(counted(noise(size, size))) for size in (3 * MIB, 1000, 2 * MIB, 1000)]
    async with Wire(*answers) as wire:
        for size in (3 * MIB, 1000, 2 * MIB, 1000):
            sink = Slow(0.001)
            await transport.send(Request(wire.url()), sink)
            assert b"".join(sink.done) == noise(size, size)
            assert transport._pool._buffers._large_count == 0
        assert wire.connections == 1


async def test_a_server_that_stalls_after_a_large_piece_is_left_before_the_idle_timeout(troubled, dest):
    """What the disk was given last is no excuse for it: that was written long ago."""
    site = await troubled.site()
    item = stac_item("one", data=site.put("/one.tif", tif(3 * MIB), etag='"1"'))
    site.things["/one.tif"].faults.append(Stall(2 * MIB + 100_000))
    report = await run([item], dest, timeout=3)
    first, second = asset_requests(site)
    assert report.exit_code == 0 and second.time - first.time < 3
    assert Mirrored(dest).bytes_of("one") == tif(3 * MIB)
    assert int(second.headers["range"][6:-1]) >= 2 * MIB


async def test_what_came_before_a_limit_was_reached_is_kept(troubled, dest):
    site = await troubled.site()
    item = stac_item("one", data=site.put("/one.tif", tif(3 * MIB), etag='"1"'))
    for part in (1, 2):
        assert (await run([item], dest, max_transfer=MIB // 2)).exit_code == 8
        [kept] = [path for path in Mirrored(dest).partial if path.suffix == ".part"]
        assert kept.stat().st_size >= part * MIB // 2


async def test_a_large_body_below_a_bandwidth_limit_comes_whole(troubled, dest):
    site = await troubled.site()
    item = stac_item("one", data=site.put("/one.tif", tif(3 * MIB), faults=[Drip(0.001, 300_000)]))
    report = await run([item], dest, bwlimit=20 * MIB)
    assert report.exit_code == 0 and report.seconds >= 0.05
    assert Mirrored(dest).bytes_of("one") == tif(3 * MIB)


class SinkFull(Exception):
    pass


@dataclass
class Greedy(Slow):
    """A disk that is at work on a piece when somebody else wants no more of the body: of a limit, say."""

    def write(self, data):
        self.pieces.append(data)
        raise SinkFull


async def test_a_piece_of_a_sink_that_raised_is_not_overwritten(secured):
    body = noise(5 * MIB)
    serve, ask = secured
    async with Wire(says(counted(body)), host="localhost", **serve) as wire, connected("fast", **ask) as one:
        for _ in range(8):
            sink = Greedy()
            with pytest.raises(SinkFull):
                await one.send(Request(wire.url()), sink)
            [piece] = sink.pieces
            assert bytes(piece) == body[: len(piece)]
