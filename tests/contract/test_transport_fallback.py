"""Servers that one of the transports cannot read: a run asks them through the other one by itself."""

import pytest

from mlhub_async import RetryPolicy
from support.engine import AT_ONCE, run
from support.mirrored import Mirrored
from support.server import Raw, tif
from support.stac_server import stac_item

BODY = tif(20_000)
LENGTH = b"Content-Length: %d" % len(BODY)
SPACED = b"%x; a=b\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
ODD = {
    "lines that end in LF": b"HTTP/1.1 200 OK\nContent-Type: image/tiff\n" + LENGTH + b"\n\n" + BODY,
    "a control character in a field": b"HTTP/1.1 200 OK\r\nX-A: b\x01\r\n" + LENGTH + b"\r\n\r\n" + BODY,
    "thirty interim answers": b"HTTP/1.1 103 Soon\r\n\r\n" * 30
    + b"HTTP/1.1 200 OK\r\n"
    + LENGTH
    + b"\r\n\r\n"
    + BODY,
    "a folded line": b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\n" + LENGTH + b"\r\n\r\n" + BODY,
    "spaces around a chunk extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + SPACED,
}


@pytest.mark.parametrize("transport", ["auto", "fast", "aiohttp"])
@pytest.mark.parametrize("what", ODD)
async def test_a_server_that_one_transport_cannot_read_is_read_at_once(site, dest, transport, what):
    items = [stac_item(name, data=site.put(f"/{name}.tif", always=[Raw(ODD[what])])) for name in "abc"]
    once = RetryPolicy(attempts=1, base=0)
    report = await run(items, dest, transport=transport, retry=once, concurrency=1)
    assert report.exit_code == 0 and [Mirrored(dest).bytes_of(name) for name in "abc"] == [BODY] * 3
    assert len(site.log) <= 4, "the transport that cannot read them is asked once"


async def test_what_neither_can_read_is_refused_with_a_reason(site, dest):
    items = [stac_item("a", data=site.put("/a.tif", always=[Raw(b"SSH-2.0-OpenSSH_9.2\r\n")]))]
    assert (await run(items, dest, retry=AT_ONCE)).exit_code == 5
    mirror = Mirrored(dest)
    assert mirror.failed == {"a": "protocol"} and len(site.log) == 4
    assert "not valid HTTP" in mirror.errors[0]["error"]["message"]
