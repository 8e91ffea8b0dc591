"""One large file brought by several streams: never of two versions, and never more than there is room for."""

from itertools import pairwise

import pytest
from engine import run
from mirrored import Mirrored, asset_requests
from troubled import ContentRange, Cut, Drip, Etag, Gone, Gzip, Headers, IgnoreRange, Length, Status, tif
from troubled_stac import stac_item

MIB = 1 << 20
SIZE = 12 * MIB + 12_345
BODY = tif(SIZE)
STRONG = {"etag": '"1"'}
SLOW = Drip(0.002, 64 << 10)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def large(site, faults=(), body=BODY, always=(SLOW,), about=STRONG, **says):
    href = site.put("/one.tif", body, faults=faults, always=always, **about)
    return stac_item("one", data={"href": href, **says})


def parts(site):
    """The ranges that were asked for, in order, first bytes and last."""
    asked = [
        seen.headers.get("range", "").removeprefix("bytes=").partition("-") for seen in asset_requests(site)
    ]
    return [(int(first), int(last)) for first, _, last in asked if last]


async def fetched(item, dest, body=BODY, **options):
    report = await run([item], dest, **{"parts": 4, **options})
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []
    return report


async def test_a_large_file_comes_in_parts_that_are_tied_to_one_version(site, dest):
    await fetched(large(site), dest)
    asked = asset_requests(site)
    assert "range" not in asked[0].headers and len(parts(site)) >= 3
    assert {seen.headers.get("if-match") for seen in asked[1:]} == {'"1"'}
    assert site.peak == 4
    covered = sorted(parts(site))
    assert all(last + 1 == first for (_, last), (first, _) in pairwise(covered))
    assert covered[-1][1] == SIZE - 1


ODD = {
    "the whole with 200": IgnoreRange(),
    "a wrong start": ContentRange(f"bytes 5-{MIB}/{SIZE}"),
    "another total": ContentRange(f"bytes {2 * MIB}-{3 * MIB - 1}/{SIZE + 1}"),
    "no Content-Range": ContentRange(None),
    "another ETag": Etag('"2"'),
    "no ETag": Headers((("ETag", None),)),
    "a weak ETag": Headers((("ETag", 'W/"1"'),)),
    "gzip": Gzip(),
    "416": Status(416),
    "412": Status(412),
    "404": Status(404),
    "403": Status(403),
    "429": Status(429),
    "503 and when to come again": Status(503, retry_after=1),
    "nothing": Gone(),
    "a reset": Cut(100_000, rst=True),
    "an end too early": Cut(100_000),
    "less than was promised, in good order": Length(-100_000),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_what_is_odd_about_one_part_is_none_of_the_file(site, dest, odd):
    report = await fetched(large(site, [None, (odd, SLOW)]), dest)
    assert report.fetched == 1


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_where_all_parts_are_odd_one_stream_brings_the_file(site, dest, odd):
    item = large(site, [None, *[(odd, SLOW)] * 3])
    await fetched(item, dest)
