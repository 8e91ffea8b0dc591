"""`--split` over an object store: slices of folders beside each other, with the same items and manifest."""

import pytest

from support.mirrored import Mirrored
from support.object_stores import AzureContainer, GoogleBucket, S3Bucket
from support.wire_format import Reply

STORES = {
    "s3": (S3Bucket, "bucket", "s3://bucket/"),
    "gs": (GoogleBucket, "bucket", "gs://bucket/"),
    "az": (AzureContainer, "account/files", "az://account/files/"),
}
HOSTILE = (
    "a//b.bin",
    "../x.bin",
    "\u00e9/\u00fc.bin",
    "%41.bin",
    "q?x#y;z.bin",
    "s1-/x.bin",
    "s1.~.bin",
    "s1.bin",
    "s1~/y",
)


def objects(scenes=40, files=6):
    found = {
        f"data/s{n}/B{band}.bin": f"{n} {band}".encode() * 9 for n in range(scenes) for band in range(files)
    }
    odd = {f"data/{key}": f"{number} {key}".encode() * 9 for number, key in enumerate(HOSTILE)}
    return {**found, **odd, "data/s3/": b"", "data/readme.txt": b"about", "data_old/z.bin": b"z"}


def mirror(run_cli, bucket, source, dest, *words):
    return run_cli("mirror", source, dest, "--endpoint-url", bucket.url, *words)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("group_by", ["folder", "stem", "none"])
def test_slices_give_the_items_of_the_whole(site, run_cli, dest, tmp_path, store, group_by):
    kind, name, root = STORES[store]
    bucket = kind(site, name, objects(), page_size=50)
    whole = mirror(run_cli, bucket, f"{root}data", tmp_path / "whole", "--group-by", group_by)
    ran = mirror(run_cli, bucket, f"{root}data", dest, "--group-by", group_by, "--split", "4")
    assert whole.code == ran.code == 0, ran.err
    first, second = Mirrored(tmp_path / "whole"), Mirrored(dest)
    second.check(0)
    assert second.files == first.files and len(first.files) == len(objects()) - 2
    for member in ("manifest_sha256", "assets", "bytes"):
        assert first.receipt[member] == second.receipt[member]
    assert second.receipt["listing"]["unique"] == first.receipt["listing"]["unique"]
    assert second.receipt["listing"]["complete"]
    split = second.receipt["listing"]["split"]
    assert (split["parts"] != {}) == (store != "az") and (split["whole"] != []) == (store == "az")
    again = mirror(run_cli, bucket, f"{root}data", dest, "--group-by", group_by, "--split", "3")
    assert again.code == 0 and "0 fetched" in again.err


def test_folders_of_azure_are_listed_one_by_one_where_they_are_large(site, run_cli, dest, monkeypatch):
    bucket = AzureContainer(site, "account/files", objects(6, 30), page_size=50)
    ran = mirror(run_cli, bucket, "az://account/files/data", dest, "--split", "64")
    assert ran.code == 0 and "too few files for a request each" in ran.err, ran.err


def test_the_deepest_folders_are_cut_where_there_are_few_above(site, run_cli, dest):
    deep = {f"a/b/c{top}/s{n}/{k}.bin": b"x%d" % n for top in range(2) for n in range(20) for k in range(4)}
    bucket = S3Bucket(site, "bucket", deep, page_size=50)
    ran = mirror(run_cli, bucket, "s3://bucket", dest, "--split", "4")
    assert ran.code == 0 and len(Mirrored(dest).files) == len(deep), ran.err
    assert Mirrored(dest).receipt["listing"]["split"]["parts"]["s3://bucket/"] > 4


@pytest.mark.parametrize("store", ["s3", "gs"])
def test_keys_that_come_while_it_is_listed_are_neither_doubled_nor_hide_others(site, run_cli, dest, store):
    kind, name, root = STORES[store]
    bucket = kind(site, name, objects(), page_size=50)
    before, whole = set(bucket.objects), bucket.answer

    def grows(seen):
        reply = whole(seen)
        number = len(bucket.objects)
        for folder in ("s0", f"s{number % 40}", f"t{number}", "s39"):
            bucket.put(f"data/{folder}/new{number}.bin", b"new %d" % number * 9)
        return reply

    site.route(bucket.listing_path, grows)
    ran = mirror(run_cli, bucket, f"{root}data", dest, "--split", "4")
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    listing = mirrored.receipt["listing"]
    assert listing["seen"] == listing["unique"] and listing["repeated"] == 0
    bodies = list(mirrored.files.values())
    kept = [bucket.objects[key] for key in before if key.startswith("data/") and bucket.objects[key]]
    assert not [body for body in kept if bodies.count(body) != kept.count(body)]
    assert len(bodies) == mirrored.receipt["assets"]["selected"]


@pytest.mark.parametrize(("status", "code"), [(404, 4), (503, 5)])
def test_a_slice_that_breaks_off_leaves_the_listing_incomplete(site, run_cli, dest, status, code):
    bucket = S3Bucket(site, "bucket", objects(), page_size=50)
    whole, slices = bucket.answer, []

    def breaks(seen):
        if "start-after" in seen.query:
            slices.append(seen.query)
        return Reply(status, [], b"") if slices[2:] and seen.query == slices[2] else whole(seen)

    site.route("/bucket", breaks)
    ran = mirror(run_cli, bucket, "s3://bucket/data", dest, "--split", "4", "-R", "0")
    assert ran.code == code and "the listing broke off" in ran.err, ran.err
    assert not Mirrored(dest).receipt["listing"]["complete"]


def test_a_store_that_does_not_start_where_it_is_asked_to_gives_the_same(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", objects(), page_size=50)
    page = bucket.page
    bucket.page = lambda prefix, token, delimiter="", after="": page(prefix, token, delimiter)
    ran = mirror(run_cli, bucket, "s3://bucket/data", dest, "--split", "4")
    assert ran.code == 0 and len(Mirrored(dest).files) == len(objects()) - 2, ran.err
    bucket.page = lambda prefix, token, delimiter="", after="": page(prefix, token)
    ran = mirror(run_cli, bucket, "s3://bucket/data", dest, "--split", "4")
    assert ran.code == 0 and "0 fetched" in ran.err, ran.err


def test_a_store_without_order_is_not_cut(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", objects(), page_size=50)
    page = bucket.page

    def shuffled(*given):
        keys, folders, token = page(*given)
        return (keys[::-1] if len(given) > 3 and given[3] else keys), folders, token

    bucket.page = shuffled
    ran = mirror(run_cli, bucket, "s3://bucket/data", dest, "--split", "2")
    assert ran.code == 4 and "in no order: leave --split out" in ran.err, ran.err


@pytest.mark.parametrize(
    ("source", "words", "told"),
    [
        ("s3://bucket/data_old", (), "it has but one page"),
        ("s3://bucket/data", ("--max-items", "2"), "--max-items takes a part"),
        ("s3://bucket/data/*/B1.bin", (), "a glob or --max-items"),
    ],
)
def test_what_is_listed_as_a_whole_says_why(site, run_cli, dest, source, words, told):
    bucket = S3Bucket(site, "bucket", objects(), page_size=50)
    ran = mirror(run_cli, bucket, source, dest, "--split", "4", *words)
    assert ran.code == 0 and "--split: listed as a whole, s3://bucket/data" in ran.err and told in ran.err, (
        ran.err
    )


def test_what_is_not_there_is_told_as_without_it(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", objects(), page_size=50)
    site.put("/missing", status=404)
    for source, told in (("s3://bucket/nothing", "no file there"), ("s3://missing/x", "no such bucket")):
        ran = mirror(run_cli, bucket, source, dest, "--split", "4")
        assert (ran.code, told in ran.err) == (3, True), ran.err


@pytest.mark.parametrize("store", ["s3", "gs"])
@pytest.mark.parametrize("left_out", [0, 1, 2])
@pytest.mark.parametrize("scenes", [40, 5])
def test_folders_that_a_level_does_not_name_are_listed(site, run_cli, dest, store, left_out, scenes):
    """Ceph and versitygw left out some of the common prefixes of a listing with a delimiter."""
    kind, name, root = STORES[store]
    bucket = kind(site, name, objects(scenes, 60), page_size=50)
    page = bucket.page

    def lacks(prefix, token, delimiter="", after=""):
        keys, folders, following = page(prefix, token, delimiter, after)
        return keys, [one for at, one in enumerate(folders) if at % 3 != left_out], following

    bucket.page = lacks
    ran = mirror(run_cli, bucket, f"{root}data", dest, "--split", "4")
    mirrored = Mirrored(dest)
    assert ran.code == 0 and len(mirrored.files) == len(bucket.objects) - 2, ran.err
    assert mirrored.receipt["listing"]["split"]["parts"]


def test_folders_in_no_order_are_refused(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", objects(130), page_size=50)
    page = bucket.page

    def turned(prefix, token, delimiter="", after=""):
        keys, folders, following = page(prefix, token, delimiter, after)
        return keys, ["data/a/" if token and delimiter else one for one in folders], following

    bucket.page = turned
    ran = mirror(run_cli, bucket, "s3://bucket/data", dest, "--split", "4")
    assert ran.code == 4 and "in no order" in ran.err, ran.err
