"""One large file brought by several streams: never of two versions, never more than there is room for."""

import asyncio
import contextlib
from itertools import pairwise

import pytest

from mlhub_async import Client, assets
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Asset
from support.engine import make_options, run
from support.large_file import BODY, MIB, NEW, SIZE, SLOW, STRONG, fetch_by_clock, fetched, large, parts
from support.mirrored import Mirrored, asset_requests
from support.server import (
    Change,
    Cut,
    Drip,
    Flip,
    Gone,
    Gzip,
    Headers,
    IgnoreRange,
    Pause,
    Stall,
    Status,
    When,
    noise,
    tif,
)
from support.stac_server import sizes_and_digests, stac_item
from support.wire_format import until


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_large_file_comes_in_parts_that_are_tied_to_one_version(site, dest):
    await fetched(large(site), dest)
    asked = asset_requests(site)
    assert "range" not in asked[0].headers and "if-match" not in asked[0].headers
    assert {seen.headers.get("if-match") for seen in asked[1:]} == {'"1"'}
    assert all(seen.headers["accept-encoding"] == "identity" for seen in asked)
    covered = sorted(parts(site))
    assert len(covered) == len(asked) - 1 >= 3 and 3 <= site.peak <= 5
    assert all(last + 1 >= first for (_, last), (first, _) in pairwise(covered))
    assert covered[-1][1] == SIZE - 1


async def test_hardly_a_byte_of_it_comes_twice(site, dest):
    report = await fetched(large(site), dest)
    assert report.received < SIZE + MIB


UNFIT = {
    "it is not asked for": ({"parts": 1}, {}),
    "there is one place": ({"concurrency": 1}, {}),
    "the host has one place": ({"max_per_host": 1}, {}),
    "the ETag is weak": ({}, {"about": {"etag": 'W/"1"'}}),
    "there is only a date": ({}, {"about": {"last_modified": 1_500_000_000}}),
    "nothing tells versions apart": ({}, {"about": {}}),
    "ranges are not offered": ({}, {"always": (SLOW, Headers((("Accept-Ranges", None),)))}),
    "ranges are refused": (
        {},
        {"always": (SLOW, Headers((("Accept-Ranges", None), ("Accept-Ranges", "none"))))},
    ),
    "it is small": ({}, {"body": tif(3 * MIB)}),
    "it is not large enough": ({"parts": None}, {}),
}


@pytest.mark.parametrize(("options", "about"), UNFIT.values(), ids=UNFIT)
async def test_it_comes_by_one_stream_where(site, dest, options, about):
    await fetched(large(site, **about), dest, about.get("body", BODY), **options)
    assert [seen.headers.get("range") for seen in asset_requests(site)] == [None]


async def test_what_comes_compressed_without_being_asked_is_not_divided(site, dest):
    await fetched(large(site, always=(Gzip(),), says=sizes_and_digests(BODY)), dest)
    assert parts(site) == []


async def test_a_host_that_ignored_a_range_is_asked_for_no_more_parts(site, dest):
    refused = When(lambda: len(parts(site)) == 1 and site.in_flight <= 2)  # itself, and the one stream
    items = [large(site, [None, IgnoreRange()]), large(site, [refused], name="two", body=NEW)]
    assert (await run(items, dest, parts=4, concurrency=3)).exit_code == 0
    assert len(parts(site)) == 1
    assert [Mirrored(dest).bytes_of(name) for name in ("one", "two")] == [BODY, NEW]


async def test_parts_take_no_place_from_other_files(site, dest):
    names = ["one", "two", "three", "four"]
    items = [large(site, name=name, body=tif(5 * MIB, seed)) for seed, name in enumerate(names)]
    assert (await run(items, dest, parts=4, concurrency=2)).exit_code == 0
    asked = asset_requests(site)
    firsts = [number for number, seen in enumerate(asked) if "range" not in seen.headers]
    assert firsts == [0, 1, 2, 3], "a part came before a file"
    assert site.peak <= 3
    assert [Mirrored(dest).bytes_of(name) for name in names] == [tif(5 * MIB, n) for n in range(4)]


async def test_a_stream_that_breaks_off_is_no_loss_while_others_bring_parts(site, dest):
    report = await fetched(large(site, [Cut(2 * MIB)]), dest)
    assert report.received < SIZE + 2 * MIB
    assert site.count("/one.tif") > 3 and all("if-match" in seen.headers for seen in asset_requests(site)[1:])


async def test_bytes_are_taken_from_a_segment_that_is_slow(site, dest):
    """The segment comes no further until another request asks for bytes in the middle of it."""

    def within_it():
        (first, last), *others = parts(site)
        return any(first < other <= last for other, _ in others)

    item = large(site, [None, (SLOW, Pause(64 << 10, within_it))])
    await fetched(item, dest, parts=2, timeout=600)


async def test_one_part_that_stalls_is_asked_for_again(site, dest):
    await fetched(large(site, [None, Stall(100_000)]), dest, timeout=1)


async def test_a_version_that_turns_into_another_under_the_parts_is_not_joined_to_it(site, dest):
    """The stream that has begun brings the old one to its end: it was offered."""
    await fetched(large(site, [None, (Change(NEW, '"2"'), SLOW)]), dest)


@pytest.mark.parametrize("at", [MIB, 3 * MIB, 6 * MIB])
async def test_a_version_that_turns_into_another_and_breaks_off_is_begun_anew(site, dest, at):
    await fetched(large(site, [Cut(at), (Change(NEW, '"2"'), SLOW)]), dest, NEW)


async def test_a_version_that_turns_into_another_in_the_middle_of_the_parts_is_begun_anew(site, dest):
    await fetched(large(site, [None, None, None, None, (Change(NEW, '"2"'), SLOW)]), dest, NEW)


class Unconditional(Headers):
    """If-Match is not understood."""

    def asked(self, ask):
        ask.headers.pop("if-match", None)


async def test_where_conditions_are_not_understood_another_version_is_known_by_its_etag(site, dest):
    always = (SLOW, Unconditional(()))
    item = large(site, [None, None, None, (Change(NEW, '"2"'), SLOW)], always=always)
    await fetched(item, dest, NEW)


async def test_a_wrong_byte_in_one_part_is_found_by_the_digest_and_the_file_fetched_again(site, dest):
    item = large(site, [None, (Flip(77), SLOW)], says=sizes_and_digests(BODY))
    await fetched(item, dest)


async def test_parts_go_where_a_redirect_leads_with_their_condition(troubled, site, dest):
    away = await troubled.site()
    url = away.put("/real.tif", BODY, always=[SLOW], **STRONG)
    item = stac_item("one", data=site.redirect("/one.tif", url))
    await fetched(item, dest, headers=((f"{site.origin} X-Secret", "canary"),))
    assert "x-secret" in site.log[0].headers
    assert len(asset_requests(away)) > 3
    assert {seen.headers.get("if-match") for seen in asset_requests(away)[1:]} == {'"1"'}
    assert not any("x-secret" in seen.headers for seen in away.log)


async def test_a_refusal_to_come_again_later_leaves_the_stream_alone(site, dest):
    await fetched(large(site, [None, Status(503, retry_after=30)]), dest, timeout=3)
    assert len(asset_requests(site)) == 2


async def test_a_limit_of_bytes_holds_for_all_parts_together(site, dest):
    item = large(site)
    report = await run([item], dest, parts=4, max_transfer=4 * MIB)
    assert report.exit_code == 8 and report.received <= 8 * MIB
    await fetched(item, dest)


async def test_a_limit_of_bandwidth_holds_for_all_parts_together(site, dest):
    report = await fetched(large(site, always=()), dest, bwlimit=10 * MIB)
    assert report.seconds >= 0.5 and len(parts(site)) >= 3


async def test_a_run_that_is_cancelled_leaves_nothing_under_way_and_the_next_goes_on(site, dest):
    item = large(site)
    going = asyncio.create_task(run([item], dest, parts=4))
    await until(lambda: len(parts(site)) >= 3)
    await asyncio.sleep(0.05)
    going.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await going
    site.log.clear()
    await fetched(item, dest)
    first = asset_requests(site)[0].headers
    assert first["if-range"] == '"1"' and int(first["range"][6:-1]) > 0


RATES = {
    # bytes per second by the number of connections; the most streams there are at any time, of which the
    # last one is missing where those before it were judged while it was still connecting
    "each connection is limited": (lambda connections: 8 * MIB * connections, (3, 4)),
    "the line is limited": (lambda connections: 8 * MIB, (2,)),
}


@pytest.mark.parametrize(("rate", "streams"), RATES.values(), ids=RATES)
async def test_where_no_number_was_given_streams_are_added_while_that_pays(site, dest, rate, streams):
    body = noise(72 * MIB)
    url = site.put("/one.bin", body, always=(Drip(0, 64 << 10),), **STRONG)
    outcome = await fetch_by_clock(Asset(url, "data", "one", "c1"), dest, rate)
    assert outcome.error is None and (dest / outcome.record.path).read_bytes() == body
    assert site.peak in streams


async def test_one_download_by_itself_comes_in_parts_too(site, dest):
    asset = assets(large(site))[0]
    async with Client(
        root_url=site.url("/v1"), environ={}, options=make_options(allow_private=True, parts=4)
    ) as mlhub:
        path = await mlhub.download(asset, dest)
        assert path.read_bytes() == BODY
        assert len(parts(site)) >= 3
        site.things.pop("/one.tif")
        with pytest.raises(TransferError, match="404"):
            await mlhub.download(asset, dest / "again")


@pytest.mark.parametrize("cut", [2 * MIB, 6 * MIB])
async def test_the_rest_that_a_later_run_asks_for_comes_in_parts_as_well(site, dest, cut):
    item = large(site, [Cut(cut), *[Gone()] * 10])
    assert (await run([item], dest, parts=1)).exit_code == 5
    site.things["/one.tif"].faults.clear()
    site.log.clear()
    await fetched(item, dest)
    assert "if-range" in asset_requests(site)[0].headers
    assert (len(parts(site)) >= 2) == (cut < SIZE - 4 * MIB)


async def test_a_digest_of_the_catalogue_is_that_of_the_whole_whoever_brought_it(site, dest):
    await fetched(large(site, says=sizes_and_digests(BODY)), dest)
    assert len(parts(site)) >= 3 and Mirrored(dest).receipt["assets"]["verified_checksum"] == 1


async def test_with_power_cuts_in_mind_parts_come_too(site, dest):
    await fetched(large(site), dest, durability="full")
    assert len(parts(site)) >= 3


async def test_files_listed_while_segments_come_get_their_slots_when_a_segment_ends(site, dest):
    """Three of them answer only when all three have been asked for: that takes the slots of both helpers.

    The segments under way end when more files wait than the one free slot can take, and the first stream
    goes on when the last file has been asked for.
    """
    listed, late = [], [f"late{number}" for number in range(6)]
    paused = (SLOW, Pause(MIB, lambda: site.count("/late5.tif") > 0))
    waiting = (SLOW, Pause(MIB, lambda: len(listed) >= 4))
    first = large(site, [paused, waiting, waiting])

    async def items():
        yield first
        await until(lambda: len(parts(site)) >= 2)
        for number, name in enumerate(late):
            together = When(lambda: site.count("/late2.tif") > 0)
            yield large(site, [together], name=name, body=tif(2000, number), always=())
            listed.append(name)

    report = await run(items(), dest, parts=4, concurrency=4)
    assert report.exit_code == 0 and report.fetched == 7
    order = [seen.path for seen in asset_requests(site)]
    assert order.index("/late5.tif") < len(order) - 1, "the slots were not lent again"
    assert site.peak <= 5


async def test_the_least_speed_is_that_of_all_parts_together(site, dest):
    """Each brings less than it, and none is cut."""
    slow = Drip(0.02, 16 << 10)
    await fetched(large(site, always=[slow]), dest, timeout=0.5, min_speed=MIB)
    asked = asset_requests(site)
    assert [seen.headers.get("if-match") for seen in asked].count(None) == 1
    assert len(asked) > 1
