"""Digests in header fields of several lines (RFC 9110 section 5.3): every line counts."""

import base64
import hashlib

import pytest

from mlhub_async.core.model import Proof
from support.engine import run
from support.mirrored import Mirrored
from support.server import Headers, tif
from support.stac_server import stac_item

GOOD, SPOILT = tif(5000, 1), tif(5000, 2)


def encoded(algorithm):
    return base64.b64encode(hashlib.new(algorithm, GOOD).digest()).decode()


FIELDS = {
    "x-goog-hash": (("x-goog-hash", "crc32c=AAAAAA=="), ("x-goog-hash", f"md5={encoded('md5')}")),
    "Repr-Digest": (("Repr-Digest", "unixsum=:AAAA:"), ("Repr-Digest", f"sha-256=:{encoded('sha256')}:")),
    "Content-Digest": (
        ("Content-Digest", "unixsum=:AAAA:"),
        ("Content-Digest", f"sha-512=:{encoded('sha512')}:"),
    ),
    "Digest": (("Digest", "unixsum=30637"), ("Digest", f"SHA-256={encoded('sha256')}")),
    "three lines": (
        ("Digest", "unixsum=30637"),
        ("Digest", "crc32c=AAAA"),
        ("digest", f"md5={encoded('md5')}"),
    ),
}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
async def test_a_body_that_is_not_as_a_later_line_says_is_refused(site, dest, fields):
    item = stac_item("one", data=site.put("/one.tif", SPOILT, etag='"1"', always=[Headers(fields)]))
    assert (await run([item], dest)).exit_code == 4
    assert Mirrored(dest).failed == {"one": "checksum-mismatch"}
    assert not (dest / "c1/one/data.tif").exists()


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
async def test_a_body_that_is_as_a_later_line_says_is_verified_by_it(site, dest, fields):
    item = stac_item("one", data=site.put("/one.tif", GOOD, etag='"1"', always=[Headers(fields)]))
    report = await run([item], dest)
    assert report.ok and report.proofs[Proof.CHECKSUM] == 1
