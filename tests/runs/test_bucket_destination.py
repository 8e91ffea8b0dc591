"""A bucket as DEST, on a scripted object store: what becomes an object, when, and what a second run does."""

import asyncio
import hashlib
import json
import shutil
from email.utils import formatdate

import pytest

from mlhub_async import Options, Selection, UsageError, mirror
from mlhub_async.core.errors import Locked, StorageError
from mlhub_async.engine.destination import bucket_of, open_objects
from mlhub_async.storage.bucket.lock import PrefixLock
from support.engine import AT_ONCE, make_options
from support.mirrored import publish
from support.s3_server import S3Server, Stored
from support.server import tif
from support.stac_server import sizes_and_digests, stac_item, static_catalog

LARGE = 20 << 20
DEST = "s3://bucket/a/b"
PREFIX = "a/b/"


@pytest.fixture
def s3():
    with S3Server() as server:
        yield server


@pytest.fixture
def mirrored(s3, tmp_path):
    async def run(items, dest=DEST, **options):
        chosen = {"retry": AT_ONCE, "allow_private": True, "endpoint_url": s3.url, **options}
        chosen.setdefault("state", str(tmp_path / "state"))
        return await mirror(items, dest, make_options(Selection(), **chosen), environ={})

    return run


def document(s3, path):
    return json.loads(s3.objects[PREFIX + path].body)


async def test_files_documents_and_receipt_become_objects(troubled, s3, mirrored):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    report = await mirrored(items)
    assert report.ok and str(report.receipt_path) == "s3://bucket/a/b/.mlhub/receipt.json"
    assert s3.files(PREFIX) == {"c1/one/data.tif": tif(20_000, 0), "c1/two/data.tif": tif(20_000, 1)}
    assert document(s3, "c1/one/one.json")["assets"]["data"]["href"] == "./data.tif"
    assert document(s3, "catalog.json")["links"][-1]["href"] == "./c1/collection.json"
    assert document(s3, ".mlhub/receipt.json")["assets"]["verified_size"] == 2


async def test_a_second_run_puts_no_file(troubled, s3, mirrored, tmp_path):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    await mirrored(items)
    s3.requests.clear()
    report = await mirrored(items)
    assert report.ok and report.skipped == 2 and s3.count("PUT", ".tif") == s3.count("HEAD", ".tif") == 0


async def test_without_its_ledger_a_run_puts_no_file(troubled, s3, mirrored, tmp_path):
    site = await troubled.site()
    items = [stac_item("one", data={"href": site.put("/x.tif", tif(LARGE)), **sizes_and_digests(tif(LARGE))})]
    items += publish(site, ["two"])
    first = await mirrored(items)
    shutil.rmtree(tmp_path / "state")
    s3.requests.clear()
    site.log.clear()
    report = await mirrored(items)
    assert report.ok and report.skipped == 2 and site.log == []
    assert s3.count("PUT", ".tif") == s3.count("POST") == 0
    assert report.manifest_sha256 == first.manifest_sha256


async def test_a_large_file_comes_in_parts(troubled, s3, mirrored):
    site = await troubled.site()
    report = await mirrored([stac_item("one", data=site.put("/x.tif", tif(LARGE)))])
    assert report.ok and s3.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
    assert s3.count("PUT", "partNumber=") == 3 and s3.uploads == {}


@pytest.mark.parametrize(
    ("method", "text", "what"),
    [
        ("PUT", "one/data.tif", "slow-down"),
        ("PUT", "one/data.tif", "lost"),
        ("PUT", "one/data.tif", "cut"),
        ("PUT", "one/data.tif", "wrong-sum"),
        ("PUT", "one/data.tif", "unsupported"),
        ("PUT", "partNumber=2", "cut"),
        ("PUT", "partNumber=2", "lost"),
        ("PUT", "partNumber=2", "wrong-sum"),
        ("POST", "uploads", "slow-down"),
        ("POST", "uploads", "lost"),
        ("POST", "uploadId=", "lost"),
        ("POST", "uploadId=", "late-error"),
        ("POST", "uploadId=", "slow-down"),
        ("GET", "list-type=2", "slow-down"),
        ("HEAD", "large/data.tif", "lost"),
        ("PUT", "receipt.json", "cut"),
    ],
)
async def test_a_fault_that_passes_changes_nothing(troubled, s3, mirrored, method, text, what):
    site = await troubled.site()
    items = [*publish(site, ["one"]), stac_item("large", data=site.put("/x.tif", tif(LARGE)))]
    s3.fault(method, text, what)
    report = await mirrored(items)
    assert report.ok and s3.faults[0].times == 0
    assert s3.files(PREFIX) == {"c1/large/data.tif": tif(LARGE), "c1/one/data.tif": tif(20_000)}


async def test_a_part_may_take_longer_to_be_sent_than_an_answer_to_come(troubled, s3, mirrored):
    site = await troubled.site()
    s3.fault("PUT", "partNumber=2", "slow")
    report = await mirrored(
        [stac_item("one", data=site.put("/x.tif", tif(LARGE)))], timeout=1, transport="fast"
    )
    assert report.ok and s3.count("PUT", "partNumber=2") == 1


async def test_wrong_sums_to_the_last_end_the_run(troubled, s3, mirrored):
    site = await troubled.site()
    s3.fault("PUT", "data.tif", "wrong-sum", 99)
    with pytest.raises(StorageError, match="other bytes than were sent"):
        await mirrored(publish(site, ["one"]))


async def test_another_object_at_the_place_is_not_replaced(troubled, s3, mirrored):
    """It came after the listing."""
    site = await troubled.site()
    items = publish(site, ["one", "two"])

    class Racing(dict):
        def get(self, key, default=None):
            if key.endswith("one/data.tif") and key not in self:
                self[key] = type("S", (), {"body": b"theirs", "etag": "0" * 32, "fields": {}})()
            return super().get(key, default)

    s3.objects = Racing()
    report = await mirrored(items)
    assert report.exit_code == 4 and s3.files(PREFIX)["c1/one/data.tif"] == b"theirs"
    assert [one.error.kind for one in report.failed] == ["exists"]


async def test_refused_puts_name_the_bucket_and_the_keys(troubled, s3, mirrored):
    site = await troubled.site()
    s3.fault("PUT", "data.tif", "denied", 99)
    with pytest.raises(StorageError, match=r"s3://bucket/a/b does not take .*auth status"):
        await mirrored(publish(site, ["one"]))


async def test_a_bucket_that_is_not_there_is_told(troubled, s3, mirrored):
    site = await troubled.site()
    with pytest.raises(StorageError, match="there is no such bucket"):
        await mirrored(publish(site, ["one"]), dest="s3://nothing/x")


async def test_one_url_for_many_items_is_copied_in_the_store(troubled, s3, mirrored):
    site = await troubled.site()
    url = site.put("/x.tif", tif(20_000))
    report = await mirrored([stac_item("one", data=url), stac_item("two", data=url)], concurrency=1)
    assert report.ok and s3.count("PUT", "data.tif") == 2 and len(site.log) == 1
    assert s3.files(PREFIX) == {f"c1/{name}/data.tif": tif(20_000) for name in ("one", "two")}


async def test_what_has_left_the_catalogue_is_removed_by_key(troubled, s3, mirrored):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    url = static_catalog(site, items)
    await mirrored(url)
    s3.objects["a/bystander.tif"] = s3.objects["a/b/c1/one/data.tif"]
    static_catalog(site, items[:1])
    report = await mirrored(url, prune=True)
    assert report.ok and list(s3.files()) == ["a/b/c1/one/data.tif", "a/bystander.tif"]


async def test_only_s3_is_a_destination():
    with pytest.raises(UsageError, match="only s3:// can be a DEST"):
        await mirror([], "gs://bucket/x", Options(), environ={})


async def test_state_is_for_buckets(tmp_path):
    with pytest.raises(UsageError, match="--state is for a bucket"):
        await mirror([], tmp_path / "dest", Options(state=str(tmp_path)), environ={})


class TestVerify:
    """Of a mirror of two files, by the program."""

    @pytest.fixture
    def made(self, troubled_thread, s3, run_cli, tmp_path):
        site = troubled_thread.site()
        words = ("--endpoint-url", s3.url, "--state", tmp_path / "state")
        items = tmp_path / "items.ndjson"
        items.write_text("".join(json.dumps(one) + "\n" for one in publish(site, ["one", "two"])))
        assert run_cli("mirror", items, DEST, *words, "--allow-private").code == 0
        return lambda command, *more: run_cli(command, DEST, *words, *more)

    def test_one_that_is_as_recorded_is_listed_only(self, s3, made):
        s3.requests.clear()
        ran = made("verify")
        assert ran.code == 0 and "6 files" in ran.out + ran.err, ran.err
        assert s3.count("GET", ".tif") == s3.count("HEAD") == 0
        assert made("verify", "--deep").code == 0 and s3.count("GET", ".tif") >= 2

    @pytest.mark.parametrize(
        ("body", "deep", "told"),
        [
            (tif(20_000, 7), (), "one/data.tif: digest"),
            (tif(20_000, 7), ("--deep",), "one/data.tif: digest"),
            (b"short", (), "one/data.tif: size"),
            (None, (), "one/data.tif: missing"),
        ],
    )
    def test_an_object_that_differs_is_named(self, s3, made, body, deep, told):
        key = f"{PREFIX}c1/one/data.tif"
        if body is None:
            del s3.objects[key]
        else:
            s3.objects[key] = Stored(body, hashlib.md5(body).hexdigest())
        ran = made("verify", *deep)
        assert ran.code == 6 and told in ran.out + ran.err

    def test_a_copy_of_the_objects_elsewhere_has_other_etags_and_the_same_digests(self, s3, made):
        for stored in s3.objects.values():
            stored.etag = f"{stored.etag[::-1]}-2"
        assert made("verify").code == 0

    def test_the_receipt_of_another_run_is_told(self, s3, made):
        key = f"{PREFIX}.mlhub/receipt.json"
        s3.objects[key] = Stored(b"{}", "0" * 32)
        ran = made("verify")
        assert ran.code == 6 and "receipt.json: digest" in ran.out + ran.err

    def test_without_its_ledger_it_says_what_to_do(self, made, tmp_path):
        shutil.rmtree(tmp_path / "state")
        ran = made("verify")
        assert ran.code == 2 and "uploads nothing which is there" in ran.err

    def test_status_reads_the_ledger(self, made):
        ran = made("status")
        assert ran.code == 0 and "c1: 2 done, 0 failed" in ran.out


@pytest.mark.parametrize("command", ["verify", "status"])
def test_options_for_buckets_are_refused_for_directories(run_cli, dest, command):
    ran = run_cli(command, dest, "--state", "x")
    assert ran.code == 2 and "--state is for a bucket as DEST" in ran.err


class TestLock:
    def lock(self, s3, **about):
        body = json.dumps({"owner": "another", "host": "elsewhere", **about}).encode()
        fields = {"Last-Modified": formatdate(usegmt=True)}
        s3.objects[f"{PREFIX}.mlhub/lock"] = Stored(body, hashlib.md5(body).hexdigest(), fields)

    async def test_another_run_that_owns_the_prefix_is_told(self, troubled, s3, mirrored):
        site = await troubled.site()
        self.lock(s3)
        with pytest.raises(Locked, match="another run on 'elsewhere' owns this prefix"):
            await mirrored(publish(site, ["one"]))
        assert s3.files(PREFIX) == {}

    async def test_a_lock_that_is_old_is_nobodys(self, troubled, s3, mirrored):
        site = await troubled.site()
        self.lock(s3)
        s3.objects[f"{PREFIX}.mlhub/lock"].fields["Last-Modified"] = formatdate(0, usegmt=True)
        assert (await mirrored(publish(site, ["one"]))).ok
        assert f"{PREFIX}.mlhub/lock" not in s3.objects

    async def test_a_killed_run_does_not_lock_out_the_next_one_of_its_state(
        self, troubled, s3, mirrored, tmp_path
    ):
        site = await troubled.site()
        assert (await mirrored(publish(site, ["one"]))).ok
        self.lock(s3, owner=(tmp_path / "state/.mlhub/lock-owner").read_text())
        assert (await mirrored(publish(site, ["one"]))).ok

    async def test_two_that_begin_at_once_are_told_apart_by_the_store(self, troubled, s3, mirrored):
        site = await troubled.site()
        items, refused = publish(site, ["one"]), ("HEAD", "mlhub/lock")
        s3.before[refused] = lambda: None if s3.count(*refused) != 1 else self.lock_later(s3)
        with pytest.raises(Locked):
            await mirrored(items)

    def lock_later(self, s3):
        """The other run comes between the question and the lock."""
        s3.before["PUT", "mlhub/lock"] = lambda: self.lock(s3)

    async def test_a_run_that_loses_its_lock_writes_nothing_more(self, s3, tmp_path):
        asked = asyncio.Event()

        async def sleep(_):
            if asked.is_set():
                await asyncio.Event().wait()
            asked.set()

        options = make_options(endpoint_url=s3.url, retry=AT_ONCE)
        async with open_objects(bucket_of(DEST, {}), options, {}) as objects:
            lock = PrefixLock(objects, f"{PREFIX}.mlhub/lock", DEST, tmp_path / "owner", sleep=sleep)
            s3.before["PUT", "mlhub/lock"] = lambda: self.lock(s3) if s3.count("PUT", "lock") == 2 else None
            async with lock.held():
                await asyncio.wait([lock.renewing])
                assert isinstance(lock.lost, Locked)
        assert b"another" in s3.objects[f"{PREFIX}.mlhub/lock"].body


@pytest.mark.parametrize("words", [("diff",), ("mirror", "-n")])
def test_what_is_not_offered_for_buckets_is_told(run_cli, site, words):
    command, *more = words
    ran = run_cli(command, site.json("/c.json", {}), DEST, *more)
    assert ran.code == 2 and "a directory only" in ran.err


class TestUploads:
    """Of a file in three parts, whose upload a killed run has left."""

    @pytest.fixture
    async def left(self, troubled, s3, mirrored):
        site = await troubled.site()
        items = [stac_item("one", data=site.put("/x.tif", tif(LARGE), etag='"1"'))]
        s3.fault("POST", "uploadId=", "denied", 1)
        with pytest.raises(StorageError):
            await mirrored(items)
        assert len(s3.uploads) == 1 and s3.files(PREFIX) == {}
        s3.requests.clear()
        site.log.clear()
        return site, items

    async def test_it_is_continued_by_the_parts_that_prove_to_be_those(self, left, s3, mirrored):
        site, items = left
        (upload,) = s3.uploads.values()
        upload.parts[2] = b"other" * 1_700_000
        report = await mirrored(items)
        assert report.ok and s3.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert s3.count("PUT", "partNumber=") == s3.count("PUT", "partNumber=2") == 1
        assert s3.uploads == {} and sum(one.headers.get("range") is None for one in site.log) == 0

    async def test_one_of_an_older_version_is_not_joined_to_the_present_one(self, left, s3, mirrored):
        site, items = left
        site.put("/x.tif", tif(LARGE, 1), etag='"2"')
        assert (await mirrored(items)).ok and s3.uploads == {}
        assert s3.files(PREFIX) == {"c1/one/data.tif": tif(LARGE, 1)}

    async def test_one_that_is_not_needed_is_aborted(self, left, s3, mirrored):
        site, _ = left
        assert (await mirrored(publish(site, ["two"]))).ok
        assert s3.uploads == {} and s3.files(PREFIX).keys() == {"c1/two/data.tif"}

    async def test_one_that_the_store_has_forgotten_is_begun_anew(self, left, s3, mirrored):
        _, items = left
        s3.uploads.clear()
        assert (await mirrored(items)).ok and s3.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert s3.count("POST", "uploads") == 1


@pytest.mark.parametrize(
    ("source", "dest"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://bucket/a/", "s3://bucket/a"),
        ("s3://bucket", "s3://bucket/a"),
        ("s3://bucket/a/sub", "s3://bucket/a"),
        ("s3://bucket/a", "s3://bucket/a/sub"),
        ("s3://bucket/a/catalog.json", "s3://bucket/a"),
    ],
)
async def test_a_bucket_is_not_mirrored_into_itself(s3, mirrored, source, dest):
    with pytest.raises(UsageError, match="lie in each other"):
        await mirrored(source, dest)
    assert s3.objects == {}


async def test_a_prefix_beside_the_source_is_no_part_of_it(s3, mirrored):
    body = tif(300)
    s3.objects["a/x.tif"] = Stored(body, '"1"')
    report = await mirrored("s3://bucket/a", "s3://bucket/ab")
    assert report.ok and list(s3.files("ab/").values()) == [body]
