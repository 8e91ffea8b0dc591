"""Both transports: connections, requests, sinks, cancellation, name resolution and certificates."""

import asyncio
import errno
import socket
import ssl
from contextlib import AsyncExitStack, closing, contextmanager

import pytest

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Request
from mlhub_async.http.transport import aiohttp as general
from mlhub_async.http.transport import resolver
from mlhub_async.http.transport.fast import pool
from support.mirrored import Mirrored
from support.server import noise, tif
from support.stac_server import stac_item, static_catalog
from support.wire import OK, B, Heard, Wire, asked, chunked, connected, counted, says, until

GOOD = says(counted(B))
GONE = says(ending="fin")
RESET = says(ending="rst")
FAST = pytest.mark.parametrize("name", ["fast"])


@pytest.fixture(params=["fast", "aiohttp"])
def name(request):
    return request.param


@pytest.fixture
async def transport(name):
    async with connected(name) as one:
        yield one


class TestKeptConnections:
    async def test_one_connection_carries_many_requests_in_turn(self, transport):
        async with Wire(GOOD, says(OK + b"Transfer-Encoding: chunked\r\n\r\n", chunked(B)), GOOD) as wire:
            for _ in range(20):
                assert (await asked(transport, wire.url())).body == B
            assert (wire.connections, len(wire.seen)) == (1, 20)

    async def test_no_more_connections_are_opened_than_are_used_at_a_time(self, transport):
        async with Wire(says(counted(B), pause=0.01)) as wire:
            for _ in range(3):
                heard = await asyncio.gather(*(asked(transport, wire.url()) for _ in range(5)))
                assert [one.body for one in heard] == [B] * 5
            assert wire.connections == 5

    async def test_closing_a_transport_closes_its_connections(self, name):
        async with Wire(GOOD) as wire:
            async with connected(name) as transport:
                await asyncio.gather(*(asked(transport, wire.url()) for _ in range(5)))
            await wire.left()

    @pytest.mark.parametrize("said", [True, False])
    async def test_a_server_may_close_the_connection_after_each_response(self, transport, said):
        answer = says(counted(B, b"Connection: close\r\n" if said else b""), ending="fin")
        async with Wire(answer) as wire:
            for _ in range(5):
                heard = await asked(transport, wire.url())
                assert heard.kind == "whole" and heard.body == B
            assert wire.connections >= 5

    async def test_http_1_0_connections_are_reused_only_with_keep_alive(self, transport):
        old = b"HTTP/1.0 200 OK\r\nContent-Length: 11\r\n%s\r\n" + B
        kept = says(old % b"Connection: keep-alive\r\n")
        async with Wire(kept, says(old % b"", ending="fin"), GOOD) as wire:
            for _ in range(4):
                assert (await asked(transport, wire.url())).body == B
            assert wire.connections == 2

    @pytest.mark.parametrize("end", [GONE, RESET])
    async def test_a_get_over_a_stale_connection_is_sent_again(self, transport, end):
        async with Wire(GOOD, end, GOOD) as wire:
            assert (await asked(transport, wire.url())).body == B
            assert (await asked(transport, wire.url())).body == B
            assert (wire.connections, len(wire.seen)) == (2, 3)

    @pytest.mark.parametrize("end", [GONE, RESET])
    async def test_a_get_is_sent_again_only_once(self, transport, end):
        async with Wire(GOOD, end) as wire:
            await asked(transport, wire.url())
            assert (await asked(transport, wire.url())).kind == "connection"
            assert (wire.connections, len(wire.seen)) == (2, 3)

    @pytest.mark.parametrize("end", [GONE, RESET])
    async def test_a_post_is_never_sent_twice(self, transport, end):
        async with Wire(GOOD, end, GOOD) as wire:
            await asked(transport, wire.url())
            heard = await asked(transport, wire.url(), method="POST", body=b"{}")
            assert heard.kind == "connection" and len(wire.seen) == 2

    @FAST  # aiohttp does not look whether something had come
    async def test_a_request_is_not_repeated_after_a_part_of_its_response(self, transport):
        async with Wire(GOOD, says(b"H", ending="fin"), GOOD) as wire:
            await asked(transport, wire.url())
            assert (await asked(transport, wire.url())).kind == "connection"
            assert len(wire.seen) == 2

    async def test_the_loss_of_a_new_connection_is_reported_without_a_repetition(self, transport):
        async with Wire(GONE) as wire:
            assert (await asked(transport, wire.url())).kind == "connection"
            assert len(wire.seen) == 1

    @pytest.mark.parametrize("extra", [b"!", b"HTTP/1.1 200 OK\r\n", counted(b"of another")])
    async def test_unrequested_bytes_are_no_response_to_the_next_request(self, transport, extra):
        said = asyncio.Event()

        async def says_more(peer, seen):
            await peer.say(says(counted(B), extra, pause=0.01), seen)
            said.set()
            return True

        async with Wire(says_more, GOOD) as wire:
            for _ in range(3):
                assert (await asked(transport, wire.url())).body == B
                await said.wait()

    @FAST  # aiohttp does so at the next request
    async def test_unrequested_bytes_close_the_connection(self, transport):
        async with Wire(says(counted(B), b"!", pause=0.01, ending="hang")) as wire:
            assert (await asked(transport, wire.url())).body == B
            await wire.left()

    async def test_an_idle_connection_is_closed_after_a_while(self, name, monkeypatch):
        for module in (pool, general):
            monkeypatch.setattr(module, "MAX_IDLE_SECONDS", 0.05)
        async with Wire(GOOD) as wire, connected(name, idle_timeout=0.2) as transport:
            await asked(transport, wire.url())
            assert wire.open == 1
            await wire.left()
            assert (await asked(transport, wire.url())).body == B

    @FAST  # aiohttp keeps all of them for their time
    async def test_only_the_most_recently_used_idle_connections_are_kept(self, name, monkeypatch):
        monkeypatch.setattr(pool, "MAX_IDLE_CONNECTIONS", 4)
        async with AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(Wire(GOOD)) for _ in range(12)]
            transport = await stack.enter_async_context(connected(name))
            for wire in wires:
                assert (await asked(transport, wire.url())).body == B
                await asyncio.sleep(0.002)  # for clocks that count milliseconds
            await until(lambda: sum(wire.open for wire in wires) <= 4)
            assert (await asked(transport, wires[-1].url())).body == B
            assert wires[-1].connections == 1

    @FAST  # aiohttp knows no such limit
    async def test_old_connections_are_not_reused(self, transport, monkeypatch):
        monkeypatch.setattr(pool, "MAX_CONNECTION_AGE_SECONDS", -1.0)
        async with Wire(GOOD) as wire:
            for _ in range(3):
                assert (await asked(transport, wire.url())).body == B
            assert wire.connections == 3


class TestRequests:
    async def test_a_post_carries_its_body(self, transport):
        async with Wire(GOOD) as wire:
            body = noise(300_000)
            headers = {"content-type": "application/json"}
            for _ in range(2):
                heard = await asked(transport, wire.url(), method="POST", headers=headers, body=body)
                assert heard.body == B
            assert [seen.body for seen in wire.seen] == [body] * 2
            assert wire.seen[0].headers["content-type"] == "application/json"

    async def test_path_query_and_fields_are_sent_unchanged(self, transport):
        async with Wire(GOOD) as wire:
            target = "/a%2Fb%20c/d;e?x=1&x=%C3%A9&sig=a%2Bb%3D&empty="
            await asked(transport, wire.url(target), headers={"x-one": "1", "range": "bytes=5-"})
            [seen] = wire.seen
            assert (seen.method, seen.target) == ("GET", target)
            assert (seen.headers["x-one"], seen.headers["range"]) == ("1", "bytes=5-")
            assert seen.headers["host"] == f"127.0.0.1:{wire.port}" and seen.headers["user-agent"] == "test"

    @pytest.mark.parametrize(
        "headers",
        [{"x-a": "b\r\nx-c: d"}, {"x-a": "b\nc"}, {"x-a": "b\rc"}, {"x-a": "b\0c"}, {"x-a\r\nx-b": "c"}],
    )
    async def test_a_field_with_a_line_break_is_refused_unsent(self, transport, headers):
        async with Wire(GOOD) as wire:
            heard = await asked(transport, wire.url(), headers=headers)
            assert heard.kind == "bad-href" and not heard.error.retryable
            assert wire.seen == []
            assert (await asked(transport, wire.url())).body == B

    @pytest.mark.parametrize("path", ["/a b", "/a\r\nX-B: c", "/a\nb", "/a\0b"])
    async def test_a_path_with_a_line_break_is_refused_unsent(self, transport, path):
        async with Wire(GOOD) as wire:
            heard = await asked(transport, wire.url(path))
            assert heard.kind == "bad-href" and wire.seen == []


class RefusedError(Exception):
    """What a sink says when it does not want an answer."""


class TestSinks:
    async def test_a_sink_that_refuses_the_head_closes_the_connection(self, transport):
        class Refusing(Heard):
            def start(self, head):
                raise RefusedError

        async with Wire(says(counted(noise(1 << 20))), GOOD) as wire:
            heard = Refusing()
            with pytest.raises(RefusedError):
                await asked(transport, wire.url(), heard)
            assert heard.pieces == []
            await wire.left()
            assert (await asked(transport, wire.url())).body == B

    @pytest.mark.parametrize("late", [False, True])
    async def test_a_sink_that_fails_in_the_body_closes_the_connection(self, transport, late):
        def fail(data):
            if not late:
                raise RefusedError
            return self.failing()

        async with Wire(says(counted(noise(1 << 20))), GOOD) as wire:
            with pytest.raises(RefusedError):
                await asked(transport, wire.url(), Heard(hold=fail))
            await wire.left()
            assert (await asked(transport, wire.url())).body == B

    async def failing(self):
        await asyncio.sleep(0)
        raise RefusedError

    @pytest.mark.parametrize("framing", ["length", "chunked", "close"])
    async def test_a_slow_sink_slows_the_server_down(self, transport, framing):
        body, go = noise(24 << 20), asyncio.Event()
        sending = Sending(body, framing)
        slow = Slow(go)
        async with Wire(sending) as wire:
            task = asyncio.create_task(asked(transport, wire.url(), slow))
            await until(lambda: slow.views)
            await sending.stalls()
            assert sending.sent < len(body) and len(slow.views) == 1
            go.set()
            assert (await task).kind == "whole"
        assert slow.body == body

    async def test_a_slow_sink_causes_no_timeout(self, name):
        def rest(data):
            return asyncio.sleep(0.6)

        async with Wire(says(counted(B))) as wire, connected(name, idle_timeout=0.4) as transport:
            heard = await asked(transport, wire.url(), Heard(hold=rest))
            assert heard.kind == "whole" and heard.body == B


class Suspended:
    """A suspend detector that finds a suspension at every check."""

    def __init__(self):
        self.checks = 0

    def count(self):
        self.checks += 1
        return self.checks


@pytest.mark.parametrize(("suspends", "ended"), [(None, True), (Suspended(), False)])
async def test_a_suspension_of_this_process_causes_no_timeout(suspends, ended):
    async with (
        Wire(says(ending="hang")) as wire,
        connected("fast", idle_timeout=0.1, suspends=suspends) as transport,
    ):
        asking = asyncio.create_task(asked(transport, wire.url()))
        await asyncio.wait([asking], timeout=0.4)
        assert asking.done() == ended
        asking.cancel()
        await asyncio.wait([asking])


class Slow(Heard):
    """Looks at what it was given only after it has waited: the bytes must still be there."""

    def __init__(self, go):
        super().__init__()
        self.go = go
        self.views = []

    def write(self, data):
        self.views.append(data)
        return self.take(data)

    async def take(self, data):
        await self.go.wait()
        await asyncio.sleep(0)
        self.pieces.append(bytes(data))


class Sending:
    """A server that sends a large body as fast as it is taken, and knows how far it came."""

    def __init__(self, body, framing):
        self.body = body
        self.framing = framing
        self.sent = 0

    async def __call__(self, peer, seen):
        head = {
            "length": b"Content-Length: %d\r\n" % len(self.body),
            "chunked": b"Transfer-Encoding: chunked\r\n",
            "close": b"Connection: close\r\n",
        }[self.framing]
        peer.writer.write(OK + head + b"\r\n")
        for at in range(0, len(self.body), 1 << 16):
            piece = self.body[at : at + (1 << 16)]
            framed = b"%x\r\n%s\r\n" % (len(piece), piece) if self.framing == "chunked" else piece
            peer.writer.write(framed)
            await peer.writer.drain()
            self.sent = at + len(piece)
        if self.framing == "chunked":
            peer.writer.write(b"0\r\n\r\n")
        return self.framing != "close"

    async def stalls(self):
        before = -1
        while before != self.sent:
            before = self.sent
            await asyncio.sleep(0.05)


PHASES = {
    "before the head": says(ending="hang"),
    "in the head": says(OK + b"Content-", ending="hang"),
    "before the body": says(OK + b"Content-Length: 5\r\n\r\n", ending="hang"),
    "in the body": says(OK + b"Content-Length: 11\r\n\r\nhello", ending="hang"),
    "in a chunk": says(OK + b"Transfer-Encoding: chunked\r\n\r\nb\r\nhello", ending="hang"),
    "in a body without a length": says(OK + b"Connection: close\r\n\r\nhello", ending="hang"),
}


class TestCancelling:
    @pytest.mark.parametrize("when", PHASES)
    async def test_cancelling_closes_the_connection_at_every_stage_of_the_response(self, transport, when):
        async with Wire(PHASES[when], GOOD) as wire:
            task = asyncio.create_task(asked(transport, wire.url()))
            await until(lambda: wire.seen)
            await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await wire.left()
            assert (await asked(transport, wire.url())).body == B

    async def test_cancelling_while_the_sink_is_busy(self, transport):
        heard = Heard(hold=lambda data: asyncio.Event().wait())
        async with Wire(GOOD) as wire:
            task = asyncio.create_task(asked(transport, wire.url(), heard))
            await until(lambda: heard.pieces)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await asked(transport, wire.url())).body == B

    async def test_cancelling_during_name_resolution(self, transport, names):
        names.answers["slow.test"] = asyncio.Event().wait
        task = asyncio.create_task(asked(transport, "http://slow.test:1/x"))
        await until(lambda: names.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with Wire(GOOD) as wire:
            assert (await asked(transport, wire.url())).body == B

    async def test_cancelling_while_connecting(self, transport):
        with black_hole() as (address, port):
            task = asyncio.create_task(asked(transport, f"http://{address}:{port}/x"))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_cancelling_one_of_two_look_ups_of_a_name_does_not_affect_the_other(self, transport, names):
        go = asyncio.Event()
        async with Wire(GOOD) as wire:
            names.answers["slow.test"] = lambda: held(go, [("127.0.0.1", wire.port)])
            first, second = (
                asyncio.create_task(asked(transport, wire.url(host="slow.test"))) for _ in range(2)
            )
            await until(lambda: names.asked)
            await asyncio.sleep(0.01)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            go.set()
            assert (await second).body == B


async def held(go, addresses):
    await go.wait()
    return addresses


class Names:
    """Stands where the system's resolver is asked: addresses by name, or how to wait for them."""

    def __init__(self, system):
        self.system = system
        self.answers = {}
        self.asked = []

    async def getaddrinfo(self, host, port, **about):
        if host not in self.answers:
            return await self.system(host, port, **about)
        self.asked.append(host)
        answer = self.answers[host]
        if isinstance(answer, OSError):
            raise answer
        found = await answer() if callable(answer) else answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in found]


@pytest.fixture
async def names(monkeypatch):
    loop = asyncio.get_running_loop()
    names = Names(loop.getaddrinfo)
    monkeypatch.setattr(loop, "getaddrinfo", names.getaddrinfo)
    return names


@contextmanager
def black_hole():
    """An address that neither takes nor refuses connections: its queue is full."""
    with closing(socket.socket()) as hole, closing(socket.socket()) as one, closing(socket.socket()) as two:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for filler in (one, two):
            filler.setblocking(False)
            assert filler.connect_ex(hole.getsockname()) in (0, errno.EINPROGRESS)
        yield hole.getsockname()


class TestNames:
    async def test_a_literal_ipv6_address_is_connected_to(self, transport):
        try:
            wire = Wire(GOOD, host="::1")
            await wire.__aenter__()
        except OSError:
            pytest.skip("no IPv6 here")
        heard = await asked(transport, wire.url())
        await wire.__aexit__()
        assert heard.body == B and wire.seen[0].headers["host"] == f"[::1]:{wire.port}"

    @pytest.mark.parametrize("dead", ["refuses", "is silent"])
    async def test_the_first_of_several_addresses_may_be_unreachable(self, transport, names, dead):
        with black_hole() as silent:
            async with Wire(GOOD) as wire:
                first = ("127.0.0.2", wire.port) if dead == "refuses" else silent
                names.answers["two.test"] = [first, ("127.0.0.1", wire.port)]
                heard = await asked(transport, wire.url(host="two.test"))
                assert heard.body == B, heard.error

    async def test_all_addresses_may_be_unreachable(self, transport, names):
        names.answers["two.test"] = [("127.0.0.2", 1), ("127.0.0.3", 1)]
        heard = await asked(transport, "http://two.test:1/x")
        assert heard.kind == "unreachable" and heard.error.retryable

    async def test_one_that_does_not_answer_is_a_timeout(self, name):
        async with connected(name, connect_timeout=0.1) as transport:
            with black_hole() as (address, port):
                heard = await asked(transport, f"http://{address}:{port}/x")
                assert heard.kind == "timeout" and heard.error.retryable

    async def test_a_name_is_asked_for_once_and_each_of_its_addresses_checked(self, name, names):
        seen = []
        async with Wire(says(counted(B), ending="fin")) as wire:
            names.answers["two.test"] = [("127.0.0.1", wire.port), ("127.0.0.2", wire.port)]
            async with connected(name, check=lambda *one: seen.append(one)) as transport:
                for _ in range(3):
                    await asyncio.gather(*(asked(transport, wire.url(host="two.test")) for _ in range(3)))
            assert names.asked == ["two.test"] and wire.connections == 9
            assert seen == [("two.test", wire.port, one) for one in ("127.0.0.1", "127.0.0.2")]

    async def test_of_many_names_those_asked_for_last_are_remembered(self, name, names, monkeypatch):
        monkeypatch.setattr(resolver, "MAX_CACHED_HOSTS", 2)
        async with Wire(says(counted(B), ending="fin")) as wire, connected(name) as transport:
            for host in ("a.test", "b.test", "c.test", "b.test", "a.test"):
                names.answers[host] = [("127.0.0.1", wire.port)]
                assert (await asked(transport, wire.url(host=host))).body == B
            assert names.asked == ["a.test", "b.test", "c.test", "a.test"]

    async def test_one_refused_address_of_a_name_prevents_any_connection(self, name, names):
        def check(host, port, address):
            if address == "127.0.0.2":
                raise TransferError("no", kind="private-address")

        async with Wire(GOOD) as wire, connected(name, check=check) as transport:
            names.answers["two.test"] = [("127.0.0.1", wire.port), ("127.0.0.2", wire.port)]
            for _ in range(2):
                heard = await asked(transport, wire.url(host="two.test"))
                assert heard.kind == "private-address" and wire.connections == 0

    @pytest.mark.parametrize(("code", "tries"), [(socket.EAI_NONAME, 3), (socket.EAI_AGAIN, None)])
    async def test_an_unknown_host_name_is_reported_as_such(self, transport, names, code, tries):
        names.answers["no.test"] = socket.gaierror(code, "no")
        heard = await asked(transport, "http://no.test/x")
        assert (heard.kind, heard.error.tries) == ("dns", tries)

    async def test_a_refused_connection_is_reported_as_such(self, transport):
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        heard = await asked(transport, f"http://127.0.0.1:{port}/x")
        assert heard.kind == "unreachable" and "ECONNREFUSED" in heard.error.message


class TestNamesThatMove:
    """A name is looked up anew after a connection that failed, and its addresses are checked again."""

    @pytest.fixture
    async def wires(self):
        """Two servers, on 127.0.0.1 and 127.0.0.2, that close each connection after the answer."""
        answer = says(counted(B), ending="fin")
        async with Wire(answer) as old, Wire(answer, host="127.0.0.2") as new:
            yield old, new

    @pytest.fixture
    def names(self, names, monkeypatch):
        monkeypatch.setattr(resolver, "FRESH_SECONDS", 0.0)
        return names

    @pytest.fixture
    def refusing(self):
        """A port of 127.0.0.1 that is taken and refuses connections."""
        with closing(socket.socket()) as held:
            held.bind(("127.0.0.1", 0))
            yield held.getsockname()

    async def test_a_request_goes_on_at_the_new_address(self, transport, names, wires, refusing):
        old, new = wires
        names.answers["moves.test"] = [("127.0.0.1", old.port)]
        url = old.url(host="moves.test")
        assert (await asked(transport, url)).body == B
        await old.__aexit__()
        names.answers["moves.test"] = [("127.0.0.2", new.port)]
        assert (await asked(transport, url)).body == B
        assert names.asked == ["moves.test"] * 2 and len(new.seen) == 1

    async def test_the_new_address_is_checked(self, name, names, wires):
        def check(host, port, address):
            if address == "127.0.0.2":
                raise TransferError("no", kind="private-address")

        old, new = wires
        async with connected(name, check=check) as transport:
            names.answers["moves.test"] = [("127.0.0.1", old.port)]
            assert (await asked(transport, old.url(host="moves.test"))).body == B
            await old.__aexit__()
            names.answers["moves.test"] = [("127.0.0.2", new.port)]
            heard = await asked(transport, old.url(host="moves.test"))
            assert heard.kind == "private-address" and new.connections == 0

    async def test_a_name_that_cannot_be_looked_up_any_more_keeps_its_addresses(
        self, transport, names, wires, monkeypatch
    ):
        monkeypatch.setattr(resolver, "FAILED_LOOKUP_TTL_SECONDS", -1.0)
        old, new = wires
        names.answers["moves.test"] = [("127.0.0.1", old.port)]
        url = old.url(host="moves.test")
        assert (await asked(transport, url)).body == B
        await old.__aexit__()
        names.answers["moves.test"] = socket.gaierror(socket.EAI_AGAIN, "no")
        assert (await asked(transport, url)).kind == "unreachable"
        names.answers["moves.test"] = [("127.0.0.2", new.port)]
        assert (await asked(transport, url)).body == B

    async def test_failures_at_the_same_time_look_the_name_up_once(self, transport, names, refusing):
        names.answers["gone.test"] = [refusing]
        url = f"http://gone.test:{refusing[1]}/x"
        for lookups in (2, 4):
            heard = await asyncio.gather(*(asked(transport, url) for _ in range(5)))
            assert {one.kind for one in heard} == {"unreachable"}
            assert len(names.asked) <= lookups

    @pytest.mark.parametrize("trouble", ["hangs up", "resets", "speaks no HTTP", "is silent"])
    async def test_after_a_node_without_an_answer_another_address_is_asked(self, name, names, trouble):
        answers = {"hangs up": GONE, "resets": RESET, "is silent": says(ending="hang")}
        async with Wire(answers.get(trouble, says(b"no HTTP", ending="fin"))) as odd, Wire(GOOD) as wire:
            names.answers["two.test"] = [("127.0.0.1", odd.port), ("127.0.0.1", wire.port)]
            async with connected(name, idle_timeout=0.3) as transport:
                assert (await asked(transport, odd.url(host="two.test"))).error.retryable
                for _ in range(3):
                    assert (await asked(transport, odd.url(host="two.test"))).body == B
            assert odd.connections == 1

    async def test_after_a_bad_certificate_another_address_is_asked(self, name, names, authority):
        bad, good = authority.without_traceback(), authority.context("DNS:two.test")
        trusting = ssl.create_default_context(cafile=authority.pem)
        async with Wire(GOOD, tls=bad) as odd, Wire(GOOD, tls=good) as wire:
            names.answers["two.test"] = [("127.0.0.1", odd.port), ("127.0.0.1", wire.port)]
            async with connected(name, tls=trusting) as transport:
                heard = [await asked(transport, odd.url(host="two.test")) for _ in range(3)]
            assert [one.body for one in heard][-2:] == [B, B] and odd.seen == []


class TestFreshConnections:
    async def test_a_request_may_want_a_new_connection(self, transport):
        async with Wire(GOOD) as wire:
            for fresh in (False, True, False, True):
                assert (await asked(transport, wire.url(), fresh=fresh)).body == B
            assert wire.connections == 3


class TestTrust:
    """A certificate for localhost and 127.0.0.1, by an authority that only `authority.pem` speaks of."""

    @pytest.fixture
    async def wire(self, authority):
        async with Wire(GOOD, tls=authority.context()) as wire:
            yield wire

    @pytest.fixture
    def trusting(self, authority):
        return ssl.create_default_context(cafile=authority.pem)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    async def test_a_certificate_of_a_trusted_authority_is_accepted(self, name, wire, trusting, host):
        async with connected(name, tls=trusting) as transport:
            for _ in range(5):
                heard = await asked(transport, wire.url(host=host))
                assert heard.body == B, heard.error
            assert wire.connections == 1
        await wire.left()

    async def test_nothing_is_sent_to_an_untrusted_server(self, transport, wire):
        heard = await asked(transport, wire.url(host="localhost"))
        assert heard.kind == "tls" and not heard.error.retryable
        assert "certificate refused" in heard.error.message and wire.seen == []

    async def test_a_certificate_for_another_name_is_refused(self, name, names, authority, trusting):
        async with Wire(GOOD, tls=authority.context("DNS:other.test")) as wire:
            names.answers["localhost"] = names.answers["other.test"] = [("127.0.0.1", wire.port)]
            async with connected(name, tls=trusting) as transport:
                heard = await asked(transport, wire.url(host="localhost"))
                assert heard.kind == "tls" and wire.seen == []
                assert (await asked(transport, wire.url(host="other.test"))).body == B

    async def test_a_server_without_tls_is_reported_as_such(self, transport):
        async def plain(reader, writer):
            writer.write(counted(B))
            await reader.read(100)
            writer.close()

        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            heard = await asked(transport, f"https://127.0.0.1:{port}/x")
            assert (heard.kind, heard.error.retryable, heard.error.tries) == ("tls", True, 3)

    async def test_a_large_body_comes_whole_and_in_order(self, name, authority, trusting):
        body = noise(5 << 20)
        wire, heard = Wire(says(counted(body)), tls=authority.context()), Slow(asyncio.Event())
        async with wire, connected(name, tls=trusting) as transport:
            heard.go.set()
            assert (await asked(transport, wire.url(), heard)).kind == "whole"
            assert heard.body == body

    @pytest.mark.parametrize("ending", ["fin", "rst"])
    async def test_a_truncated_body_over_tls_is_reported_as_such(self, name, authority, trusting, ending):
        cut = says(OK + b"Content-Length: 11\r\n\r\nhello", ending=ending)
        async with Wire(cut, tls=authority.context()) as wire, connected(name, tls=trusting) as transport:
            heard = await asked(transport, wire.url())
            assert heard.kind == "truncated" and heard.body in (b"hello", b"")


class TestTrustOfTheProgram:
    @pytest.fixture
    def mirrored(self, run_cli, troubled_thread, authority, dest, name):
        def run(names, *words):
            site = troubled_thread.site("localhost", authority.context(names))
            url = static_catalog(site, [stac_item("one", data=site.put("/one.tif", tif(3000)))])
            return run_cli("mirror", url, dest, "--transport", name, *words), site

        return run

    def test_ca_file_names_the_authority_to_trust(self, mirrored, authority, dest):
        ended, _ = mirrored("DNS:localhost", "--ca-file", authority.pem)
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)
        assert Mirrored(dest).bytes_of("one") == tif(3000)

    def test_without_it_nobody_is_asked_for_anything(self, mirrored):
        ended, site = mirrored("DNS:localhost")
        assert ended.code == 3 and "certificate" in ended.err and site.log == []

    def test_nor_under_another_name(self, mirrored, authority):
        ended, site = mirrored("DNS:other.test", "--ca-file", authority.pem)
        assert ended.code == 3 and "certificate" in ended.err and site.log == []


async def test_a_request_is_one_hop_and_its_sink_is_told_where(transport):
    async with Wire(
        says(OK.replace(b"200 OK", b"302 Found") + b"Location: /x\r\nContent-Length: 0\r\n\r\n")
    ) as wire:
        heard = Heard()
        await transport.send(Request(wire.url()), heard)
        assert (heard.status, heard.head.headers["location"], heard.head.url) == (302, "/x", wire.url())
        assert len(wire.seen) == 1
