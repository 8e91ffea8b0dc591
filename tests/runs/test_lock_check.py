"""`lock --check`: what has changed where the files of a lockfile come from, without fetching them."""

import base64
import gzip
import hashlib
import json

import pytest

from mlhub_async.core.errors import SourceError
from mlhub_async.core.options import Options, RetryPolicy
from mlhub_async.engine.planning.lock_check import Found, check_lockfile
from mlhub_async.engine.planning.lockfile import lock
from support.engine import run
from support.faults import Status
from support.object_stores import S3Bucket
from support.server import Headers, tif
from support.stac_server import stac_item, static_catalog

COUNT = 8


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def put(site, number, seed=None, **about):
    about = {"etag": f'"{number}-{seed}"', **about}
    return site.put(f"/{number}/a.tif", tif(2000 + number, number if seed is None else seed), **about)


@pytest.fixture
async def locked(site, dest, tmp_path):
    items = [stac_item(f"i{number}", a=put(site, number)) for number in range(COUNT)]
    assert (await run(static_catalog(site, items), dest)).ok
    site.log.clear()
    return lock(dest, tmp_path / "data.lock")


async def check(path, **options):
    others = []
    options = Options(retry=RetryPolicy(attempts=2, base=0), allow_private=True, **options)
    found = await check_lockfile(path, options, {}, others.append)
    assert found.found.total() == sum(1 for line in path.read_text().splitlines() if 'sha256":' in line) - 1
    return found, {one.row.item: one for one in others}


async def test_conditional_requests_say_that_nothing_has_changed(site, locked):
    found, others = await check(locked)
    assert (found.exit_code, others, found.received) == (0, {}, 0)
    assert found.decided == {"request": COUNT} and len(site.log) == COUNT
    assert all("if-none-match" in seen.headers for seen in site.log)


@pytest.mark.parametrize("name, value", [("size", 999), ("sha256", "0" * 64), ("path", "c1/i0/other.tif")])
async def test_a_lockfile_that_was_edited_is_refused_before_anything_is_asked_for(site, locked, name, value):
    header, *lines = map(json.loads, locked.read_text().splitlines())
    next(one for one in lines if "sha256" in one)[name] = value
    locked.write_text("".join(f"{json.dumps(one)}\n" for one in (header, *lines)))
    with pytest.raises(SourceError, match="manifest_sha256: it was changed"):
        await check(locked)
    assert site.log == []


@pytest.mark.parametrize("path", ["catalog.json", "Catalog.JSON", "catalog.json/a.tif"])
async def test_the_path_of_the_catalogue_itself_is_no_path_of_a_file(site, locked, tmp_path, path):
    header, *lines = map(json.loads, locked.read_text().splitlines())
    next(one for one in lines if "sha256" in one)["path"] = path
    locked.write_text("".join(f"{json.dumps(one)}\n" for one in (header, *lines)))
    with pytest.raises(SourceError, match="path that cannot be used"):
        await run(str(locked), tmp_path / "copy")
    assert site.log == []


async def test_each_kind_of_change_is_told(site, locked):
    del site.things["/0/a.tif"]
    site.put("/1/a.tif", tif(777), etag='"other"')
    put(site, 2, seed=90)
    put(site, 3, seed=3, etag='"other, same bytes"')
    put(site, 4, always=[Status(403)])
    put(site, 5, always=[Status(503)])
    digest = hashlib.sha256(tif(2006, 91)).digest()
    field = f"sha-256=:{base64.b64encode(digest).decode()}:"
    put(site, 6, seed=91, headers=[("Repr-Digest", field)])
    found, others = await check(locked)
    assert {item: one.found for item, one in others.items()} == {
        "i0": Found.GONE,
        "i1": Found.SIZE,
        "i2": Found.DIGEST,
        "i4": Found.REFUSED,
        "i5": Found.FAILED,
        "i6": Found.DIGEST,
    }
    assert others["i1"].why == "777 bytes, not 2001" and others["i6"].by == "head"
    assert found.exit_code == 4 and found.decided == {"request": 1, "body": 1}
    assert found.received == len(tif(2002)) + len(tif(2003))


async def test_what_may_be_told_later_is_exit_code_5(site, locked):
    put(site, 5, always=[Status(503)])
    found, others = await check(locked)
    assert found.exit_code == 5 and [*others] == ["i5"]


async def test_without_validators_the_bytes_decide(site, dest, tmp_path):
    items = [stac_item(f"i{number}", a=put(site, number, etag=None)) for number in range(2)]
    await run(static_catalog(site, items), dest)
    path = lock(dest, tmp_path / "data.lock")
    site.put("/1/a.tif", tif(2001, 55))
    found, others = await check(path)
    assert found.decided == {"body": 1} and others["i1"].found is Found.DIGEST


async def test_a_compressed_file_labelled_as_compressed_is_compared_as_it_is(site, dest, tmp_path):
    packed, label = gzip.compress(tif(2000)), [Headers((("Content-Encoding", "x-gzip"),))]
    items = [stac_item("i", a=site.put("/a.tif.gz", packed, etag=None, always=label))]
    await run(static_catalog(site, items), dest)
    path = lock(dest, tmp_path / "data.lock")
    found, others = await check(path)
    assert (found.exit_code, found.decided, others) == (0, {"body": 1}, {})


async def test_the_listing_of_a_store_answers_without_a_request_for_a_file(site, dest, tmp_path):
    bucket = S3Bucket(site, "bucket", {f"x{number}/a.tif": tif(700, number) for number in range(4)})
    assert (await run("s3://bucket", dest, endpoint_url=bucket.url)).ok
    path = lock(dest, tmp_path / "data.lock")
    bucket.put("x2/a.tif", tif(700, 55))
    bucket.put("x3/a.tif", tif(701, 3))
    site.log.clear()
    found, others = await check(path, from_source="s3://bucket", endpoint_url=bucket.url)
    assert found.decided == {"listing": 2}
    assert {item: one.found for item, one in others.items()} == {"x2": Found.DIGEST, "x3": Found.SIZE}
    assert {seen.path for seen in site.log if seen.path.endswith(".tif")} == {"/bucket/x2/a.tif"}


async def test_published_digests_of_a_catalogue_answer_too(site, troubled, locked):
    other = await troubled.site()
    items = []
    for number in range(COUNT):
        one = stac_item(f"i{number}", a=other.url(f"/{number}"))
        digest = hashlib.sha256(tif(2000 + number, 99 if number == 3 else number)).hexdigest()
        one["assets"]["a"]["file:checksum"] = f"1220{digest}"
        items.append(one)
    found, others = await check(locked, from_source=static_catalog(other, items))
    assert found.decided == {"listing": COUNT - 1} and found.received == 0 and site.log == []
    assert (others["i3"].found, others["i3"].by) == (Found.DIGEST, "listing")


async def test_what_is_not_at_its_address_may_be_at_another_one_of_the_catalogue(site, locked):
    rows = [json.loads(line) for line in locked.read_text().splitlines()]
    row = next(row for row in rows if row.get("item") == "i0" and "sha256" in row)
    row["alternates"] = [site.put("/copy/a.tif", tif(2000, 0))]
    locked.write_text("\n".join(map(json.dumps, rows)) + "\n")
    del site.things["/0/a.tif"]
    found, _ = await check(locked)
    assert found.exit_code == 0 and found.decided == {"request": COUNT - 1, "body": 1}


async def test_a_lockfile_that_was_cut_is_refused_before_anything_is_asked(site, locked):
    locked.write_text(locked.read_text().rpartition("\n{")[0] + "\n")
    with pytest.raises(SourceError, match="7 of its 8 files"):
        await check(locked)
    assert site.log == []
