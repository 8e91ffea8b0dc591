"""A bucket as DEST, on scripted object stores: what becomes an object, when, and what a second run does."""

import asyncio
import base64
import hashlib
import json
import shutil
import sys
from email.utils import formatdate

import pytest

from mlhub_async import Options, Selection, UsageError, mirror
from mlhub_async.core.errors import Locked, StorageError
from mlhub_async.engine.destination import bucket_of, open_objects
from mlhub_async.engine.planning.lockfile import lock
from mlhub_async.storage.bucket.lock import PrefixLock
from support.azure_server import AzureServer
from support.engine import AT_ONCE, make_options
from support.google_server import GoogleServer
from support.mirrored import publish
from support.object_server import Stored
from support.s3_server import S3Server, Upload
from support.server import tif
from support.stac_server import sizes_and_digests, stac_item, static_catalog

LARGE = 20 << 20
PREFIX = "a/b/"
STORES = {"s3": S3Server, "azure": AzureServer, "google": GoogleServer}


@pytest.fixture(params=STORES)
def store(request):
    with STORES[request.param]() as server:
        yield server


def only(name):
    """For tests of what one store alone has."""
    return pytest.mark.parametrize("store", [name], indirect=True)


@pytest.fixture
def mirrored(store, tmp_path):
    async def run(items, dest=None, **options):
        chosen = {"retry": AT_ONCE, "allow_private": True, "endpoint_url": store.url, **options}
        chosen.setdefault("state", str(tmp_path / "state"))
        dest = dest or f"{store.dest}/a/b"
        return await mirror(items, dest, make_options(Selection(), **chosen), environ={})

    return run


def document(store, path):
    return json.loads(store.objects[PREFIX + path].body)


async def test_files_documents_and_receipt_become_objects(troubled, store, mirrored):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    report = await mirrored(items)
    assert report.ok and str(report.receipt_path) == f"{store.dest}/a/b/.mlhub/receipt.json"
    assert store.files(PREFIX) == {"c1/one/data.tif": tif(20_000, 0), "c1/two/data.tif": tif(20_000, 1)}
    assert document(store, "c1/one/one.json")["assets"]["data"]["href"] == "./data.tif"
    assert document(store, "catalog.json")["links"][-1]["href"] == "./c1/collection.json"
    assert document(store, ".mlhub/receipt.json")["assets"]["verified_size"] == 2


async def test_a_second_run_puts_no_file(troubled, store, mirrored, tmp_path):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    await mirrored(items)
    store.operations.clear()
    report = await mirrored(items)
    assert (
        report.ok and report.skipped == 2 and store.count("put", ".tif") == store.count("facts", ".tif") == 0
    )


async def test_without_its_ledger_a_run_puts_no_file(troubled, store, mirrored, tmp_path):
    site = await troubled.site()
    items = [stac_item("one", data={"href": site.put("/x.tif", tif(LARGE)), **sizes_and_digests(tif(LARGE))})]
    items += publish(site, ["two"])
    first = await mirrored(items)
    shutil.rmtree(tmp_path / "state")
    store.operations.clear()
    site.log.clear()
    report = await mirrored(items)
    assert report.ok and report.skipped == 2 and site.log == []
    assert store.count("put", ".tif") == store.count("begin") == store.count("part") == 0
    assert report.manifest_sha256 == first.manifest_sha256


async def test_a_large_file_comes_in_parts(troubled, store, mirrored):
    site = await troubled.site()
    report = await mirrored([stac_item("one", data=site.put("/x.tif", tif(LARGE)))])
    assert report.ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
    assert store.count("part") + store.count("complete") == (3 if store.dest[0] == "g" else 4)
    assert store.uploads == {}


@pytest.mark.parametrize(
    ("operation", "text", "what"),
    [
        ("put", "one/data.tif", "slow-down"),
        ("put", "one/data.tif", "lost"),
        ("put", "one/data.tif", "cut"),
        ("put", "one/data.tif", "wrong-sum"),
        ("put", "one/data.tif", "unsupported"),
        ("part", "large/data.tif", "cut"),
        ("part", "large/data.tif", "lost"),
        ("part", "large/data.tif", "wrong-sum"),
        ("begin", "large/data.tif", "slow-down"),
        ("begin", "large/data.tif", "lost"),
        ("complete", "large/data.tif", "lost"),
        ("complete", "large/data.tif", "late-error"),
        ("complete", "large/data.tif", "cut"),
        ("complete", "large/data.tif", "slow-down"),
        ("list", "", "slow-down"),
        ("facts", "large/data.tif", "lost"),
        ("put", "receipt.json", "cut"),
    ],
)
async def test_a_fault_that_passes_changes_nothing(troubled, store, mirrored, operation, text, what):
    if operation == "begin" and store.dest.startswith("az"):
        pytest.skip("no request begins an upload there")
    site = await troubled.site()
    items = [*publish(site, ["one"]), stac_item("large", data=site.put("/x.tif", tif(LARGE)))]
    store.fault(operation, text, what)
    report = await mirrored(items)
    assert report.ok and store.faults[0].times == 0
    assert store.uploads == {} or (operation, store.dest[0]) == ("begin", "g")  # that ends by itself
    assert store.files(PREFIX) == {"c1/large/data.tif": tif(LARGE), "c1/one/data.tif": tif(20_000)}


async def test_a_part_may_take_longer_to_be_sent_than_an_answer_to_come(troubled, store, mirrored):
    site = await troubled.site()
    store.fault("part", "", "slow")
    report = await mirrored(
        [stac_item("one", data=site.put("/x.tif", tif(LARGE)))], timeout=1, transport="fast"
    )
    assert report.ok and store.count("part") == (2 if store.dest[0] == "g" else 3)


@pytest.mark.parametrize("operation", ["part", "complete"])
async def test_an_upload_that_somebody_else_ends_is_begun_anew(troubled, store, mirrored, operation):
    """By a lifecycle rule for unfinished uploads, or by an administrator."""

    def end_uploads():
        if store.count(operation, "data.tif") == 1:
            store.uploads.clear()

    site = await troubled.site()
    store.before[operation, "data.tif"] = end_uploads
    report = await mirrored([stac_item("one", data=site.put("/x.tif", tif(LARGE)))])
    assert report.ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
    assert store.uploads == {}


async def test_an_upload_that_is_ended_again_and_again_is_told(troubled, store, mirrored):
    site = await troubled.site()
    store.before["complete", "data.tif"] = store.uploads.clear
    with pytest.raises(StorageError, match=r"data\.tif") as raised:
        await mirrored([stac_item("one", data=site.put("/x.tif", tif(LARGE)))])
    assert "there is no such bucket" not in raised.value.message


@only("google")
@pytest.mark.parametrize(("times", "ends"), [(2, False), (99, True)])
async def test_a_store_that_takes_nothing_of_a_part_is_not_asked_for_ever(
    troubled, store, mirrored, times, ends
):
    site = await troubled.site()
    items = [stac_item("one", data=site.put("/x.tif", tif(LARGE)))]
    store.fault("part", "", "untaken", times)
    if ends:
        with pytest.raises(StorageError, match="takes nothing of an upload"):
            await mirrored(items)
    else:
        assert (await mirrored(items)).ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}


async def test_wrong_sums_to_the_last_end_the_run(troubled, store, mirrored):
    site = await troubled.site()
    store.fault("put", "data.tif", "wrong-sum", 99)
    with pytest.raises(StorageError, match="other bytes than were sent"):
        await mirrored(publish(site, ["one"]))


async def test_another_object_at_the_place_is_not_replaced(troubled, store, mirrored):
    """It came after the listing."""
    site = await troubled.site()
    items = publish(site, ["one", "two"])

    class Racing(dict):
        def get(self, key, default=None):
            if key.endswith("one/data.tif") and key not in self:
                self[key] = type("S", (), {"body": b"theirs", "etag": "0" * 32, "fields": {}})()
            return super().get(key, default)

    store.objects = Racing()
    report = await mirrored(items)
    assert report.exit_code == 4 and store.files(PREFIX)["c1/one/data.tif"] == b"theirs"
    assert [one.error.kind for one in report.failed] == ["exists"]


async def test_refused_puts_name_the_bucket_and_the_keys(troubled, store, mirrored):
    site = await troubled.site()
    store.fault("put", "data.tif", "denied", 99)
    with pytest.raises(StorageError, match=rf"{store.dest}/a/b does not take .*auth status"):
        await mirrored(publish(site, ["one"]))


async def test_a_bucket_that_is_not_there_is_told(troubled, store, mirrored):
    site = await troubled.site()
    with pytest.raises(StorageError, match="there is no such bucket"):
        await mirrored(publish(site, ["one"]), dest=f"{store.dest[:-6]}nothing/x")


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_a_state_that_cannot_be_used_is_told_with_the_option_for_it(store, mirrored, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as raised:
        await mirrored([stac_item("one")], state=str(tmp_path / place))
    assert place in raised.value.message and "--state names a directory" in raised.value.message


async def test_one_url_for_many_items_is_copied_in_the_store(troubled, store, mirrored):
    site = await troubled.site()
    url = site.put("/x.tif", tif(20_000))
    report = await mirrored([stac_item("one", data=url), stac_item("two", data=url)], concurrency=1)
    assert report.ok and store.count("put", "data.tif") == 1 and len(site.log) == 1
    assert store.files(PREFIX) == {f"c1/{name}/data.tif": tif(20_000) for name in ("one", "two")}


@pytest.mark.parametrize("what", ["denied", "unsupported"])
async def test_where_the_store_may_not_copy_the_object_is_read_and_put(troubled, store, mirrored, what):
    site = await troubled.site()
    url = site.put("/x.tif", tif(LARGE))
    store.fault("copy", "", what, 99)
    report = await mirrored([stac_item("one", data=url), stac_item("two", data=url)], concurrency=1)
    assert report.ok and len(site.log) == 1 and store.uploads == {}
    assert store.files(PREFIX) == {f"c1/{name}/data.tif": tif(LARGE) for name in ("one", "two")}


async def test_a_store_that_was_asked_without_keys_says_so(troubled, store, mirrored):
    site = await troubled.site()
    store.fault("put", "lock", "denied", 99)
    with pytest.raises(StorageError, match="it was asked without keys: see 'mlhub-async auth status'"):
        await mirrored(publish(site, ["one"]))


async def test_what_has_left_the_catalogue_is_removed_by_key(troubled, store, mirrored):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    url = static_catalog(site, items)
    await mirrored(url)
    store.objects["a/bystander.tif"] = store.objects["a/b/c1/one/data.tif"]
    static_catalog(site, items[:1])
    report = await mirrored(url, prune=True)
    assert report.ok and list(store.files()) == ["a/b/c1/one/data.tif", "a/bystander.tif"]


async def test_what_a_retention_policy_keeps_is_told(troubled, store, mirrored):
    site = await troubled.site()
    store.fault("put", "data.tif", "retained", 99)
    told = "retention policy" if store.dest[0] != "s" else "auth status"
    with pytest.raises(StorageError, match=told):
        await mirrored(publish(site, ["one"]))


async def test_state_is_for_buckets(tmp_path):
    with pytest.raises(UsageError, match="--state is for a bucket"):
        await mirror([], tmp_path / "dest", Options(state=str(tmp_path)), environ={})


class TestVerify:
    """Of a mirror of two files, by the program."""

    @pytest.fixture
    def made(self, troubled_thread, store, run_cli, tmp_path):
        site = troubled_thread.site()
        words = ("--endpoint-url", store.url, "--state", tmp_path / "state")
        items = tmp_path / "items.ndjson"
        items.write_text("".join(json.dumps(one) + "\n" for one in publish(site, ["one", "two"])))
        assert run_cli("mirror", items, f"{store.dest}/a/b", *words, "--allow-private").code == 0
        return lambda command, *more: run_cli(command, f"{store.dest}/a/b", *words, *more)

    def test_one_that_is_as_recorded_is_listed_only(self, store, made):
        store.operations.clear()
        ran = made("verify")
        assert ran.code == 0 and "6 files" in ran.out + ran.err, ran.err
        assert store.count("read", ".tif") == store.count("facts") == 0
        assert made("verify", "--deep").code == 0 and store.count("read", ".tif") >= 2

    @pytest.mark.parametrize(
        ("body", "deep", "told"),
        [
            (tif(20_000, 7), (), "one/data.tif: digest"),
            (tif(20_000, 7), ("--deep",), "one/data.tif: digest"),
            (b"short", (), "one/data.tif: size"),
            (None, (), "one/data.tif: missing"),
        ],
    )
    def test_an_object_that_differs_is_named(self, store, made, body, deep, told):
        key = f"{PREFIX}c1/one/data.tif"
        if body is None:
            del store.objects[key]
        else:
            store.objects[key] = Stored(body, "77")
        ran = made("verify", *deep)
        assert ran.code == 6 and told in ran.out + ran.err

    def test_a_copy_of_the_objects_elsewhere_has_other_etags_and_the_same_digests(self, store, made):
        for stored in store.objects.values():
            stored.etag = f"9{stored.etag}"
        assert made("verify").code == 0

    def test_the_receipt_of_another_run_is_told(self, store, made):
        key = f"{PREFIX}.mlhub/receipt.json"
        store.objects[key] = Stored(b"{}", "77")
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
    def lock(self, store, **about):
        body = json.dumps({"owner": "another", "host": "elsewhere", **about}).encode()
        fields = {"Last-Modified": formatdate(usegmt=True)}
        store.objects[f"{PREFIX}.mlhub/lock"] = Stored(body, "77", fields)

    async def test_another_run_that_owns_the_prefix_is_told(self, troubled, store, mirrored):
        site = await troubled.site()
        self.lock(store)
        with pytest.raises(Locked, match="another run on 'elsewhere' owns this prefix"):
            await mirrored(publish(site, ["one"]))
        assert store.files(PREFIX) == {}

    async def test_a_lock_that_is_old_is_nobodys(self, troubled, store, mirrored):
        site = await troubled.site()
        self.lock(store)
        store.objects[f"{PREFIX}.mlhub/lock"].fields["Last-Modified"] = formatdate(0, usegmt=True)
        assert (await mirrored(publish(site, ["one"]))).ok
        assert f"{PREFIX}.mlhub/lock" not in store.objects

    async def test_a_killed_run_does_not_lock_out_the_next_one_of_its_state(
        self, troubled, store, mirrored, tmp_path
    ):
        site = await troubled.site()
        assert (await mirrored(publish(site, ["one"]))).ok
        self.lock(store, owner=(tmp_path / "state/.mlhub/lock-owner").read_text())
        assert (await mirrored(publish(site, ["one"]))).ok

    async def test_two_that_begin_at_once_are_told_apart_by_the_store(self, troubled, store, mirrored):
        site = await troubled.site()
        items, refused = publish(site, ["one"]), ("facts", "mlhub/lock")
        store.before[refused] = lambda: None if store.count(*refused) != 1 else self.lock_later(store)
        with pytest.raises(Locked):
            await mirrored(items)

    def lock_later(self, store):
        """The other run comes between the question and the lock."""
        store.before["put", "mlhub/lock"] = lambda: self.lock(store)

    async def test_a_run_that_loses_its_lock_writes_nothing_more(self, store, tmp_path):
        asked = asyncio.Event()

        async def sleep(_):
            if asked.is_set():
                await asyncio.Event().wait()
            asked.set()

        dest, options = f"{store.dest}/a/b", make_options(endpoint_url=store.url, retry=AT_ONCE)
        async with open_objects(bucket_of(dest, {}), options, {}) as objects:
            lock = PrefixLock(objects, f"{PREFIX}.mlhub/lock", dest, tmp_path / "owner", sleep=sleep)
            store.before["put", "mlhub/lock"] = lambda: (
                self.lock(store) if store.count("put", "lock") == 2 else None
            )
            async with lock.held():
                await asyncio.wait([lock.renewing])
                assert isinstance(lock.lost, Locked)
        assert b"another" in store.objects[f"{PREFIX}.mlhub/lock"].body

    @pytest.mark.parametrize("meanwhile", ["nothing", "another", "gone"])
    async def test_a_run_that_was_suspended_asks_whether_the_lock_is_still_its_own(
        self, store, tmp_path, meanwhile
    ):
        now, key = [0.0], f"{PREFIX}.mlhub/lock"
        dest, options = f"{store.dest}/a/b", make_options(endpoint_url=store.url, retry=AT_ONCE)
        async with open_objects(bucket_of(dest, {}), options, {}) as objects:
            lock = PrefixLock(objects, key, dest, tmp_path / "owner", clock=lambda: now[0])
            async with lock.held():
                await lock.confirm()
                now[0] = 500.0
                if meanwhile == "another":
                    self.lock(store)
                elif meanwhile == "gone":
                    del store.objects[key]
                if meanwhile == "nothing":
                    await asyncio.gather(*(lock.confirm() for _ in range(5)))
                else:
                    with pytest.raises(Locked, match="another run has taken the lock"):
                        await lock.confirm()
            assert store.count("put", "lock") == (2 if meanwhile == "nothing" else 1)
        assert (key in store.objects) is (meanwhile == "another")

    async def test_under_the_lock_of_another_run_nothing_is_removed(
        self, troubled, store, mirrored, monkeypatch
    ):
        site = await troubled.site()
        items = publish(site, ["one", "two"])
        assert (await mirrored(static_catalog(site, items))).ok
        before = store.files(PREFIX)
        monkeypatch.setattr("mlhub_async.storage.bucket.lock.DOUBTFUL_SECONDS", -1.0)  # always in doubt
        store.before["list", ""] = lambda: self.lock(store)
        with pytest.raises(Locked):
            await mirrored(static_catalog(site, items[:1]), prune=True)
        assert store.files(PREFIX) == before and len(before) == 2
        assert b"another" in store.objects[f"{PREFIX}.mlhub/lock"].body


@pytest.mark.parametrize("words", [("diff",), ("mirror", "-n")])
@pytest.mark.parametrize("dest", ["s3://bucket/a", "az://table/bucket/a", "gs://bucket/a"])
def test_what_is_not_offered_for_buckets_is_told(run_cli, site, words, dest):
    command, *more = words
    ran = run_cli(command, site.json("/c.json", {}), dest, *more)
    assert ran.code == 2 and "a directory only" in ran.err


class TestUploads:
    """Of a file in three parts, whose upload a killed run has left."""

    @pytest.fixture
    async def left(self, troubled, store, mirrored):
        site = await troubled.site()
        items = [stac_item("one", data=site.put("/x.tif", tif(LARGE), etag='"1"'))]
        store.fault("complete", "", "denied", 1)
        with pytest.raises(StorageError):
            await mirrored(items)
        assert len(store.uploads) == 1 and store.files(PREFIX) == {}
        store.operations.clear()
        site.log.clear()
        return site, items

    @pytest.mark.parametrize("store", ["s3", "azure"], indirect=True)
    async def test_it_is_continued_by_the_parts_that_prove_to_be_those(self, left, store, mirrored):
        site, items = left
        (upload,) = store.uploads.values()
        upload.parts[sorted(upload.parts)[1]] = b"other" * 1_700_000
        report = await mirrored(items)
        assert report.ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("part") == store.count("complete") == 1
        assert store.uploads == {} and sum(one.headers.get("range") is None for one in site.log) == 0

    @only("google")
    async def test_it_is_continued_behind_what_the_store_has(self, left, store, mirrored):
        site, items = left
        (session,) = store.uploads.values()
        session.body = session.body[: 5 << 20]
        report = await mirrored(items)
        assert report.ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("begin") == 0 and store.count("part") + store.count("complete") == 2
        assert store.uploads == {} and sum(one.headers.get("range") is None for one in site.log) == 0

    @only("google")
    async def test_one_whose_bytes_have_all_come_is_only_completed(self, left, store, mirrored):
        _, items = left
        (session,) = store.uploads.values()
        session.body = tif(LARGE)
        assert (await mirrored(items)).ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("part") == store.count("complete") == 0 and store.uploads == {}

    @only("google")
    async def test_one_whose_bytes_the_store_refuses_in_the_end_is_begun_anew(self, left, store, mirrored):
        _, items = left
        (session,) = store.uploads.values()
        session.body = bytes(len(session.body))
        assert (await mirrored(items)).ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("begin") == 1 and store.uploads == {}

    @only("google")
    async def test_one_that_was_begun_about_an_older_object_is_begun_anew(self, left, store, mirrored):
        _, items = left
        store.objects[f"{PREFIX}c1/one/data.tif"] = Stored(b"older", "1700000000000000")
        assert (await mirrored(items, if_exists="overwrite")).ok
        assert store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)} and store.uploads == {}

    @pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
    async def test_its_id_is_noted_for_its_owner_only(self, left, tmp_path):
        assert (tmp_path / "state/.mlhub/unfinished-uploads").stat().st_mode & 0o077 == 0

    @only("s3")
    async def test_one_whose_id_never_came_is_aborted(self, left, store, mirrored, tmp_path):
        """A run was killed while it asked for it. Another program's upload there stays."""
        _, items = left
        key, journal = f"{PREFIX}c1/one/data.tif", tmp_path / "state/.mlhub/unfinished-uploads"
        journal.write_text(json.dumps([key, "", "0" * 64]) + "\n")
        theirs = Upload(f"{PREFIX}theirs.tif", {})
        store.page_size = 1
        store.uploads = {"late": Upload(key, {}), "later": Upload(key, {}), "theirs": theirs}
        assert (await mirrored(items)).ok and store.uploads == {"theirs": theirs}

    @only("azure")
    async def test_blocks_of_other_programs_are_no_part_of_it(self, left, store, mirrored):
        _, items = left
        (blocks,) = store.uploads.values()
        for other in (b"x" * 46, b"\xff" * 46):
            blocks.parts[base64.b64encode(other).decode()] = b"theirs"
        assert (await mirrored(items)).ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("part") == 0

    @only("azure")
    async def test_blocks_of_other_programs_that_keep_ours_out_are_told(self, left, store, mirrored):
        _, items = left
        (blocks,) = store.uploads.values()
        blocks.parts = {base64.b64encode(b"another").decode(): b"theirs"}
        with pytest.raises(StorageError, match="InvalidBlobOrBlock"):
            await mirrored(items)

    async def test_the_digest_beside_the_object_is_that_of_its_bytes(self, left, store, mirrored):
        site, items = left
        body = tif(LARGE, 1)
        site.put("/x.tif", body, etag='"2"')
        assert (await mirrored(items)).ok
        stored = store.objects[f"{PREFIX}c1/one/data.tif"]
        assert stored.body == body
        assert stored.fields[store.digest_field] == hashlib.sha256(body).hexdigest()

    async def test_one_of_an_older_version_is_not_joined_to_the_present_one(self, left, store, mirrored):
        site, items = left
        site.put("/x.tif", tif(LARGE, 1), etag='"2"')
        assert (await mirrored(items)).ok and store.uploads == {}
        assert store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE, 1)}

    @pytest.mark.parametrize("store", ["s3", "google"], indirect=True)
    async def test_one_that_is_not_needed_is_aborted(self, left, store, mirrored):
        site, _ = left
        assert (await mirrored(publish(site, ["two"]))).ok
        assert store.uploads == {} and store.files(PREFIX).keys() == {"c1/two/data.tif"}

    async def test_one_that_the_store_has_forgotten_is_begun_anew(self, left, store, mirrored):
        _, items = left
        store.uploads.clear()
        assert (await mirrored(items)).ok and store.files(PREFIX) == {"c1/one/data.tif": tif(LARGE)}
        assert store.count("begin") == (store.dest[0] != "a") and store.uploads == {}


@pytest.mark.parametrize(
    ("source", "dest"),
    [
        ("s3://bucket/a", "s3://bucket/a"),
        ("s3://bucket/a/", "s3://bucket/a"),
        ("s3://bucket", "s3://bucket/a"),
        ("s3://bucket/a/sub", "s3://bucket/a"),
        ("s3://bucket/a", "s3://bucket/a/sub"),
        ("s3://bucket/a/catalog.json", "s3://bucket/a"),
        ("az://table/bucket/a", "abfs://bucket@table/a"),
        ("gs://bucket/a", "gs://bucket/a/sub"),
    ],
)
@only("s3")
async def test_a_bucket_is_not_mirrored_into_itself(store, mirrored, source, dest):
    with pytest.raises(UsageError, match="lie in each other"):
        await mirrored(source, dest)
    assert store.objects == {}


@pytest.mark.parametrize("store", ["s3", "azure"], indirect=True)
async def test_a_prefix_beside_the_source_is_no_part_of_it(store, mirrored):
    body = tif(300)
    store.objects["a/x.tif"] = Stored(body, '"1"')
    report = await mirrored(f"{store.dest}/a", f"{store.dest}/ab")
    assert report.ok and list(store.files("ab/").values()) == [body]


@only("s3")
async def test_the_files_of_a_lockfile_come_from_another_place(troubled, store, mirrored, dest, tmp_path):
    site = await troubled.site()
    catalogue = static_catalog(site, publish(site, ["one", "two"]))
    assert (await mirror(catalogue, dest, make_options(retry=AT_ONCE, allow_private=True))).ok
    locked = lock(dest, tmp_path / "data.lock")
    report = await mirrored(str(locked), from_source=catalogue)
    assert report.ok and sorted(store.files(PREFIX)) == ["c1/one/data.tif", "c1/two/data.tif"]
