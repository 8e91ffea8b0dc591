"""What is said of a host to which there is no connection: why, and which option or address helps."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from mlhub_async.core.errors import SourceError, TransferError, Transient
from mlhub_async.http.hop import no_connection_error
from mlhub_async.sources.access import unreadable
from support.proxy import Gateway

TRANSPORTS = pytest.mark.parametrize("transport", ["fast", "aiohttp"])
NGINX = b"<center>The plain HTTP request was sent to HTTPS port</center>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"
APACHE = b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"


@asynccontextmanager
async def answering(data: bytes, context: ssl.SSLContext | None = None):
    """The place of a server that answers every connection with these bytes, whatever it is sent."""

    async def connected(reader, writer):
        await reader.read(1)
        writer.write(data)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}"


def response(status: str, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


async def said(run_cli, dest, transport, url, *words, **env):
    """Exit code and stderr of a mirror of a catalogue at this address."""
    given = ["mirror", url, dest, "-R", "0", "--transport", transport, *words]
    ended = await asyncio.to_thread(run_cli, *given, env=env)
    return ended.code, ended.err


@TRANSPORTS
@pytest.mark.parametrize("first", [response("400 Bad Request"), b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_a_server_that_speaks_no_tls_is_meant_by_http(run_cli, dest, transport, first):
    async with answering(first) as place:
        code, text = await said(run_cli, dest, transport, f"https://{place}/c.json")
    assert code == 5 and "speaks no TLS" in text and "did you mean http://?" in text


@TRANSPORTS
@pytest.mark.parametrize(
    "first", [b"\x15\x03\x01\x00\x02\x02\x50", *(response("400 Bad", one) for one in (NGINX, GO, APACHE))]
)
async def test_a_server_that_speaks_tls_is_meant_by_https(run_cli, dest, transport, first):
    async with answering(first) as place:
        code, text = await said(run_cli, dest, transport, f"http://{place}/c.json")
    assert code in (3, 5) and "did you mean https://?" in text


@TRANSPORTS
@pytest.mark.parametrize("refusal", ["400 Bad", "404 Not Found"])
async def test_no_other_refusal_makes_one_think_of_https(run_cli, dest, transport, refusal):
    async with answering(response(refusal, b"no HTTPS here")) as place:
        code, text = await said(run_cli, dest, transport, f"http://{place}/c.json")
    assert code == 3 and "did you mean" not in text


@TRANSPORTS
@pytest.mark.parametrize(
    ("changes", "trusted", "words"),
    [
        ({}, False, ["unable to get local issuer certificate", "--ca-file"]),
        ({"since": "20200101", "until": "20200201"}, True, ["certificate has expired"]),
        ({"since": "20990101", "until": "20990201"}, True, ["not yet valid", "clock"]),
        ({"names": "DNS:other.test"}, True, ["mismatch", "not valid for 'localhost'"]),
    ],
    ids=["unknown authority", "expired", "not yet valid", "another host"],
)
async def test_a_certificate_that_is_refused_says_why(
    run_cli, dest, authority, transport, changes, trusted, words
):
    given = ["--ca-file", authority.pem] if trusted else []
    async with answering(b"", authority.context(**changes)) as place:
        code, text = await said(run_cli, dest, transport, f"https://{place}/c.json", *given)
    assert code == 3 and "certificate refused" in text and all(word in text for word in words)
    assert ("--ca-file" in text) == (not trusted)


@TRANSPORTS
async def test_a_handshake_that_fails_says_why(run_cli, dest, transport):
    alert = b"\x15\x03\x03\x00\x02\x02\x28"
    async with answering(alert) as place:
        code, text = await said(run_cli, dest, transport, f"https://{place}/c.json")
    assert code == 5 and "TLS failed" in text and "handshake failure" in text


@TRANSPORTS
async def test_a_login_that_a_proxy_wants_is_given_by_an_option(run_cli, dest, transport):
    async with answering(response("407 Proxy Authentication Required")) as place:
        code, text = await said(run_cli, dest, transport, f"http://{place}/c.json")
    assert code == 3 and "407" in text and "--proxy http://user:password@host:port" in text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_named_proxy_that_wants_another_login_says_so(run_cli, dest, scheme):
    async with Gateway("Basic wanted") as gateway:
        words = ["--proxy", f"http://{gateway.place}"]
        code, text = await said(run_cli, dest, "auto", f"{scheme}://stac.test/c.json", *words)
    assert code == 3 and "--proxy http://user:password@host:port" in text


@TRANSPORTS
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "http_proxy"])
async def test_a_proxy_of_the_environment_is_named_where_nothing_is_reached(run_cli, dest, transport, name):
    nobody = "http://127.0.0.1:9/c.json"
    code, text = await said(run_cli, dest, transport, nobody, **{name: "http://me:CANARY@proxy.test:3128"})
    assert code == 5 and f"{name} is set" in text and "--proxy" in text and "CANARY" not in text
    code, text = await said(run_cli, dest, transport, nobody)
    assert code == 5 and "--proxy" not in text


def test_a_host_of_a_service_that_closed_is_no_temporary_failure():
    where = "https://api.radiant.earth/mlhub/v1/datasets"
    error = no_connection_error(Transient(f"{where}: no address"), "api.radiant.earth", where, "")
    assert type(error) is TransferError
    root = unreadable(error, where)
    assert isinstance(root, SourceError) and root.exit_code == 3
    assert "closed in 2023" in root.message and "MLHUB_ROOT_URL" in root.message
