"""The parser of ordinary heads against llhttp: it accepts less, and what it accepts means the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.http.transport.fast.head import BadResponseError, Framing, ResponseParser
from mlhub_async.http.transport.fast.ordinary_head import MAX_FORMS, OrdinaryHeads, parse_ordinary

PLAIN = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 16384\r\nConnection: keep-alive\r\n\r\n"
LINES = [
    *(
        b"Server: nginx",
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Content-Length: 05",
        b"content-length:5",
    ),
    *(b"Content-Length: +5", b"Content-Length: 5 ", b"Content-Length:  5", b"Content-Length: 5, 5", b"X:"),
    *(b"Connection: keep-alive", b"Connection: Keep-Alive", b"Connection: close", b"Connection: upgrade"),
    *(b"Transfer-Encoding: chunked", b"Proxy-Connection: close", b"Upgrade: h2c", b"Trailer: a", b"TE: x"),
    *(
        b'ETag: "a"',
        b'ETag: W/"a"',
        b"X : y",
        b" folded",
        b"\tfolded",
        b": empty",
        b"no colon",
        b"X: a\rb\nY: c",
    ),
    *(
        b"X: \xc3\xa9",
        b"X: \x00",
        b"X: a\tb",
        b"X: y\t",
        b"Content-Encoding: gzip",
        b"Set-Cookie: a=b",
        b"A: b: c",
    ),
]
STATUS_LINES = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 206 Partial"),
    *(b"HTTP/1.1 200 a b", b"HTTP/1.1  200 OK", b"http/1.1 200 OK", b"HTTP/1.1 200 \x7f", b"ICY 200 OK"),
]
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\n\r"]
heads = st.builds(
    lambda status, lines, ends: b"".join(a + b for a, b in zip([status, *lines, b""], ends, strict=False)),
    st.sampled_from(STATUS_LINES),
    st.lists(st.sampled_from(LINES), max_size=5),
    st.lists(st.sampled_from(ENDS), min_size=7, max_size=7) | st.just([b"\r\n"] * 7),
)
mutated = st.builds(
    lambda at, what, width: PLAIN[:at] + what + PLAIN[at + width :],
    st.integers(0, len(PLAIN)),
    st.binary(max_size=3) | st.sampled_from([b"\r\n", b": ", b" ", b"\t", b","]),
    st.integers(0, 3),
)


def check(head):
    found = parse_ordinary(head)
    if found is None:
        return False
    fields, length = found
    whole = ResponseParser(memoryview(head))  # raises what it does not accept
    assert (whole.status, whole.framing, whole.keep_alive) == (200, Framing.LENGTH, True)
    assert (whole.fields, whole.remaining) == (fields, length)
    return True


@given(heads)
def test_it_accepts_a_subset_with_the_same_meaning(head):
    check(head)


@given(mutated)
def test_it_does_so_for_heads_that_are_nearly_ordinary(head):
    check(head)


@given(st.binary(max_size=200))
def test_it_does_so_for_any_fields(text):
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + text + b"\r\n\r\n")


@given(st.lists(heads | mutated, min_size=2, max_size=6))
def test_the_form_of_an_earlier_head_changes_nothing(series):
    server = OrdinaryHeads()
    for head in [PLAIN, *series]:
        assert server.parse(head) == parse_ordinary(head)


@given(st.lists(st.sampled_from(LINES), max_size=5), st.data())
def test_it_changes_nothing_for_heads_of_nearly_that_form(lines, data):
    server = OrdinaryHeads()
    known = b"\r\n".join([PLAIN[:-4], *lines, b"", b""])
    server.parse(known)
    start = data.draw(st.integers(0, len(known)))
    end = data.draw(st.integers(start, min(start + 3, len(known))))
    head = known[:start] + data.draw(st.binary(max_size=3)) + known[end:]
    assert server.parse(head) == parse_ordinary(head)


def test_a_server_has_so_many_forms():
    server = OrdinaryHeads()
    for number in range(2 * MAX_FORMS):
        head = PLAIN.replace(b"Server", b"X-%d" % number)
        assert server.parse(head) == server.parse(head) == parse_ordinary(head) != None  # noqa: E711


def test_what_servers_send_is_ordinary():
    assert check(PLAIN)
    assert check(PLAIN.replace(b"Connection: keep-alive\r\n", b""))


@pytest.mark.parametrize("line", [b"X: a\rb\nY: c", b"Transfer-Encoding: chunked", b"Connection: close"])
def test_what_needs_a_decision_is_not(line):
    assert parse_ordinary(PLAIN[:-2] + line + b"\r\n\r\n") is None


def test_a_head_that_llhttp_refuses_is_none():
    with pytest.raises(BadResponseError):
        ResponseParser(memoryview(b"HTTP/1.1 200 OK\r\n: empty\r\n\r\n"))
    assert parse_ordinary(b"HTTP/1.1 200 OK\r\n: empty\r\nContent-Length: 1\r\n\r\n") is None
