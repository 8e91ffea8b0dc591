"""Where TCP happens to cut a stream of bytes is no part of what it says, for both transports."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.wire import LOOPS, OK, Says, Wire, asked, chunked, connected

RUNS = [(name, loop) for name in ("fast", "aiohttp") for loop in LOOPS]
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
TRAILERS = [b"", b"X-Sum: 1\r\n", b"X-Sum: 1\r\nX-More: \xc3\xa9\r\n"]


@dataclass(frozen=True)
class Stream:
    """All bytes of a valid answer, what they mean, and whether the connection ends with them."""

    raw: bytes
    body: bytes
    closes: bool
    cuts: frozenset[int]

    @property
    def pieces(self) -> list[bytes]:
        at = [0, *sorted(cut for cut in self.cuts if 0 < cut < len(self.raw)), len(self.raw)]
        return [self.raw[a:b] for a, b in pairwise(at)]


@st.composite
def streams(draw):
    body = draw(st.binary(max_size=200))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    fields = draw(st.sampled_from([b"", b'ETag: "1"\r\nX-Long: ' + b"x" * 300 + b"\r\n", b"X-None:\r\n"]))
    if framing == "length":
        rest = b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    elif framing == "chunked":
        size = draw(st.integers(1, 50))
        whole = chunked(*(body[at : at + size] for at in range(0, len(body), size)))
        rest = b"Transfer-Encoding: chunked\r\n\r\n" + whole[:-2] + draw(st.sampled_from(TRAILERS)) + b"\r\n"
    else:
        rest = b"Connection: close\r\n\r\n" + body
    raw = INTERIM * draw(st.integers(0, 2)) + OK + fields + rest
    everywhere = st.just(frozenset(range(len(raw))))
    cuts = draw(st.one_of(st.frozensets(st.integers(1, len(raw)), max_size=12), everywhere))
    return Stream(raw, body, framing == "close", cuts)


def run(loop, work):
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(work)


async def heard_of(name: str, stream: Stream) -> None:
    answer = Says(stream.pieces, "fin" if stream.closes else "keep")
    async with Wire(answer) as wire, connected(name) as transport:
        for _ in range(2):
            heard = await asked(transport, wire.url())
            assert (heard.kind, heard.status, heard.body) == ("whole", 200, stream.body), heard.error
        assert wire.connections == (2 if stream.closes else 1)


@pytest.mark.parametrize(("name", "loop"), RUNS)
@settings(max_examples=50)
@given(stream=streams())
def test_a_response_does_not_depend_on_how_it_is_split_into_segments(name, loop, stream):
    run(loop, heard_of(name, stream))


async def cut_off(name: str, stream: Stream, at: int) -> None:
    cut = Stream(stream.raw[:at], stream.body, True, stream.cuts)
    async with Wire(Says(cut.pieces, "fin")) as wire, connected(name) as transport:
        heard = await asked(transport, wire.url())
        assert heard.kind in ("truncated", "connection")
        assert stream.body.startswith(heard.body)
        assert (heard.kind == "truncated") == (heard.head is not None)


@pytest.mark.parametrize(("name", "loop"), RUNS)
@settings(max_examples=50)
@given(stream=streams().filter(lambda stream: not stream.closes), data=st.data())
def test_no_beginning_of_a_response_is_taken_for_a_complete_one(name, loop, stream, data):
    run(loop, cut_off(name, stream, data.draw(st.integers(0, len(stream.raw) - 1))))


@pytest.mark.parametrize(("name", "loop"), RUNS)
@settings(max_examples=50)
@given(noise=st.binary(min_size=1, max_size=200), headed=st.booleans())
def test_random_bytes_give_an_error_of_this_package_or_a_response(name, loop, noise, headed):
    async def go():
        answer = Says([OK + noise if headed else noise], "fin")
        async with Wire(answer) as wire, connected(name) as transport:
            heard = await asked(transport, wire.url())
            kinds = {"whole", "truncated", "connection", "protocol"}
            assert heard.kind in (kinds if headed else kinds - {"whole"})

    run(loop, go())
