"""Whatever a server answers to a request for a part, the file is the right one."""

import pytest

from support.large_file import MIB, SIZE, SLOW, STRONG, fetched, large
from support.server import (
    Change,
    ContentRange,
    Cut,
    Etag,
    Gone,
    Gzip,
    Headers,
    IgnoreRange,
    Length,
    Status,
    tif,
)
from support.wire_format import Fault


@pytest.fixture
async def site(troubled):
    return await troubled.site()


class Elsewhere(Fault):
    """Other bytes than those that were asked for, which the answer says truly."""

    def asked(self, ask):
        if "range" in ask.headers:
            ask.headers["range"] = f"bytes=0-{MIB - 1}"


class Longer(Fault):
    """More bytes than the part has, without a length, under a Content-Range that is right."""

    def answered(self, reply):
        reply.body += bytes(100_000)
        reply.framing = "chunked"


ODD = {
    "another range": Elsewhere(),
    "a longer body under the same name": Change(tif(SIZE + 1000, 2), STRONG["etag"]),
    "more bytes than it says": Longer(),
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
    await fetched(large(site, [None, *[(odd, SLOW)] * 3]), dest)
