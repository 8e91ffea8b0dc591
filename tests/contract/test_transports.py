"""One contract for both transports: what they hear of each answer, and what they make of a bad one."""

import asyncio

import pytest

from support.wire import LOOPS, OK, B, Heard, Says, Wire, asked, chunked, connected, counted, says

LENGTH = b"Content-Length: 11\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PIECES = chunked(b"hello", b" world")


def head(*fields: bytes, line: bytes = OK) -> bytes:
    return line + b"".join(fields) + b"\r\n"


@pytest.fixture(params=["fast", "aiohttp"])
def name(request):
    return request.param


@pytest.fixture
async def transport(name):
    async with connected(name) as one:
        yield one


@pytest.fixture
async def impatient(name):
    async with connected(name, idle_timeout=0.2) as one:
        yield one


async def heard_of(transport, answer: Says, **request) -> tuple[Heard, Wire]:
    async with Wire(answer) as wire:
        return await asked(transport, wire.url(), **request), wire


GOOD = {
    "a counted body": says(counted(B)),
    "chunks": says(head(CHUNKED), PIECES),
    "chunks of one byte": says(head(CHUNKED), chunked(*(bytes([byte]) for byte in B))),
    "chunks with extensions": says(head(CHUNKED), b'5;a=b;c="d e"\r\nhello\r\n6;x\r\n world\r\n0;z\r\n\r\n'),
    "chunks with trailers": says(head(CHUNKED), PIECES[:-2] + b"X-Sum: 1\r\nX-More: 2\r\n\r\n"),
    "chunk sizes with zeros and capitals": says(head(CHUNKED), b"000B\r\nhello world\r\n000\r\n\r\n"),
    "a space after chunk sizes": says(head(CHUNKED), b"b \r\nhello world\r\n0  \r\n\r\n"),
    "a tab before a chunk extension": says(head(CHUNKED), b"b\t;a=b\r\nhello world\r\n0\r\n\r\n"),
    "a folded line": says(head(b"X-A: b\r\n c\r\n\td\r\n", LENGTH), B),
    "a folded length": says(head(b"Content-Length:\r\n 11\r\n"), B),
    "a folded coding": says(head(b"Transfer-Encoding: \r\n\tchunked\r\n"), PIECES),
    "a folded line without content": says(head(b"X-A: b\r\n \r\n", LENGTH), B),
    "a folded trailer": says(head(CHUNKED), PIECES[:-2] + b"X-Sum: 1\r\n 2\r\n\r\n"),
    "a coding in capitals": says(head(b"TRANSFER-ENCODING: Chunked\r\n"), PIECES),
    "up to the end of the connection": says(head(b"Connection: close\r\n"), B, ending="fin"),
    "HTTP/1.0": says(head(line=b"HTTP/1.0 200 OK\r\n"), B, ending="fin"),
    "interim answers before it": says(b"HTTP/1.1 103 Soon\r\nLink: x\r\n\r\n" * 5, counted(B)),
    "interim answer and head in one": says(b"HTTP/1.1 100 Continue\r\n\r\n" + counted(B)),
    "no reason": says(head(LENGTH, line=b"HTTP/1.1 200\r\n"), B),
    "an empty reason": says(head(LENGTH, line=b"HTTP/1.1 200 \r\n"), B),
    "a reason beyond ASCII": says(head(LENGTH, line=b"HTTP/1.1 200 \xe9\xff\r\n"), B),
    "an offer to upgrade": says(head(LENGTH, b"Upgrade: h2c\r\nConnection: upgrade\r\n"), B),
    "an empty field": says(head(b"X-None:\r\n", LENGTH), B),
    "a field beyond ASCII": says(head(b"X-Name: caf\xc3\xa9 \xe9\r\n", LENGTH), B),
    "a length with zeros": says(head(b"Content-Length: 00000011\r\n"), B),
    "white space around a length": says(head(b"Content-Length: \t 11 \t\r\n"), B),
    "a field of 60,000 bytes": says(head(b"X-Long: %s\r\n" % (b"x" * 60_000), LENGTH), B),
    "128 fields": says(head(*(b"X-%d: x\r\n" % n for n in range(127)), LENGTH), B),
}


@pytest.mark.parametrize("what", GOOD)
async def test_a_body_is_received_completely_with_every_framing(transport, what):
    heard, wire = await heard_of(transport, GOOD[what])
    assert (heard.kind, heard.status, heard.body) == ("whole", 200, B), heard.error
    assert wire.connections == len(wire.seen) == 1


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"204 No Content", b""),
        (b"204 No Content", LENGTH),
        (b"304 Not Modified", LENGTH),
        (b"304 Not Modified", CHUNKED),
        (b"200 OK", b"Content-Length: 0\r\n"),
    ],
)
async def test_a_response_without_a_body_ends_with_its_head(transport, line, fields):
    empty = says(head(fields, line=b"HTTP/1.1 %s\r\n" % line))
    async with Wire(empty, says(counted(B))) as wire:
        first = await asked(transport, wire.url())
        assert (first.kind, first.status, first.pieces) == ("whole", int(line[:3]), [])
        assert (await asked(transport, wire.url())).body == B
        assert wire.connections == 1


async def test_header_fields_are_by_lower_case_name_and_the_first_of_several_counts(transport):
    fields = b'ETag: "1"\r\nX-Two: a\r\nx-two: b\r\nContent-Type:text/plain \r\nX-Raw: caf\xc3\xa9\r\n'
    heard, wire = await heard_of(transport, says(head(fields, LENGTH), B))
    told = heard.head
    assert told.url == wire.url() and told.status == 200
    assert {k: told.headers[k] for k in ("etag", "x-two", "content-type", "content-length")} == {
        "etag": '"1"',
        "x-two": "a",
        "content-type": "text/plain",
        "content-length": "11",
    }
    assert all(key == key.lower() for key in told.headers)


async def test_a_compressed_body_is_not_decoded(transport):
    heard, _ = await heard_of(transport, says(head(b"Content-Encoding: gzip\r\n", LENGTH), B))
    assert heard.body == B and heard.head.headers["content-encoding"] == "gzip"


CUT = {
    "before the head": ((), "connection"),
    "in the status line": ((b"HTTP/1.1 2",), "connection"),
    "in the head": ((b"HTTP/1.1 200 OK\r\nConte",), "connection"),
    "after an interim answer": ((b"HTTP/1.1 103 Soon\r\n\r\n",), "connection"),
    "before the body": ((head(LENGTH),), "truncated"),
    "in the body": ((head(LENGTH), B[:4]), "truncated"),
    "in the size of a chunk": ((head(CHUNKED), PIECES[:10] + b"1"), "truncated"),
    "in a chunk": ((head(CHUNKED), PIECES[:5]), "truncated"),
    "between two chunks": ((head(CHUNKED), PIECES[:10]), "truncated"),
    "after the last chunk": ((head(CHUNKED), PIECES[:-2]), "truncated"),
}


@pytest.mark.parametrize("ending", ["fin", "rst"])
@pytest.mark.parametrize("where", CUT)
async def test_the_error_tells_at_which_stage_a_response_was_cut(transport, where, ending):
    pieces, kind = CUT[where]
    heard, _ = await heard_of(transport, Says(pieces, ending))
    assert heard.kind == kind and heard.error.retryable
    assert B.startswith(heard.body)
    assert ("the body ended early" in heard.error.message) == (kind == "truncated")


@pytest.mark.parametrize("where", CUT)
async def test_a_stall_is_a_timeout_at_every_stage(impatient, where):
    heard, _ = await heard_of(impatient, Says(CUT[where][0], "hang"))
    assert heard.kind == "timeout" and heard.error.retryable


async def test_a_head_that_arrives_byte_by_byte_is_a_timeout(impatient):
    drip = Says([bytes([byte]) for byte in head(b"X-Slow: %s\r\n" % (b"x" * 400))], pause=0.005)
    heard, _ = await heard_of(impatient, drip)
    assert heard.kind == "timeout" and heard.head is None


async def test_a_body_that_arrives_slowly_is_no_timeout(name):
    slowly = Says([head(LENGTH), *(bytes([byte]) for byte in B)], pause=0.05)
    async with connected(name, idle_timeout=0.5) as patient:
        heard, _ = await heard_of(patient, slowly)
    assert heard.kind == "whole" and heard.body == B


async def test_a_reset_does_not_end_a_body_without_a_length(transport):
    answer = says(head(b"Connection: close\r\n"), B, ending="rst", pause=0.01)
    heard, _ = await heard_of(transport, answer)
    assert heard.kind == "truncated" and heard.body == B


BAD = {
    "lengths that differ": [head(LENGTH, b"Content-Length: 12\r\n"), B],
    "a list of lengths": [head(b"Content-Length: 11, 12\r\n"), B],
    "the length twice": [head(LENGTH, LENGTH), B],
    "length and chunks": [head(LENGTH, CHUNKED), PIECES],
    "chunks and length": [head(CHUNKED, LENGTH), PIECES],
    "a negative length": [head(b"Content-Length: -1\r\n"), B],
    "a length with a sign": [head(b"Content-Length: +11\r\n"), B],
    "a length in hexadecimal": [head(b"Content-Length: 0xb\r\n"), B],
    "a length with a point": [head(b"Content-Length: 11.0\r\n"), B],
    "a length of two words": [head(b"Content-Length: 1 1\r\n"), B],
    "an empty length": [head(b"Content-Length: \r\n"), B],
    "a length beyond all files": [head(b"Content-Length: 9999999999999999999\r\n"), B],
    "a length beyond all numbers": [head(b"Content-Length: %s\r\n" % (b"9" * 40)), B],
    "another coding": [head(b"Transfer-Encoding: gzip\r\n"), B],
    "another coding below the chunks": [head(b"Transfer-Encoding: gzip, chunked\r\n"), PIECES],
    "another coding over the chunks": [head(b"Transfer-Encoding: chunked, gzip\r\n"), PIECES],
    "another coding in a field of its own": [head(b"Transfer-Encoding: gzip\r\n", CHUNKED), PIECES],
    "identity": [head(b"Transfer-Encoding: identity\r\n", LENGTH), B],
    "an empty coding": [head(b"Transfer-Encoding: \r\n", LENGTH), B],
    "a chunk size that is none": [head(CHUNKED), b"zz\r\nhello world\r\n0\r\n\r\n"],
    "a negative chunk": [head(CHUNKED), b"-b\r\nhello world\r\n0\r\n\r\n"],
    "a chunk size with 0x": [head(CHUNKED), b"0xb\r\nhello world\r\n0\r\n\r\n"],
    "a chunk size beyond all numbers": [head(CHUNKED), b"f" * 20 + b"\r\nhello world"],
    "a chunk without a size": [head(CHUNKED), b"\r\nhello world\r\n0\r\n\r\n"],
    "a chunk that is longer than its size": [head(CHUNKED), b"5\r\nhello world\r\n0\r\n\r\n"],
    "a later chunk that is none": [head(CHUNKED), PIECES[:10], b"zz\r\n"],
    "a trailer without end": [head(CHUNKED), PIECES[:-2] + b"X-Sum: ", *[b"x" * 300_000] * 3],
    "a trailer that is none": [head(CHUNKED), PIECES[:-2] + b"no trailer\r\n\r\n"],
    "a bare CR in a field": [head(b"X-A: b\rX-C: d\r\n", LENGTH), B],
    "a length over two lines": [head(b"Content-Length: 1\r\n 1\r\n"), B],
    "NUL in a value": [head(b"X-A: b\0c\r\n", LENGTH), B],
    "NUL in a name": [head(b"X-\0A: b\r\n", LENGTH), B],
    "a space before the colon": [head(b"X-A : b\r\n", LENGTH), B],
    "a length with a space before the colon": [head(b"Content-Length : 5\r\n", LENGTH), B],
    "a field without a colon": [head(b"nothing\r\n", LENGTH), B],
    "a field without a name": [head(b": x\r\n", LENGTH), B],
    "a name that is none": [head(b"X(A): x\r\n", LENGTH), B],
    "too many fields": [head(*(b"X-%d: x\r\n" % n for n in range(128)), LENGTH), B],
    "a thousand fields": [head(*(b"X-%d: x\r\n" % n for n in range(1000)), LENGTH), B],
    "a field of 70,000 bytes": [head(b"X-Long: %s\r\n" % (b"x" * 70_000), LENGTH), B],
    "a head without an end": [OK + b"X-Long: " + b"x" * 300_000],
    "a status of two digits": [head(LENGTH, line=b"HTTP/1.1 20 OK\r\n"), B],
    "a status of four digits": [head(LENGTH, line=b"HTTP/1.1 2000 OK\r\n"), B],
    "a status of none": [head(LENGTH, line=b"HTTP/1.1 000 OK\r\n"), B],
    "no status": [head(LENGTH, line=b"HTTP/1.1 OK\r\n"), B],
    "two spaces": [head(LENGTH, line=b"HTTP/1.1  200 OK\r\n"), B],
    "a tab": [head(LENGTH, line=b"HTTP/1.1\t200 OK\r\n"), B],
    "a version that is none": [head(LENGTH, line=b"HTTP/3.5 200 OK\r\n"), B],
    "small letters": [head(LENGTH, line=b"http/1.1 200 OK\r\n"), B],
    "radio": [head(LENGTH, line=b"ICY 200 OK\r\n"), B],
    "HTTP/0.9": [b"<html>hello</html>\r\n"],
    "HTTP/0.9 with an empty line": [b"<html>\r\n\r\nhello</html>\r\n"],
    "TLS": [b"\x15\x03\x01\x00\x02\x02\x46"],
    "another protocol": [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "101": [head(line=b"HTTP/1.1 101 Switching Protocols\r\n")],
    "101 with what it switches to": [
        head(b"Upgrade: x\r\nConnection: upgrade\r\n", line=b"HTTP/1.1 101 Go\r\n") + B
    ],
    "bytes after a counted body": [counted(B) + b"!"],
    "bytes after an answer that has none": [head(line=b"HTTP/1.1 304 Not Modified\r\n") + b"!"],
    "bytes after an empty body": [head(b"Content-Length: 0\r\n") + b"!"],
}


@pytest.mark.parametrize("ending", ["hang", "fin"])
@pytest.mark.parametrize("what", BAD)
async def test_an_invalid_response_is_refused_and_its_connection_closed(name, what, ending):
    async with Wire(Says(BAD[what], ending), says(counted(B))) as wire, connected(name) as transport:
        heard = await asked(transport, wire.url())
        assert heard.kind == "protocol" and heard.error.tries == 3
        assert B.startswith(heard.body)
        await wire.left()
        assert (await asked(transport, wire.url())).body == B
        assert wire.connections == 2


LENIENT = {
    "lines that end in LF alone": b"HTTP/1.1 200 OK\nContent-Length: 11\n\n" + B,
    "one line that does": b"HTTP/1.1 200 OK\r\nX-A: b\n" + LENGTH + b"\r\n" + B,
    "a control character": head(b"X-A: b\x01c\r\n", LENGTH) + B,
    "bytes after the last chunk": head(CHUNKED) + PIECES + b"HTTP/1.1 200 OK\r\n\r\n",
    "many interim answers": b"HTTP/1.1 103 Soon\r\n\r\n" * 100 + counted(B),
}


@pytest.mark.parametrize("what", LENIENT)
async def test_a_response_that_only_aiohttp_accepts_has_the_same_body(name, what):
    """The difference that there is: one refuses where the other makes the best of it. Never other bytes."""
    async with Wire(says(LENIENT[what]), says(counted(B))) as wire, connected(name) as transport:
        heard = await asked(transport, wire.url())
        assert heard.kind == {"fast": "protocol", "aiohttp": "whole"}[name]
        assert name == "fast" or heard.body == B
        assert (await asked(transport, wire.url())).body == B


SPACED = {
    "after the semicolon": b"b; a=b\r\nhello world\r\n0\r\n\r\n",
    "on all sides": b"5 ; a = b ; c\r\nhello\r\n6\t;\td=e \r\n world\r\n0 ; z\r\n\r\n",
    "after a value": b"b;a=b \r\nhello world\r\n0;\r\n\r\n",
    "in place of a name": b"b; \r\nhello world\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("where", SPACED)
async def test_white_space_around_a_chunk_extension_is_read_by_fast_alone(name, where):
    """RFC 9112 section 7.1.1 has recipients accept it. llhttp, which aiohttp uses, does not."""
    async with Wire(says(head(CHUNKED), SPACED[where])) as wire, connected(name) as transport:
        heard = await asked(transport, wire.url())
        assert heard.kind == {"fast": "whole", "aiohttp": "protocol"}[name]
        assert name == "aiohttp" or heard.body == B


FOLDED_BADLY = {
    "two lengths": head(b"Content-Length: 1\r\n 1\r\n"),
    "a length in a fold": head(b"X-A: b\r\n " + LENGTH),
}


@pytest.mark.parametrize("what", FOLDED_BADLY)
async def test_a_fold_never_becomes_a_field(transport, what):
    heard, _ = await heard_of(transport, says(FOLDED_BADLY[what], B, ending="fin"))
    if what == "a length in a fold":
        assert "content-length" not in heard.head.headers and heard.body == B
    else:
        assert heard.kind == "protocol" and heard.body == b""


async def test_a_reason_names_the_flaw_and_not_how_it_was_found(transport):
    """An exception of a callback of llhttp has a message about callbacks."""
    for fields in (CHUNKED * 2, b"".join(b"X-%d: x\r\n" % n for n in range(200)), b"X-A: \0\r\n"):
        heard, _ = await heard_of(transport, says(head(fields), PIECES))
        assert heard.kind == "protocol" and "callback" not in heard.error.message.lower()
        assert "not valid HTTP" in heard.error.message


async def of_all(name: str) -> dict[str, str]:
    """What becomes of each answer of this page over one transport."""
    answers = dict(GOOD)
    answers |= {f"{where}, {end}": Says(CUT[where][0], end) for where in CUT for end in ("fin", "rst")}
    answers |= {f"{what}!": Says(BAD[what], "fin") for what in BAD}
    found = {}
    async with connected(name) as transport:
        for what, answer in answers.items():
            async with Wire(answer) as wire:
                heard = await asked(transport, wire.url())
                found[what] = heard.kind
                assert heard.body == B if heard.kind == "whole" else B.startswith(heard.body)
    return found


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_that_the_program_runs_on_makes_no_difference(name, loop):
    expected = {**dict.fromkeys(GOOD, "whole"), **{f"{what}!": "protocol" for what in BAD}}
    expected |= {f"{where}, {end}": CUT[where][1] for where in CUT for end in ("fin", "rst")}
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(of_all(name)) == expected
