"""Which bytes may be joined, believed, unpacked and kept: versions are never mixed."""

import asyncio
import gc
import gzip
import threading
import tracemalloc
import zlib

import pytest

from mlhub_async.core.errors import Corrupt, Transient
from mlhub_async.core.model import Asset, Head, Job, PartialHeader, Status
from mlhub_async.core.telemetry import Events, Meter
from mlhub_async.http.decoding.body import BodyDecoder
from mlhub_async.http.resilience.retry import Retry
from mlhub_async.storage.local.store import LocalStore
from mlhub_async.storage.local.writer import MIN_BATCH_BYTES, WRITER_THREADS
from mlhub_async.transfer.context import TransferContext
from mlhub_async.transfer.dedupe import UrlDedupe
from mlhub_async.transfer.existing import ExistingFiles
from mlhub_async.transfer.fetch import fetch
from support.engine import AT_ONCE, run
from support.machine_speed import cpu_seconds_below
from support.mirrored import Mirrored, asset_requests
from support.server import Change, Chunked, Cut, Drip, Gone, Headers, noise, tif
from support.stac_server import Api, answer, sizes_and_digests, stac_item

ME = ("c1", "one", "data")
GZIP = Headers((("Content-Encoding", "gzip"),))


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def test_a_version_without_validator_is_not_joined_to_the_one_before_it(site, dest):
    old, new = tif(1_000_000, 1), tif(1_000_000, 2)
    item = stac_item("one", data=site.put("/one.tif", old, etag='"1"'))
    site.things["/one.tif"].faults.extend([Cut(600_000), (Change(new), Cut(700_000)), *[Gone()] * 10])
    assert (await run([item], dest)).exit_code == 5
    assert Mirrored(dest).partial == []
    site.put("/one.tif", old, etag='"1"')
    assert (await run([item], dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == old


async def kept_partial(store, validator):
    file = store.open_partial(ME)
    file.body.begin([], 1_000_000)
    file.bind(PartialHeader(validator, 1_000_000))
    file.body.write(noise(MIN_BATCH_BYTES))
    await file.keep()


async def test_the_note_of_a_partial_file_that_is_gone_is_not_tied_to_other_bytes(dest):
    store = LocalStore(dest)
    store.open()
    await kept_partial(store, '"1"')
    store.close()
    store = LocalStore(dest)
    store.open()
    for part in (dest / ".mlhub/partial").glob("*.part"):
        part.unlink()
    file = store.open_partial(ME)
    assert file.left is None
    file.body.begin([], 1_000_000)
    file.body.write(noise(MIN_BATCH_BYTES, 2))
    await file.keep()
    store.close()
    store = LocalStore(dest)
    store.open()
    assert store.open_partial(ME).left is None
    store.close()


class Refusing:
    """Gives a body that is refused while it is on its way to the disk; then `right`, or nothing more."""

    def __init__(self, wrong: bytes, right: bytes, refused: threading.Event, then: str) -> None:
        self.answers = [wrong, right] if then == "answers" else [wrong]
        self.right = right
        self.refused = refused

    async def get(self, request, sink, on_redirect=None):
        if not self.answers:
            raise Transient("connection lost")
        body = self.answers.pop(0)
        head = Head(200, {"content-length": str(len(self.right)), "etag": '"1"'}, request.url)
        sink.start(head)
        for at in range(0, len(body), MIN_BATCH_BYTES // 2):
            if (busy := sink.write(body[at : at + MIN_BATCH_BYTES // 2])) is not None:
                await busy
        if body is not self.right:
            asyncio.get_running_loop().call_later(0.01, self.refused.set)
            raise Corrupt("more than it should have", kind="size-mismatch")
        return head


async def nothing(*_):
    return None


@pytest.mark.parametrize("then", ["answers", "is down"])
async def test_bytes_that_are_begun_anew_wait_for_the_write_in_flight(dest, then):
    refused, right = threading.Event(), tif(MIN_BATCH_BYTES * 3, 2)
    store = LocalStore(dest)
    store.open()
    for _ in range(WRITER_THREADS):
        store._threads.pool.submit(refused.wait, 30)
    http = Refusing(tif(MIN_BATCH_BYTES, 1), right, refused, then)
    context = TransferContext(
        http,
        store,
        Retry(AT_ONCE),
        UrlDedupe(None),
        nothing,
        nothing,
        Meter(),
        Events(None),
        ExistingFiles.of(store),
    )
    job = Job(Asset("https://h.test/one.tif", "data", "one", "c1"), "c1/one/data.tif")
    outcome, _ = await fetch(job, context)
    store.close()
    assert outcome.status is (Status.FETCHED if then == "answers" else Status.FAILED), outcome.error
    left = [*Mirrored(dest).files.values(), *(p.read_bytes() for p in dest.rglob("*.part"))]
    assert all(right.startswith(one) for one in left)
    assert (right in left) is (then == "answers")


@pytest.mark.parametrize(
    "wrong", [{"file:size": 4999}, {"file:checksum": "1220" + "ab" * 32}], ids=["size", "digest"]
)
async def test_a_304_does_not_prove_what_the_catalogue_promises_now(site, dest, wrong):
    body = tif(5000)
    asset = {"href": site.put("/one.tif", body, etag='"1"'), **sizes_and_digests(body)}
    assert (await run([stac_item("one", data=asset)], dest)).exit_code == 0
    report = await run([stac_item("one", data={**asset, **wrong})], dest)
    assert report.exit_code == 4 and not report.proofs
    assert all(outcome.error.kind.endswith("-mismatch") for outcome in report.failed)


@pytest.mark.parametrize(("if_exists", "conditions"), [("resume", [None]), ("refresh", [None, '"1"'])])
async def test_a_file_that_has_the_digest_promised_now_is_proven_by_it(site, dest, if_exists, conditions):
    """The ledger has its digest; only a refresh asks the server as well, which answers 304."""
    body = tif(5000)
    href = site.put("/one.tif", body, etag='"1"')
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    promised = {"href": href, **sizes_and_digests(body)}
    report = await run([stac_item("one", data=promised)], dest, if_exists=if_exists)
    assert report.exit_code == 0
    assert Mirrored(dest).receipt["assets"]["verified_checksum"] == 1
    assert [seen.headers.get("if-none-match") for seen in asset_requests(site)] == conditions


@pytest.mark.parametrize("piece", [1, 700, 65536])
async def test_gzip_of_several_members_is_unpacked_to_its_end(site, dest, piece):
    first, second = tif(300), noise(300, 1)
    packed = gzip.compress(first) + gzip.compress(second) + gzip.compress(b"")
    href = site.put("/one.tif", packed, always=[GZIP, Drip(0, piece)])
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == first + second


def test_many_members_take_a_time_by_their_number():
    members = gzip.compress(b"") * 50_000 + gzip.compress(noise(100_000)) + gzip.compress(b"the end")
    decoder = BodyDecoder(("gzip",))
    with cpu_seconds_below(0.5):
        assert decoder.feed(members[:-5], 1 << 20) == noise(100_000) + b"the end"
        assert decoder.feed(members[-5:], 1 << 20) == b"" and decoder.ended


def test_a_second_member_that_breaks_off_is_no_end():
    decoder = BodyDecoder(("gzip",))
    decoder.feed(gzip.compress(b"one") + gzip.compress(b"two")[:-3], 1000)
    assert not decoder.ended


async def test_a_gzip_bomb_is_refused_before_it_is_unpacked(site, dest):
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    asset = {"href": site.put("/one.tif", packed, always=[GZIP]), "file:size": 1000}
    tracemalloc.start()
    try:
        report = await run([stac_item("one", data=asset)], dest)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert report.exit_code == 4 and Mirrored(dest).files == {}


def test_unpacking_stops_one_byte_beyond_what_is_taken():
    packed = gzip.compress(bytes(1000)) * 5
    assert len(BodyDecoder(("gzip",)).feed(packed, 2500)) == 2501
    assert len(BodyDecoder(("gzip",)).feed(packed, 5000)) == 5000


async def test_a_renewed_href_is_the_one_that_is_gone_on_with_after_a_cut(site, dest):
    body = tif(400_000)
    expired = site.put("/old.tif", status=403)
    fresh = site.put("/new.tif", body, etag='"1"', faults=[Cut(300_000)])
    api = Api(site, [stac_item("one", data=expired + "?sig=a&se=1")])
    renewed = stac_item("one", data=fresh + "?sig=b&se=2")
    site.route("/stac/collections/c1/items/one", lambda _: answer(renewed))
    report = await run(api.url, dest, "c1")
    assert report.exit_code == 0, report.failed
    assert Mirrored(dest).bytes_of("one") == body
    assert [seen.path for seen in asset_requests(site)] == ["/old.tif", "/new.tif", "/new.tif"]


@pytest.mark.parametrize("again", ["overwrite", "deleted"])
async def test_a_suffix_that_came_by_a_redirect_is_added_once(site, dest, again):
    site.put("/real.tif", tif(5000))
    item = stac_item("one", data=site.redirect("/x", "/real.tif"))
    await run([item], dest)
    for _ in range(2):
        if again == "deleted":
            (dest / "c1/one/data.tif").unlink()
        report = await run([item], dest, if_exists="overwrite" if again == "overwrite" else "resume")
        assert report.exit_code == 0
        assert list(Mirrored(dest).files) == ["c1/one/data.tif"]
    Mirrored(dest).check(0)


async def test_a_body_refused_under_a_bandwidth_limit_leaves_no_pause_behind(site, dest):
    href = site.put("/one.tif", tif(300_000), always=[Chunked()])
    report = await run([stac_item("one", data={"href": href, "file:size": 1000})], dest, bwlimit=1_000_000)
    assert [outcome.error.kind for outcome in report.failed] == ["size-mismatch"]
    del report
    gc.collect()  # a coroutine that was never awaited complains when it is thrown away


@pytest.mark.parametrize("end", ["keep", "drop"])
async def test_who_is_cancelled_while_putting_bytes_away_puts_them_away_first(dest, end):
    released, store = threading.Event(), LocalStore(dest)
    store.open()
    for _ in range(WRITER_THREADS):
        store._threads.pool.submit(released.wait, 30)
    file = store.open_partial(ME)
    file.body.begin([], MIN_BATCH_BYTES * 4)
    file.bind(PartialHeader('"1"', MIN_BATCH_BYTES * 4))
    file.body.write(noise(MIN_BATCH_BYTES))
    file.body.write(noise(100, 2))
    ending = asyncio.create_task(getattr(file, end)())
    for _ in range(3):
        await asyncio.sleep(0)
        ending.cancel()
    asyncio.get_running_loop().call_later(0.01, released.set)
    with pytest.raises(asyncio.CancelledError):
        await ending
    store.close()
    left = [place.read_bytes() for place in dest.rglob("*.part")]
    assert left == ([noise(MIN_BATCH_BYTES) + noise(100, 2)] if end == "keep" else [])


@pytest.mark.parametrize("year", ["9" * 20, "9" * 5000])
@pytest.mark.parametrize("field", ["Date", "Last-Modified"])
async def test_a_date_out_of_all_bounds_is_no_validator(site, dest, year, field):
    dates = {name: "Mon, 06 Jan 2020 00:00:00 GMT" for name in ("Date", "Last-Modified")}
    dates[field] = f"Mon, 06 Jan {year} 00:00:00 GMT"
    small = site.put("/small.tif", tif(1000), etag="", headers=[*dates.items()])
    large = site.put("/large.tif", tif(600_000), etag="", headers=[*dates.items()])
    assert (await run([stac_item("one", small=small, large=large)], dest)).exit_code == 0
