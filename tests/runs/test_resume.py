"""What an earlier run left is believed as far as its journal proves it, and joined only to the same version.

Where exactly a cut body ends is the transport's affair: the last bytes before it may be lost in its buffers.
"""

import hashlib
import re
import sys
from contextlib import closing
from dataclasses import dataclass

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.core.model import PartialHeader
from mlhub_async.storage.local.checkpoint import Checkpoints
from mlhub_async.storage.local.partials import Partials
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.storage.local.writer import (
    MAX_BATCH_BYTES,
    MAX_WAITING_BYTES,
    MIN_BATCH_BYTES,
    WriterThreads,
)
from mlhub_async.transfer.resume import OVERLAP_BYTES
from support.engine import run
from support.mirrored import Mirrored, asset_requests, wait_for
from support.server import (
    Change,
    ContentRange,
    Cut,
    Drip,
    Etag,
    Fault,
    Gone,
    Headers,
    IgnoreIfRange,
    Status,
    date,
    tif,
)
from support.stac_server import sizes_and_digests, stac_item, static_catalog

SIZE = 6_000_000
CUT = 5_000_000
BODY = tif(SIZE)
NEW = tif(SIZE, 2)
STRONG = {"etag": '"1"'}
END = [Gone()] * 10


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def cut_short(site, dest, *, at=CUT, about=STRONG, says=None, transport=None, **put):
    """One item whose first mirror breaks off there; what the server does afterwards is left to the test."""
    href = site.put("/one.tif", BODY, faults=[Cut(at), *END], **about, **put)
    item = stac_item("one", data={"href": href, **(says or {})})
    chosen = {"transport": transport} if transport else {}
    assert (await run([item], dest, **chosen)).exit_code == 5
    site.things["/one.tif"].faults.clear()
    site.log.clear()
    return item


def left(dest, kind="part"):
    [path] = [p for p in Mirrored(dest).partial if p.suffix == f".{kind}"]
    return path


def reached(dest):
    return left(dest).stat().st_size


def marks(dest):
    return [int(line.split()[0]) for line in left(dest, "journal").read_bytes().split(b"\n")[1:]]


def near(got, wanted):
    """Whether the requests began where they should, or less than a read buffer before it."""
    pairs = zip(got, wanted, strict=True)
    return all(a == b or (a is not None and b is not None and b - (1 << 20) < a <= b) for a, b in pairs)


def asked(site):
    """The first byte of every request for an asset; None where all was asked for."""
    ranges = [seen.headers.get("range") for seen in asset_requests(site)]
    return [int(r.removeprefix("bytes=").partition("-")[0]) if r else None for r in ranges]


async def finished(site, dest, item, body=BODY, **options):
    report = await run([item], dest, **options)
    assert report.exit_code == 0, report.failed
    Mirrored(dest).check(0)
    assert Mirrored(dest).bytes_of("one") == body
    assert Mirrored(dest).partial == []
    return asked(site)


async def test_all_that_was_received_before_an_orderly_end_is_gone_on_with(site, dest):
    item = await cut_short(site, dest)
    there = reached(dest)
    assert marks(dest)[-1] == there > CUT - (1 << 20)
    assert await finished(site, dest, item) == [there]


async def test_a_byte_that_was_spoilt_on_disk_is_fetched_again_and_what_lies_before_it_is_not(site, dest):
    item = await cut_short(site, dest)
    data = bytearray(left(dest).read_bytes())
    data[3_000_000] ^= 1
    left(dest).write_bytes(data)
    proven = max(mark for mark in marks(dest) if mark <= 3_000_000)
    assert proven > 2_000_000
    assert await finished(site, dest, item) == [proven]


async def test_holes_where_pages_were_lost_in_a_power_cut_are_not_believed(site, dest):
    item = await cut_short(site, dest)
    there = reached(dest)
    sound = max(mark for mark in marks(dest) if mark <= 2_000_000)
    with left(dest).open("r+b") as file:
        file.truncate(2_000_000)
        file.truncate(there)
    assert await finished(site, dest, item) == [sound]


async def test_a_partial_file_that_is_shorter_than_its_journal_says_is_believed_to_its_last_mark(site, dest):
    item = await cut_short(site, dest)
    known = marks(dest)
    with left(dest).open("r+b") as file:
        file.truncate(known[3] + 5)
    assert await finished(site, dest, item) == [known[3]]


@pytest.mark.parametrize("more", [b"\0" * 100, BODY[CUT:] + b"\0" * 100], ids=["short of", "beyond"])
async def test_of_an_oversize_partial_file_only_what_is_proven_is_kept(site, dest, more):
    item = await cut_short(site, dest)
    there = reached(dest)
    with left(dest).open("ab") as file:
        file.write(more)
    assert await finished(site, dest, item) == [there]


async def test_a_mark_beyond_the_end_of_the_body_is_no_mark(site, dest):
    item = await cut_short(site, dest)
    there = reached(dest)
    with left(dest).open("ab") as file:
        file.write(bytes(SIZE))
    digest = hashlib.sha256(left(dest).read_bytes()).hexdigest()
    with left(dest, "journal").open("a") as file:
        file.write(f"\n{there + SIZE} {digest}")
    assert await finished(site, dest, item) == [there]


async def test_a_truncated_journal_proves_as_much_as_is_left_of_it(site, dest):
    item = await cut_short(site, dest)
    known, journal = marks(dest), left(dest, "journal")
    journal.write_bytes(journal.read_bytes()[:-3])
    assert await finished(site, dest, item) == [known[-2]]


async def test_after_a_torn_line_further_marks_are_whole_again(site, dest):
    item = await cut_short(site, dest, at=2_000_000)
    known, journal = marks(dest), left(dest, "journal")
    journal.write_bytes(journal.read_bytes()[:-3])
    site.things["/one.tif"].faults.extend([Cut(1_500_000), *END])
    assert (await run([item], dest)).exit_code == 5
    reached = left(dest).stat().st_size
    assert reached > known[-2] and marks(dest)[-1] == reached
    site.things["/one.tif"].faults.clear()
    site.log.clear()
    assert await finished(site, dest, item) == [reached]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: re.sub(rb'"journal":1', b'"journal":2', text),
        lambda text: text.replace(b'"validator"', b'"validater"'),
        lambda text: text[:20],
        lambda text: b"[]",
        lambda text: b"\0" * len(text),
        lambda text: b"",
        lambda text: re.sub(rb'"total":\d+', b'"total":-1', text),
    ],
    ids=["newer", "other fields", "torn head", "no object", "zeros", "empty", "impossible"],
)
async def test_a_journal_that_cannot_be_read_is_cleared_away_with_its_bytes(site, dest, spoil):
    item = await cut_short(site, dest)
    journal = left(dest, "journal")
    journal.write_bytes(spoil(journal.read_bytes()))
    assert await finished(site, dest, item) == [None]


async def test_the_note_of_an_earlier_version_of_this_program_is_cleared_away(site, dest):
    item = await cut_short(site, dest)
    note = left(dest, "journal")
    note.rename(note.with_suffix(".json")).write_text('{"key":"k","validator":"1","total":1,"boot":"b"}')
    assert await finished(site, dest, item) == [None]


async def test_a_body_that_was_whole_already_is_proven_by_its_end_instead_of_fetched(site, dest):
    item = await cut_short(site, dest)
    await complete_by_hand(dest)
    assert await finished(site, dest, item) == [SIZE - OVERLAP_BYTES]


async def complete_by_hand(dest):
    """As a kill between the last mark and the rename leaves it."""
    left(dest).write_bytes(BODY)
    with left(dest, "journal").open("a") as file:
        file.write(f"\n{SIZE} {hashlib.sha256(BODY).hexdigest()}")


async def test_a_body_that_was_whole_but_has_changed_is_fetched(site, dest):
    item = await cut_short(site, dest)
    await complete_by_hand(dest)
    site.put("/one.tif", NEW, etag='"2"')
    assert await finished(site, dest, item, NEW) == [SIZE - OVERLAP_BYTES]


@pytest.mark.parametrize("etag", ['"1"', '"2"', None])
async def test_a_416_ends_it_only_if_it_is_of_the_same_version_and_number_of_bytes(site, dest, etag):
    item = await cut_short(site, dest)
    await complete_by_hand(dest)
    about = [("Content-Range", f"bytes */{SIZE}"), *([("ETag", etag)] if etag else [])]
    site.things["/one.tif"].faults.append(Status(416, headers=tuple(about)))
    known = [SIZE - OVERLAP_BYTES] if etag == '"1"' else [SIZE - OVERLAP_BYTES, None]
    assert await finished(site, dest, item) == known


async def test_without_a_validator_a_published_digest_lets_a_later_run_go_on_after_comparing_an_overlap(
    site, dest
):
    item = await cut_short(site, dest, about={}, says=sizes_and_digests(BODY))
    there = reached(dest)
    assert await finished(site, dest, item) == [there - OVERLAP_BYTES]
    assert [seen.headers.get("if-range") for seen in asset_requests(site)] == [None]


@pytest.mark.parametrize("piece", [1000, OVERLAP_BYTES - 1, OVERLAP_BYTES, OVERLAP_BYTES + 1])
async def test_the_overlap_is_compared_in_whatever_pieces_it_comes(site, dest, piece):
    item = await cut_short(site, dest, about={}, says=sizes_and_digests(BODY))
    there = reached(dest)
    site.things["/one.tif"].faults.append(Drip(0, piece))
    assert await finished(site, dest, item) == [there - OVERLAP_BYTES]


async def test_an_overlap_that_differs_means_another_version_and_a_restart(site, dest):
    item = await cut_short(site, dest, about={}, says={"file:size": SIZE})
    assert Mirrored(dest).partial == []
    item = await cut_short(site, dest, about={}, says=sizes_and_digests(BODY))
    there = reached(dest)
    site.put("/one.tif", NEW)
    item["assets"]["data"].update(sizes_and_digests(NEW))
    assert await finished(site, dest, item, NEW) == [there - OVERLAP_BYTES, None]


async def test_an_overlap_that_breaks_off_is_compared_again(site, dest):
    item = await cut_short(site, dest, about={}, says=sizes_and_digests(BODY))
    there = reached(dest)
    site.things["/one.tif"].faults.append(Cut(1000))
    assert await finished(site, dest, item) == [there - OVERLAP_BYTES] * 2


async def test_a_partial_file_without_validator_is_not_gone_on_with_where_the_digest_is_gone(site, dest):
    item = await cut_short(site, dest, about={}, says=sizes_and_digests(BODY))
    del item["assets"]["data"]["file:checksum"]
    assert await finished(site, dest, item) == [None]


async def test_a_digest_the_server_told_with_the_first_bytes_still_proves_the_copy_of_the_next_run(
    site, dest
):
    told = Headers((("x-amz-checksum-sha256", "jZNeT8I4Vz9jFlW7xTSI1WjG0vZ0qFpEYnTPYwzYbUg="),))
    item = await cut_short(site, dest, always=[told])
    there = reached(dest)
    site.things["/one.tif"].always = ()
    report = await run([item], dest, verify="auto")
    assert asked(site) == [there, None], "the digest is not that of the bytes: once more from the first one"
    assert report.exit_code == 0 and Mirrored(dest).bytes_of("one") == BODY


async def test_the_same_validator_of_another_resource_is_not_the_same_version(site, dest):
    await cut_short(site, dest)
    there = reached(dest)
    moved = stac_item("one", data=site.put("/two.tif", NEW, **STRONG))
    assert await finished(site, dest, moved, NEW) == [there, None]


async def test_a_resource_that_is_reached_by_another_way_is_the_same(site, dest):
    await cut_short(site, dest)
    there = reached(dest)
    moved = stac_item("one", data=site.redirect("/elsewhere.tif", "/one.tif"))
    assert await finished(site, dest, moved) == [there, there]


async def test_a_server_that_takes_no_ranges_leaves_nothing_to_go_on_with(site, dest):
    item = await cut_short(site, dest, always=[Headers((("Accept-Ranges", None), ("Accept-Ranges", "none")))])
    assert Mirrored(dest).partial == []
    assert await finished(site, dest, item) == [None]


async def test_a_range_whose_length_is_not_that_of_the_body_is_refused(site, dest):
    item = await cut_short(site, dest)
    there = reached(dest)
    site.things["/one.tif"].faults.append(ContentRange(f"bytes {there}-{there + 99}/{SIZE}"))
    assert await finished(site, dest, item) == [there, None]


@dataclass(frozen=True)
class DropConditional(Fault):
    """A cache that forgets the range where there is a condition on it."""

    def asked(self, ask):
        if "if-range" in ask.headers:
            ask.headers.pop("range", None)


async def test_where_a_condition_makes_a_cache_drop_the_range_it_is_left_out_and_the_answer_judged(
    site, dest
):
    item = await cut_short(site, dest, always=[DropConditional()])
    there = reached(dest)
    site.things["/one.tif"].faults.extend([Cut(3_000_000), Cut(500_000)])
    assert near(await finished(site, dest, item), [there, 3_000_000, 3_500_000])
    assert [seen.headers.get("if-range") for seen in asset_requests(site)] == ['"1"', None, None]


async def test_without_a_condition_the_answer_must_repeat_the_validator(site, dest):
    item = await cut_short(site, dest, always=[DropConditional()])
    there = reached(dest)
    site.things["/one.tif"].faults.extend([Cut(3_000_000), Change(NEW, '"2"')])
    assert near(await finished(site, dest, item, NEW), [there, 3_000_000, None])


async def test_a_host_whose_validators_flip_is_fetched_from_in_one_pass(site, dest):
    flapping = [(Etag(f'"{n}"'), IgnoreIfRange(), Cut(1_000_000 * (n + 2))) for n in range(3)]
    href = site.put("/one.tif", BODY, faults=flapping, **STRONG)
    item = stac_item("one", data=href)
    await run([item], dest)
    ranges = asked(site)
    assert ranges.count(None) >= len(ranges) - 2
    assert Mirrored(dest).bytes_of("one") == BODY


async def test_where_validators_flip_a_published_digest_still_lets_it_go_on(site, dest):
    flapping = [(Etag(f'"{n}"'), Cut(1_000_000)) for n in range(4)]
    href = site.put("/one.tif", BODY, faults=flapping, **STRONG)
    item = stac_item("one", data={"href": href, **sizes_and_digests(BODY)})
    patient = RetryPolicy(attempts=9, base=0)
    ranges = await finished(site, dest, item, retry=patient)
    assert near(
        ranges, [None, 1_000_000, 1_000_000, 1_000_000 - OVERLAP_BYTES, 2_000_000 - 2 * OVERLAP_BYTES]
    )
    assert ["if-range" in seen.headers for seen in asset_requests(site)] == [False, True, True, False, False]


async def test_a_version_that_changed_between_two_runs_is_no_flip(site, dest):
    item = await cut_short(site, dest)
    there = reached(dest)
    site.put("/one.tif", NEW, etag='"2"', faults=[Cut(1_000_000), Cut(1_000_000)])
    assert near(await finished(site, dest, item, NEW), [there, 1_000_000, 2_000_000])


async def test_a_date_is_a_condition_too_and_compared_where_it_is_repeated(site, dest):
    item = await cut_short(site, dest, about={"last_modified": 1e9})
    there = reached(dest)
    assert await finished(site, dest, item) == [there - OVERLAP_BYTES, there]
    compared, rest = (seen.headers for seen in asset_requests(site))
    assert compared["range"].endswith(f"-{there - 1}") and rest["range"].endswith("-")
    assert compared["if-range"] == rest["if-range"] == date(1e9)


def changed_at(place, body=BODY):
    """Another version of the same size, with one other byte."""
    data = bytearray(body)
    data[place] ^= 1
    return bytes(data)


WEBDAV_ETAGS = [f'"18ec67a0b0867d2{version}{SIZE:x}"' for version in (2, 3)]
"""Time in nanoseconds and size, as the WebDAV handler of Go makes it."""


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
@pytest.mark.parametrize("kept", [True, False], ids=["condition kept", "condition ignored"])
async def test_new_bytes_that_came_once_under_the_old_etag_of_webdav_are_not_joined_to_old_ones(
    site, dest, transport, kept
):
    old, new = WEBDAV_ETAGS
    item = await cut_short(site, dest, about={"etag": old}, transport=transport)
    stale = (IgnoreIfRange(), Etag(old))
    site.put("/one.tif", NEW, etag=new, faults=[stale] if kept else [stale, (IgnoreIfRange(),)])
    there = reached(dest)
    requests = await finished(site, dest, item, NEW, transport=transport)
    assert requests[0] == there and len(asset_requests(site)) == (2 if kept else 3)


async def test_what_was_joined_by_an_etag_of_webdav_is_confirmed_by_one_request(site, dest):
    item = await cut_short(site, dest, about={"etag": WEBDAV_ETAGS[0]})
    there = reached(dest)
    assert await finished(site, dest, item) == [there, SIZE - OVERLAP_BYTES]


OLD_DATE, NEW_DATE = 1e9, 1.1e9
STALE = (IgnoreIfRange(), Headers((("Last-Modified", None), ("Last-Modified", date(OLD_DATE)))))
"""An answer under the date of the version before, as of a server that keeps what it knew of a file."""
DATED: dict[str, tuple[bytes, float, list[tuple[Fault, ...]], int]] = {
    "new bytes at the end, once under the old date": (changed_at(CUT - 1000), NEW_DATE, [STALE], 2),
    "new bytes at the beginning, once under the old date": (changed_at(500), NEW_DATE, [STALE], 2),
    "the same, condition ignored": (changed_at(500), NEW_DATE, [STALE, (IgnoreIfRange(),)], 3),
    "the same bytes under a new date": (BODY, NEW_DATE, [], 1),
    "the same bytes under a new date, condition ignored": (BODY, NEW_DATE, [(IgnoreIfRange(),)], 2),
    "a longer file under the old date": (BODY + b"more", OLD_DATE, [], 2),
    "a shorter file under the old date": (BODY[: CUT + 5], OLD_DATE, [], 2),
    "new bytes at the end under the old date": (changed_at(CUT - 1000), OLD_DATE, [], 2),
}


@pytest.mark.parametrize("how", DATED)
async def test_where_only_a_date_tells_versions_apart_nothing_is_joined_to_another_one(site, dest, how):
    item = await cut_short(site, dest, about={"last_modified": OLD_DATE})
    body, modified, faults, requests = DATED[how]
    site.put("/one.tif", body, last_modified=modified, faults=faults)
    assert len(await finished(site, dest, item, body)) == requests


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_kill_nine_loses_no_more_than_what_was_on_its_way_to_the_disk(run_cli, troubled_thread, tmp_path):
    site, dest = troubled_thread.site(), tmp_path / "mirror"
    body = tif(40_000_000)
    site.put("/one.tif", body, etag='"1"', faults=[Drip(0.002, 100_000)])
    url = static_catalog(site, [stac_item("one", data=site.url("/one.tif"))])
    running = run_cli.start("mirror", url, dest)
    wait_for(lambda: sum(p.stat().st_size for p in Mirrored(dest).partial) > 12_000_000)
    running.kill()
    there = left(dest).stat().st_size
    assert run_cli("mirror", url, dest).code == 0
    [first] = asked(site)[1:]
    assert there - MAX_BATCH_BYTES <= first <= there
    assert Mirrored(dest).bytes_of("one") == body


def test_two_marks_for_one_place_are_no_contradiction(tmp_path):
    data = tif(1000)
    (tmp_path / "part").write_bytes(data)
    journal = Checkpoints(str(tmp_path / "journal"), None)
    journal.begin("k", PartialHeader('"1"', 2000))
    for offset, content in ((400, b"lost"), (400, data[:400]), (900, b"lost"), (1000, data), (1500, b"more")):
        journal.add(offset, hashlib.sha256(content))
    with closing(journal), (tmp_path / "part").open("rb") as file:
        proven, hashes = journal.proven(file.fileno(), {"sha256": hashlib.sha256()}, 2000)
    assert proven == 1000 and hashes["sha256"].digest() == hashlib.sha256(data).digest()


def test_the_more_bodies_are_written_the_less_each_may_keep_waiting():
    with closing(WriterThreads()) as disk:
        for number in range(1, 65):
            disk.add_writer()
            assert MIN_BATCH_BYTES <= disk.batch_bytes <= MAX_BATCH_BYTES
            assert disk.batch_bytes * number <= max(MAX_WAITING_BYTES, MIN_BATCH_BYTES * number)
        for _ in range(64):
            disk.remove_writer()
        assert disk.batch_bytes == MAX_BATCH_BYTES


async def begun(store, identity):
    """The first bytes of the body, tied to their version."""
    file = store.open_partial(identity)
    file.body.begin([], SIZE)
    file.bind(PartialHeader('"1"', SIZE))
    file.body.write(BODY[:CUT])
    await file.body.settled()
    return file


async def test_a_killed_takeover_leaves_the_bytes_to_the_next_run(dest):
    """The journal is there twice while the partial file is renamed: cleared up, whichever of them is over."""
    identity = ("c1", "one", "data")
    with closing(LocalStore(dest)) as store:
        store.open()
        await (await begun(store, identity)).keep()
    journal = left(dest, "journal")
    journal.with_name("other.journal").write_bytes(journal.read_bytes())
    with closing(LocalStore(dest)) as store:
        store.open()
        assert len(Mirrored(dest).partial) == 2
        file = store.open_partial(identity)
        assert file.left is not None
        await file.body.adopt([], SIZE)
        assert file.body.offset == CUT
        await file.drop()
    assert Mirrored(dest).partial == []


async def test_a_run_that_begins_anew_does_not_speak_in_the_journal_of_the_run_that_took_its_bytes_over(dest):
    """Where locks do nothing: the marks of one version must not stand under the name of another."""
    identity = ("c1", "one", "data")
    with closing(LocalStore(dest)) as first:
        first.open()
        theirs = await begun(first, identity)
        second = Partials(dest / ".mlhub/partial", first._threads, None)
        with closing(second):
            second.open()
            second.find_left()
            ours = second.open_file(identity)
            assert ours.left is not None and ours.left.validator == '"1"'
            theirs.body.begin([], SIZE)
            theirs.bind(PartialHeader('"2"', SIZE))
            await ours.body.adopt([], SIZE)
            assert ours.body.offset == CUT
            await ours.keep()
            noted = {path.read_bytes().count(b"\n"): path.read_bytes() for path in dest.rglob("*.journal")}
        await theirs.drop()
    assert b'"validator":"\\"2\\""' in noted[0]
    assert b'"validator":"\\"1\\""' in noted[1]
