"""A file of more than four gigabytes: sizes, offsets and digests beyond what 32 bits can say."""

import os

import pytest

from mlhub_async import RetryPolicy
from support.engine import AT_ONCE, run
from support.mirrored import Mirrored
from support.stac_server import stac_item
from support.wire_format import Reply

START = 1 << 32
TAIL = b"beyond 2**32"
TOTAL = START + len(TAIL)
OF_ZEROS = "8479e43911dc45e89f934fe48d01297e16f51d17aa561d4d1c216b1ae0fcddca"
OF_ALL = "2b7f32c9802d4b2113ae57ef475d6291cc7c4afa2c173a4f8d3c922646b2aa2d"


def answer(seen) -> Reply:
    """Zeros and a few bytes behind them; whoever asks for all of it gets the beginning, and then nothing."""
    reply = Reply(
        200, [("ETag", '"1"'), ("Accept-Ranges", "bytes")], bytes(300_000), length=TOTAL, ending="fin"
    )
    if seen.headers.get("range") == f"bytes={START}-":
        reply.status, reply.body, reply.length, reply.ending = 206, TAIL, None, "keep"
        reply.set("Content-Range", f"bytes {START}-{TOTAL - 1}/{TOTAL}")
    return reply


@pytest.mark.skipif(
    "GIANT" not in os.environ, reason="digests 4 GiB: only where GIANT is set, as .ci/run does"
)
async def test_a_file_beyond_four_gigabytes_is_gone_on_with_and_proven(troubled, dest):
    site = await troubled.site()
    site.route("/giant.bin", answer)
    asset = {"href": site.url("/giant.bin"), "file:size": TOTAL, "file:checksum": f"1220{OF_ALL}"}
    items = [stac_item("giant", data=asset)]
    assert (await run(items, dest, retry=RetryPolicy(attempts=1, base=0))).exit_code == 5
    part, journal = sorted(Mirrored(dest).partial, key=lambda path: path.suffix, reverse=True)
    with part.open("r+b") as file:
        file.truncate(START)  # what is missing of the zeros takes no room
    with journal.open("ab") as file:
        file.write(f"\n{START} {OF_ZEROS}".encode())
    report = await run(items, dest, retry=AT_ONCE)
    assert report.exit_code == 0 and report.receipt()["assets"]["verified_checksum"] == 1
    assert [seen.headers.get("range") for seen in site.log] == [None, f"bytes={START}-"]
    final = dest / "c1/giant/data.bin"
    assert final.stat().st_size == report.bytes == TOTAL
    with final.open("rb") as file:
        file.seek(START - 2)
        assert file.read() == b"\0\0" + TAIL
    assert (await run(items, dest)).exit_code == 0 and len(site.log) == 2
