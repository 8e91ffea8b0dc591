"""References: files come from another mirror, when they are proven, and else from their origin."""

import asyncio
import contextlib
import hashlib
import json
import os
import shutil

import pytest

from mlhub_async import RetryPolicy, UsageError, lock, mirror
from mlhub_async.core.errors import ReferenceWarning
from support.engine import make_options, run
from support.faults import Cut, Gzip, HangUp, Stall, Status, html, redirect
from support.mirrored import Mirrored
from support.mounts import formatted
from support.object_stores import S3Bucket
from support.s3_server import S3Server
from support.served import served
from support.server import tif
from support.stac_server import stac_item, static_catalog

COUNT = 5


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def items_at(site, count=COUNT, *, digests=True):
    found = []
    for number in range(count):
        body = tif(3000 + number, number)
        one = stac_item(f"i{number}", a=site.put(f"/{number}/a.tif", body))
        if digests:
            one["assets"]["a"]["file:checksum"] = f"1220{hashlib.sha256(body).hexdigest()}"
        found.append(one)
    return found


@pytest.fixture
async def reference(site, tmp_path):
    """A mirror of the items."""
    root = tmp_path / "reference"
    assert (await run(static_catalog(site, items_at(site)), root)).exit_code == 0
    return root


def asked(site):
    """How often each asset was asked for."""
    return [seen for seen in site.log if seen.path.endswith(".tif")]


@contextlib.asynccontextmanager
async def as_given(root, how):
    """What --reference is given: the directory itself, or its address at a server."""
    if how == "directory":
        yield str(root)
    else:
        async with served(root) as site:
            yield site.url


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_files_with_a_published_digest_come_from_the_reference_alone(site, reference, dest, how):
    site.log.clear()
    async with as_given(reference, how) as given:
        report = await run(static_catalog(site, items_at(site)), dest, references=[given])
    assert report.exit_code == 0 and asked(site) == []
    assert Mirrored(dest).files == Mirrored(reference).files
    assert Mirrored(dest).receipt["manifest_sha256"] == Mirrored(reference).receipt["manifest_sha256"]
    size = sum(map(len, (tif(3000 + number, number) for number in range(COUNT))))
    size = sum(len(one) for one in Mirrored(dest).files.values())
    named = given if how == "directory" else f"{given}/"
    assert Mirrored(dest).receipt["references"] == {named: {"files": COUNT, "bytes": size}}
    assert report.proofs == {"checksum": COUNT} and Mirrored(dest).partial == []
    assert report.received == (0 if how == "directory" else size)


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_a_second_run_asks_neither_reference_nor_origin(site, reference, dest, how):
    source = static_catalog(site, items_at(site))
    async with as_given(reference, how) as given:
        await run(source, dest, references=[given])
        report = await run(source, dest, references=[given])
    assert (report.exit_code, report.skipped, report.received) == (0, COUNT, 0)
    assert asked(site)[COUNT:] == []


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_without_a_published_digest_the_origin_says_whether_its_version_is_the_recorded_one(
    site, dest, tmp_path, how
):
    def published():
        found = [stac_item(f"i{n}", a=site.put(f"/{n}/a.tif", tif(900, n), etag=f'"{n}"')) for n in range(3)]
        return static_catalog(site, found)

    await run(published(), tmp_path / "reference")
    source = published()
    site.put("/1/a.tif", tif(900, 77), etag='"new"')
    site.log.clear()
    sent = []
    site.answered = lambda seen, reply: sent.append((reply.status, len(reply.body)))
    async with as_given(tmp_path / "reference", how) as given:
        report = await run(source, dest, references=[given])
    assert report.exit_code == 0 and report.proofs == {"size": 3}
    assert Mirrored(dest).bytes_of("i1", "a") == tif(900, 77)
    assert Mirrored(dest).bytes_of("i2", "a") == tif(900, 2)
    assert len(asked(site)) == 3 and sorted(sent)[-2:] == [(304, 0), (304, 0)]
    (counts,) = Mirrored(dest).receipt["references"].values()
    assert counts == {"files": 2, "bytes": 1800}
    again = await run(source, dest, if_exists="refresh")
    assert (again.exit_code, again.skipped) == (0, 3)


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_hrefs_that_are_others_each_time_are_confirmed_where_they_lead_to_the_recorded_url(
    site, troubled, dest, tmp_path, how
):
    other = await troubled.site()

    def published(run, to):
        there = to.put("/there.tif", tif(900, 1), etag='"1"')
        one = stac_item("i", a=site.redirect(f"/minted/{run}", f"{there}?X-Amz-Signature={run}"))
        return static_catalog(site, [one])

    await run(published(1, site), tmp_path / "reference")
    source = published(2, site)
    site.log.clear()
    async with as_given(tmp_path / "reference", how) as given:
        report = await run(source, dest, references=[given])
        assert report.exit_code == 0 and report.references[report_name(given, how)].files == 1
        assert [seen.headers.get("if-none-match") for seen in asked(site)] == ['"1"']
        elsewhere = await run(published(3, other), tmp_path / "third", references=[given])
    assert elsewhere.exit_code == 0 and not elsewhere.references
    assert [seen.headers.get("if-none-match") for seen in asked(other)] == ['"1"', None]


def report_name(given, how):
    return given if how == "directory" else f"{given}/"


async def test_a_validator_in_the_listing_of_a_store_needs_no_request_for_the_file(site, dest, tmp_path):
    bucket = S3Bucket(site, "bucket", {f"x/{n}.tif": tif(700, n) for n in range(3)})
    about = {"endpoint_url": bucket.url}
    assert (await run("s3://bucket", tmp_path / "reference", **about)).exit_code == 0
    bucket.put("x/2.tif", tif(700, 55))
    site.log.clear()
    report = await run("s3://bucket", dest, references=[tmp_path / "reference"], **about)
    assert report.exit_code == 0 and [seen.path for seen in asked(site)] == ["/bucket/x/2.tif"]
    (counts,) = Mirrored(dest).receipt["references"].values()
    assert counts == {"files": 2, "bytes": 1400}
    assert sorted(Mirrored(dest).files.values()) == sorted(bucket.objects.values())


def sha256_of(body):
    return hashlib.sha256(body).hexdigest()


def serves(other, files):
    """Let a site answer as `serve` does, with these bodies by their digests."""
    other.json("/.mlhub/lookup", {"mlhub-async-lookup": 1})
    for sha256, about in files.items():
        other.put(f"/.mlhub/sha-256/{sha256}", **about)


BODY = tif(3000, 0)
LIES = {
    "wrong bytes": {"body": tif(3000, 99)},
    "more bytes": {"body": BODY + b"x"},
    "fewer bytes": {"body": BODY[:-1]},
    "cut": {"body": BODY, "always": [Cut(after=100)]},
    "an error": {"body": BODY, "always": [Status(500)]},
    "forbidden": {"body": BODY, "always": [Status(403)]},
    "asks to wait": {"body": BODY, "always": [Status(503, retry_after=900)]},
    "an error page": {"body": BODY, "always": [html()]},
    "a circle": {"always": [redirect("/.mlhub/sha-256/" + sha256_of(BODY))]},
    "hangs up": {"always": [HangUp()]},
    "a coding": {"body": BODY, "always": [Gzip()]},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_reference_that_fails_is_told_and_the_origin_is_asked(site, troubled, dest, lie):
    other = await troubled.site()
    serves(other, {sha256_of(BODY): LIES[lie]})
    source = static_catalog(site, items_at(site, 1))
    with pytest.warns(ReferenceWarning, match="the origins are asked instead") as told:
        report = await run(source, dest, references=[other.origin])
    assert len([one for one in told if one.category is ReferenceWarning]) == 1
    assert report.exit_code == 0 and Mirrored(dest).bytes_of("i0", "a") == BODY
    ((name, counts),) = Mirrored(dest).receipt["references"].items()
    assert name == f"{other.origin}/" and counts["files"] == 0 and sum(counts["failed"].values()) == 1
    assert Mirrored(dest).partial == [] and report.fetched_via == {}


async def test_a_slow_reference_costs_its_timeout_and_no_more(site, troubled, dest):
    other = await troubled.site()
    serves(other, {sha256_of(BODY): {"body": BODY, "always": [Stall(after=100)]}})
    with pytest.warns(ReferenceWarning):
        report = await run(
            static_catalog(site, items_at(site, 1)), dest, references=[other.origin], timeout=0.2
        )
    assert report.exit_code == 0 and len(asked(site)) == 1


async def test_a_reference_that_nobody_answers_at_is_asked_no_more(site, troubled, dest):
    other = await troubled.site()
    await other.stop()
    with pytest.warns(ReferenceWarning) as told:
        report = await run(static_catalog(site, items_at(site, 20)), dest, references=[other.origin])
    assert report.exit_code == 0 and len(asked(site)) == 20
    lines = [str(one.message) for one in told if one.category is ReferenceWarning]
    assert len(lines) == 1 and "the origins are asked instead" in lines[0]


async def test_a_reference_that_lies_again_and_again_is_asked_no_more(site, troubled, dest):
    other = await troubled.site()
    items = items_at(site, 40)
    digests = [one["assets"]["a"]["file:checksum"][4:] for one in items]
    serves(other, {sha256: {"body": b"lies"} for sha256 in digests})
    with pytest.warns(ReferenceWarning) as told:
        report = await run(static_catalog(site, items), dest, references=[other.origin], concurrency=1)
    assert report.exit_code == 0 and len(asked(other)) == 0
    assert len([seen for seen in other.log if "sha-256" in seen.path]) == 3
    assert len([one for one in told if one.category is ReferenceWarning]) == 2


async def test_the_next_reference_has_what_the_first_one_lacks(site, reference, troubled, dest):
    other = await troubled.site()
    serves(other, {sha256_of(BODY): {"body": b"lies"}})
    site.log.clear()
    with pytest.warns(ReferenceWarning):
        report = await run(static_catalog(site, items_at(site)), dest, references=[other.origin, reference])
    assert report.exit_code == 0 and asked(site) == []
    assert Mirrored(dest).receipt["references"] == {str(reference): {"files": COUNT, "bytes": report.bytes}}


async def test_any_server_of_the_files_has_them_at_their_paths(site, reference, troubled, dest):
    other = await troubled.site()
    for path, body in Mirrored(reference).files.items():
        other.put(f"/mirrors/one/{path}", body)
    site.log.clear()
    given = other.url("/mirrors/one/catalog.json")
    report = await run(static_catalog(site, items_at(site)), dest, references=[given])
    assert report.exit_code == 0 and asked(site) == []
    assert [*Mirrored(dest).receipt["references"]] == [other.url("/mirrors/one/")]


async def test_digests_of_other_algorithms_are_compared_too(site, dest, tmp_path):
    def published(seed=0):
        one = stac_item("i", a=site.put("/a.tif", tif(500, seed)))
        one["assets"]["a"]["file:checksum"] = f"d50110{hashlib.md5(tif(500, seed)).hexdigest()}"
        return static_catalog(site, [one])

    await run(published(), tmp_path / "reference")
    site.log.clear()
    assert (await run(published(), dest, references=[tmp_path / "reference"])).exit_code == 0
    assert asked(site) == []
    with pytest.warns(ReferenceWarning, match="other bytes"):
        report = await run(published(5), tmp_path / "third", references=[tmp_path / "reference"])
    assert report.exit_code == 0 and Mirrored(tmp_path / "third").bytes_of("i", "a") == tif(500, 5)


async def test_files_that_were_changed_in_the_reference_are_not_taken(site, reference, dest):
    first, second = (reference / f"c1/i{number}/a.tif" for number in (0, 1))
    first.write_bytes(tif(3000, 66))
    second.unlink()
    with pytest.warns(ReferenceWarning) as told:
        report = await run(static_catalog(site, items_at(site)), dest, references=[reference])
    assert report.exit_code == 0 and Mirrored(dest).bytes_of("i0", "a") == BODY
    ((_, counts),) = Mirrored(dest).receipt["references"].items()
    assert counts["files"] == COUNT - 2 and counts["failed"] == {"wrong-bytes": 1, "not-found": 1}
    assert len([one for one in told if one.category is ReferenceWarning]) == 2


async def test_large_files_are_copied_whole(site, dest, tmp_path):
    body = tif(3_000_000, 3)

    def published():
        one = stac_item("big", a=site.put("/a.tif", body, etag='"1"'))
        one["assets"]["a"]["file:checksum"] = f"1220{sha256_of(body)}"
        return static_catalog(site, [one])

    await run(published(), tmp_path / "reference")
    source = published()
    site.log.clear()
    for name, how in {"copy": "directory", "another": "served"}.items():
        async with as_given(tmp_path / "reference", how) as given:
            report = await run(source, tmp_path / name, references=[given], verify="deep")
        assert report.exit_code == 0 and Mirrored(tmp_path / name).bytes_of("big", "a") == body
        assert Mirrored(tmp_path / name).partial == []
    assert asked(site) == []
    copy = tmp_path / "copy/c1/big/a.tif"
    assert copy.stat().st_ino != (tmp_path / "reference/c1/big/a.tif").stat().st_ino


async def test_bytes_that_an_earlier_run_left_are_kept_until_the_file_is_there(site, dest, tmp_path):
    body = tif(3_000_000, 3)

    def published(**about):
        one = stac_item("big", a=site.put("/a.tif", body, etag='"1"', **about))
        one["assets"]["a"]["file:checksum"] = f"1220{sha256_of(body)}"
        return static_catalog(site, [one])

    await run(published(), tmp_path / "reference")
    once = RetryPolicy(attempts=1)
    await run(published(faults=[Cut(after=2_000_000)]), dest, retry=once)
    assert Mirrored(dest).proven_bytes > 1_000_000
    site.log.clear()
    report = await run(published(), dest, references=[tmp_path / "reference"])
    assert report.exit_code == 0 and asked(site) == []
    assert Mirrored(dest).partial == [] and Mirrored(dest).bytes_of("big", "a") == body


async def test_dest_is_no_reference_of_itself(site, dest):
    with pytest.warns(ReferenceWarning, match="is DEST itself"):
        report = await run(static_catalog(site, items_at(site)), dest, references=[dest])
    assert report.exit_code == 0 and "references" not in Mirrored(dest).receipt


async def test_a_folder_without_a_mirror_is_told(site, dest, tmp_path):
    with pytest.warns(ReferenceWarning, match=r"no mirror at .*/nothing"):
        report = await run(static_catalog(site, items_at(site)), dest, references=[tmp_path / "nothing"])
    assert report.exit_code == 0 and len(asked(site)) == COUNT


@pytest.mark.parametrize("given", ["s3://bucket/x", "ftp://h.test/", "http://h.test/?x=1", "https://"])
async def test_what_cannot_be_a_reference_is_refused_before_anything_is_asked(site, dest, given):
    with pytest.raises(UsageError, match="--reference"):
        await run(static_catalog(site, items_at(site)), dest, references=[given])
    assert site.log == [] and not dest.exists()


async def test_an_asset_that_the_origin_does_not_have_any_more_fails_where_nothing_proves_the_copy(
    site, dest, tmp_path
):
    item = stac_item("i", a=site.put("/a.tif", tif(500), etag='"1"'))
    await run(static_catalog(site, [item]), tmp_path / "reference")
    source = static_catalog(site, [item])
    del site.things["/a.tif"]
    report = await run(source, dest, references=[tmp_path / "reference"])
    assert report.exit_code == 4 and Mirrored(dest).failed == {"i": "not-found"}


async def test_a_lockfile_whose_origin_is_gone_comes_from_a_reference(site, reference, dest, tmp_path):
    locked = lock(reference, tmp_path / "data.lock")
    site.things.clear()
    site.log.clear()
    report = await run(locked, dest, references=[reference])
    assert report.exit_code == 0 and site.log == []
    assert report.manifest_sha256 == Mirrored(reference).receipt["manifest_sha256"]


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_worker_processes_use_the_references(site, reference, dest, how):
    site.log.clear()
    async with as_given(reference, how) as given:
        report = await run(static_catalog(site, items_at(site)), dest, references=[given], processes=2)
    assert report.exit_code == 0 and asked(site) == []
    (counts,) = Mirrored(dest).receipt["references"].values()
    assert counts["files"] == COUNT


async def test_what_workers_say_of_a_reference_is_one_line_of_the_run(site, run_cli):
    (run_cli.home / "none").mkdir()
    words = ("--reference", "none", "--processes", "2", "--allow-private")
    source = static_catalog(site, items_at(site))
    ended = await asyncio.to_thread(run_cli, "mirror", source, "copy", *words)
    assert ended.code == 0 and ended.err.count("no mirror at none") == 1
    assert "mlhub-async: warning: reference none" in ended.err and "ReferenceWarning" not in ended.err


async def test_keys_for_the_source_are_not_sent_to_references(site, troubled, dest):
    other = await troubled.site()
    serves(other, {sha256_of(BODY): {"body": BODY}})
    about = {"headers": {"X-Key": "s3cret", f"{other.origin} X-Own": "mine"}, "api_key": "k3y"}
    report = await run(static_catalog(site, items_at(site, 1)), dest, references=[other.origin], **about)
    assert report.exit_code == 0 and asked(site) == []
    fields = [seen.headers for seen in other.log]
    assert all("x-key" not in one and "k3y" not in json.dumps(one) for one in fields)
    assert {one.get("x-own") for one in fields} == {"mine"}


@pytest.mark.parametrize("source", ["lockfile", "catalogue"])
async def test_ten_copies_ask_the_origin_for_no_file(site, reference, tmp_path, source):
    documents = [seen.path for seen in site.log if not seen.path.endswith(".tif")]
    given = static_catalog(site, items_at(site))
    if source == "lockfile":
        given = lock(reference, tmp_path / "data.lock")
    site.log.clear()
    async with served(reference) as other:
        for number in range(10):
            report = await run(given, tmp_path / f"copy{number}", references=[other.url])
            assert report.exit_code == 0 and report.references[f"{other.url}/"].files == COUNT
            assert Mirrored(tmp_path / f"copy{number}").files == Mirrored(reference).files
    assert asked(site) == []
    assert len(site.log) == (0 if source == "lockfile" else 10 * len(documents))


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
async def test_where_the_file_system_can_large_files_share_their_blocks(site, tmp_path, kind):
    body = tif(30 << 20, 3)
    one = stac_item("big", a=site.put("/a.tif", body))
    one["assets"]["a"]["file:checksum"] = f"1220{sha256_of(body)}"
    source = static_catalog(site, [one])
    with formatted(tmp_path / "disk", kind) as disk:
        assert (await run(source, disk / "first")).exit_code == 0
        os.sync()
        used = shutil.disk_usage(disk).used
        report = await run(source, disk / "second", references=[disk / "first"])
        os.sync()
        assert report.exit_code == 0 and shutil.disk_usage(disk).used - used < 5 << 20
        assert Mirrored(disk / "second").files == Mirrored(disk / "first").files
        os.truncate(disk / "first/c1/big/a.tif", 7)
        assert Mirrored(disk / "second").bytes_of("big", "a") == body


async def test_a_bucket_is_filled_from_a_reference(site, reference, tmp_path):
    site.log.clear()
    with S3Server() as s3:
        about = {"endpoint_url": s3.url, "state": str(tmp_path / "state"), "references": [reference]}
        options = make_options(retry=RetryPolicy(attempts=1), allow_private=True, **about)
        report = await mirror(static_catalog(site, items_at(site)), "s3://bucket/a", options, environ={})
        assert report.exit_code == 0 and s3.files("a/") == Mirrored(reference).files
    assert asked(site) == []


@pytest.mark.parametrize("how", ["directory", "served"])
async def test_a_suffix_that_only_a_redirect_tells_is_that_of_the_reference(site, dest, tmp_path, how):
    one = stac_item("i", a=site.redirect("/plain", site.put("/there.tif", tif(900, 1))))
    one["assets"]["a"]["file:checksum"] = f"1220{sha256_of(tif(900, 1))}"
    source = static_catalog(site, [one])
    await run(source, tmp_path / "reference")
    site.log.clear()
    async with as_given(tmp_path / "reference", how) as given:
        report = await run(source, dest, references=[given])
    assert report.exit_code == 0 and asked(site) == []
    assert [*Mirrored(dest).files] == [*Mirrored(tmp_path / "reference").files] == ["c1/i/a.tif"]


async def test_what_is_in_the_way_in_dest_is_no_fault_of_the_reference(site, reference, dest):
    (dest / "c1/i0/a.tif/inner").mkdir(parents=True)
    report = await run(static_catalog(site, items_at(site)), dest, references=[reference])
    assert report.exit_code == 4 and Mirrored(dest).failed == {"i0": "path"}
    assert report.references[str(reference)].files == COUNT - 1
    assert not report.references[str(reference)].failed


async def test_a_reference_that_refuses_our_header_does_not_end_the_run(site, troubled, dest):
    other = await troubled.site()
    items = items_at(site, 40)
    digests = [one["assets"]["a"]["file:checksum"][4:] for one in items]
    serves(other, {sha256: {"always": [Status(401)]} for sha256 in digests})
    with pytest.warns(ReferenceWarning):
        report = await run(
            static_catalog(site, items),
            dest,
            references=[other.origin],
            headers={f"{other.origin} Authorization": "wrong"},
        )
    assert report.exit_code == 0 and len(asked(site)) == 40
