"""One large file on a slow site, the parts of it that were asked for, and what a run makes of it."""

from __future__ import annotations

from support.engine import run
from support.mirrored import Mirrored, asset_requests
from support.server import Drip, tif
from support.stac_server import stac_item

MIB = 1 << 20
SIZE = 8 * MIB + 12_345
BODY, NEW = tif(SIZE), tif(SIZE, 2)
STRONG = {"etag": '"1"'}
SLOW = Drip(0.002, 64 << 10)


def large(site, faults=(), *, name="one", body=BODY, always=(SLOW,), about=STRONG, says=None):
    href = site.put(f"/{name}.tif", body, faults=faults, always=always, **about)
    return stac_item(name, data={"href": href, **(says or {})})


def parts(site):
    """The parts that were asked for, in order: first bytes and last."""
    asked = [seen.headers.get("range", "").removeprefix("bytes=") for seen in asset_requests(site)]
    return [tuple(map(int, text.split("-"))) for text in asked if text[-1:].isdigit()]


async def fetched(item, dest, body=BODY, **options):
    report = await run([item], dest, **{"parts": 4, **options})
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []
    return report
