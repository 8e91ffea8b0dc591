"""Prefixes of object stores as SOURCE: every key listed, safely named, fetched once, and what is refused."""

import gzip
import json
import re
from dataclasses import replace
from urllib.parse import parse_qs, quote

import pytest

from support.mirrored import Mirrored
from support.object_stores import AzureContainer, GoogleBucket, S3Bucket
from support.server import tif
from support.stac_server import stac_collection, stac_item
from support.wire_format import Reply

HOSTILE = (
    "a//b.bin",
    "../x.bin",
    "é/ü.bin",
    "%41.bin",
    "with space+plus.bin",
    "q?x#y;z.bin",
    "A.bin",
    "a.bin",
)


def stored(prefix="data/"):
    found = {f"{prefix}{key}": f"{number} {key}".encode() * 20 for number, key in enumerate(HOSTILE)}
    scenes = {f"{prefix}s{n}/B0{band}.tif": tif(300, 10 * n + band) for n in (1, 2) for band in (2, 3)}
    return {**found, **scenes, f"{prefix}dir/": b"", "data_old/z.bin": b"z"}


STORES = {
    "s3": (S3Bucket, "bucket", "s3://bucket/data"),
    "gs": (GoogleBucket, "bucket", "gs://bucket/data"),
    "az": (AzureContainer, "account/files", "az://account/files/data"),
    "abfs": (AzureContainer, "account/files", "abfs://files@account.dfs.core.windows.net/data"),
}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("group_by", ["folder", "stem", "none"])
def test_every_key_is_mirrored_once_under_a_safe_name(site, run_cli, dest, store, group_by):
    kind, name, source = STORES[store]
    bucket = kind(site, name, stored(), page_size=5)
    words = ("--endpoint-url", bucket.url, "--group-by", group_by)
    ran = run_cli("mirror", source, dest, *words)
    assert ran.code == 0, ran.err
    mirrored = Mirrored(dest)
    mirrored.check(0)
    wanted = [body for key, body in bucket.objects.items() if key.startswith("data/") and body]
    assert sorted(mirrored.files.values()) == sorted(wanted)
    assert {path.name for path in dest.iterdir()} == {".mlhub", "catalog.json", "data"}
    before = len(site.log)
    again = run_cli("mirror", source, dest, *words)
    assert again.code == 0 and "0 fetched, 12 already there" in again.err
    asked = {seen.path for seen in site.log[before:]}
    assert not {path for path in asked if path.endswith((".bin", ".tif"))}


def test_a_folder_is_one_item_whose_assets_have_the_names_of_the_files(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored())
    assert run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url).code == 0
    item = json.loads((dest / "data/s1/s1.json").read_text())
    assert item["id"] == "s1" and item["collection"] == "data" and item["geometry"] is None
    assert item["properties"]["datetime"].startswith("2024-05-06T07:08:09")
    assert item["assets"]["B02.tif"]["href"] == "./B02.tif"
    assert item["assets"]["B02.tif"]["type"] == "image/tiff"
    assert not [link for link in item["links"] if link["rel"] == "canonical"]


@pytest.mark.parametrize("store", ["gs", "az"])
def test_the_md5_of_a_listing_is_the_proof(site, run_cli, dest, store):
    kind, name, source = STORES[store]
    bucket = kind(site, name, {"data/a.bin": b"right" * 100})
    ran = run_cli("mirror", source, dest, "--endpoint-url", bucket.url)
    assert ran.code == 0 and Mirrored(dest).receipt["assets"]["verified_checksum"] == 1
    bucket.put("data/b.bin", b"listed")
    bucket.objects["data/b.bin"] = b"LISTED"
    ran = run_cli("mirror", source, dest, "--endpoint-url", bucket.url)
    assert ran.code == 4 and Mirrored(dest).errors[0]["error"]["class"] == "checksum-mismatch"


def test_only_an_object_that_has_changed_is_fetched_again(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored())
    run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url)
    bucket.put("data/s1/B02.tif", tif(400, 99))
    before = len(site.log)
    ran = run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url)
    assert ran.code == 0 and Mirrored(dest).files["data/s1/B02.tif"] == tif(400, 99)
    asked = [seen.path for seen in site.log[before:] if seen.path.endswith((".bin", ".tif"))]
    assert asked == ["/bucket/data/s1/B02.tif"]


def test_an_object_that_has_gone_is_pruned_but_not_by_a_glob(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored())
    words = ("--endpoint-url", bucket.url, "--prune")
    run_cli("mirror", "s3://bucket/data", dest, *words)
    del bucket.objects["data/s1/B02.tif"]
    part = run_cli("mirror", "s3://bucket/data/**/*.bin", dest, *words)
    assert "nothing was pruned" in part.err and len(Mirrored(dest).files) == 12
    whole = run_cli("mirror", "s3://bucket/data", dest, *words)
    assert whole.code == 0 and "data/s1/B02.tif" not in Mirrored(dest).files, whole.err
    assert len(Mirrored(dest).files) == 11


def test_an_archived_object_is_a_row_and_no_request(site, run_cli, dest):
    bodies = {"data/cold.bin": b"c" * 100, "data/warm.bin": b"w" * 100}
    bucket = S3Bucket(site, "bucket", bodies, tiers={"data/cold.bin": "DEEP_ARCHIVE"})
    ran = run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url)
    (row,) = Mirrored(dest).errors
    assert ran.code == 4 and row["key"] == "cold.bin" and "DEEP_ARCHIVE" in row["error"]["message"]
    assert site.count("/bucket/data/cold.bin") == 0 and len(Mirrored(dest).files) == 1
    assert run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url, "-x", "cold*").code == 0


def test_a_prefix_may_end_within_a_name_and_a_glob_chooses_keys(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored())
    words = ("--endpoint-url", bucket.url, "--json")
    for source, count in (
        ("s3://bucket/data/s", 4),
        ("s3://bucket/data/s1/B02.tif", 1),
        ("s3://bucket/data/*/B02.tif", 2),
        ("s3://bucket/data/**/*.tif", 4),
        ("s3://bucket", 13),
    ):
        ran = run_cli("plan", source, *words)
        assert ran.code == 0 and ran.events[-1]["assets"] == count, source
        assert ran.events[-1]["unknown_sizes"] == 0


def test_a_catalogue_among_the_objects_is_used_as_such(site, run_cli, dest):
    item = stac_item("i", "c1", data="./i.tif")
    collection = stac_collection("c1", links=[{"rel": "item", "href": "./i.json"}])
    documents = {"collection.json": collection, "i.json": item}
    objects = {f"data/{name}": json.dumps(body).encode() for name, body in documents.items()}
    bucket = S3Bucket(site, "bucket", {**objects, "data/i.tif": tif(300)})
    for source in ("s3://bucket/data", "s3://bucket/data/", "s3://bucket/data/collection.json"):
        ran = run_cli("mirror", source, dest, "--endpoint-url", bucket.url, "--datetime", "2000/..")
        assert ran.code == 0 and set(Mirrored(dest).files) == {"c1/i/data.tif"}, ran.err


@pytest.mark.parametrize(
    ("source", "words", "code", "told"),
    [
        ("s3://bucket/nothing", (), 3, "no file there"),
        ("s3://bucket/data/*.zip", (), 3, "no name matches *.zip"),
        ("s3://missing/data", (), 3, "there is no such bucket"),
        ("s3://denied/data", (), 3, "AccessDenied"),
        ("s3://page/data", (), 3, "no list of objects"),
        ("s3:///data", (), 2, "names no bucket"),
        ("az://a/b", (), 2, "az://account/container/key"),
        ("s3://bucket/data", ("--datetime", "2020"), 2, "--datetime cannot choose"),
        ("s3://bucket/data", ("--bbox", "1,2,3,4"), 2, "--bbox cannot choose"),
        ("s3://bucket/data", ("--ids", "s9"), 9, ""),
        ("https://drive.google.com/file/d/x/view", (), 2, "Google Drive is not read"),
        ("source.coop:org", (), 2, "source.coop:ORG/PRODUCT"),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(site, run_cli, dest, source, words, code, told):
    bucket = S3Bucket(site, "bucket", stored())
    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    site.route("/denied", lambda _: Reply(403, [], denied))
    site.route("/page", lambda _: Reply(200, [], b"<html>hello</html>"))
    site.put("/missing", status=404)
    ran = run_cli("mirror", source, dest, "--endpoint-url", bucket.url, *words)
    assert (ran.code, told in ran.err) == (code, True), ran.err


def test_the_variable_of_aws_tools_names_the_endpoint(site, run_cli, dest):
    S3Bucket(site, "bucket", {"a.bin": b"a" * 50})
    assert run_cli("mirror", "s3://bucket", dest, env={"AWS_ENDPOINT_URL": site.origin}).code == 0


def test_a_listing_that_breaks_off_keeps_what_it_gave(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored(), page_size=6)
    whole = bucket.answer

    def once(seen):
        return Reply(404, [], b"") if "continuation" in seen.query else whole(seen)

    site.route("/bucket", once)
    ran = run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url, "--group-by", "none")
    assert ran.code == 4 and "the listing broke off" in ran.err and Mirrored(dest).files


class FirstVersion(S3Bucket):
    """A store that knows only the first version of the listing (ListObjects), whatever it is asked for."""

    def answer(self, seen):
        query = {name: values[0] for name, values in parse_qs(seen.query).items()}
        after = query.get("marker", "")
        seen = replace(seen, target=f"{seen.path}?{seen.query}&start-after={quote(after)}")
        reply = super().answer(seen)
        text = re.sub(rb"<NextContinuationToken>.*?</NextContinuationToken>", b"", reply.body)
        return Reply(200, reply.headers, text)


def test_a_store_with_the_first_version_of_the_listing_is_read_whole(site, run_cli, dest):
    bucket = FirstVersion(site, "bucket", stored(), page_size=3)
    ran = run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url, "--group-by", "none")
    assert ran.code == 0, ran.err
    assert len(Mirrored(dest).files) == len(stored()) - 2


def test_a_truncated_page_that_does_not_advance_is_refused(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", stored(), page_size=3)
    whole = bucket.answer

    def first_again(seen):
        reply = whole(replace(seen, target=f"{seen.path}?list-type=2&encoding-type=url"))
        text = re.sub(rb"<NextContinuationToken>.*?</NextContinuationToken>", b"", reply.body)
        return Reply(200, reply.headers, text)

    site.route("/bucket", first_again)
    ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", bucket.url)
    assert ran.code == 4 and "goes on and does not say how" in ran.err


def test_tokens_that_lead_in_a_circle_end_the_listing(site, run_cli, dest):
    following = {"": "A", "A": "B", "B": "A"}

    def circling(seen):
        token = parse_qs(seen.query).get("continuation-token", [""])[0]
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{following[token]}<"
        row = f"<Contents><Key>{token}.tif</Key><Size>1</Size></Contents>"
        return Reply(
            200, [], f"<ListBucketResult>{row}{more}/NextContinuationToken></ListBucketResult>".encode()
        )

    site.route("/bucket", circling)
    ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", site.origin)
    assert ran.code == 4 and "leads back to a page that it had" in ran.err


ASKED = "x-amz-optional-object-attributes"


@pytest.mark.parametrize("knows", ["restored", "ignored", "refused"])
def test_an_archived_object_that_is_restored_comes(site, run_cli, dest, knows):
    """Its storage class stays the one of the archive; only an answer to a further question tells."""
    bodies = {"data/cold.bin": b"c" * 100, "data/lukewarm.bin": b"l" * 90}
    bucket = S3Bucket(site, "bucket", bodies, tiers=dict.fromkeys(bodies, "GLACIER"))
    whole = bucket.answer

    def listed(seen):
        reply = whole(seen)
        if ASKED not in seen.headers or knows == "ignored":
            return reply
        if knows == "refused":
            return Reply(501, [], b"<Error><Code>NotImplemented</Code></Error>")
        assert seen.headers[ASKED] == "RestoreStatus"
        about = b"<RestoreStatus><IsRestoreInProgress>%s</IsRestoreInProgress>%s</RestoreStatus></Contents>"
        until = b"<RestoreExpiryDate>2099-01-01T00:00:00.000Z</RestoreExpiryDate>"
        text = reply.body.replace(b"</Contents>", about % (b"true", b""), 1)
        head, _, last = text.rpartition(b"</Contents>")
        return Reply(200, reply.headers, head + about % (b"false", until) + last)

    site.route("/bucket", listed)
    ran = run_cli("mirror", "s3://bucket/data", dest, "--endpoint-url", bucket.url)
    missing = {row["key"] for row in Mirrored(dest).errors}
    assert ran.code == 4 and missing == (
        {"cold.bin"} if knows == "restored" else {"cold.bin", "lukewarm.bin"}
    )
    assert site.count("/bucket/data/cold.bin") == 0
    assert site.count("/bucket/data/lukewarm.bin") == (knows == "restored")


@pytest.mark.parametrize("size", [300, 200_000])
def test_a_file_that_google_decodes_on_the_way_comes_as_it_is_stored(site, run_cli, dest, size):
    """Its size and MD5 in the listing are those of the compressed file."""
    plain = b"a,b\n" * size
    packed = gzip.compress(plain)
    bucket = GoogleBucket(site, "bucket", {"t/a.csv": packed})

    def transcoded(seen):
        fields = [("X-Goog-Stored-Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        if "gzip" in seen.headers.get("accept-encoding", ""):
            return Reply(200, [*fields, ("Content-Encoding", "gzip"), ("ETag", '"1"')], packed)
        return Reply(200, [*fields, ("ETag", 'W/"1"')], plain)

    site.route("/bucket/t/a.csv", transcoded)
    ran = run_cli("mirror", "gs://bucket", dest, "--endpoint-url", bucket.url)
    assert ran.code == 0, ran.err
    assert Mirrored(dest).files == {"bucket/t/a.csv": packed}
    assert Mirrored(dest).receipt["assets"]["verified_checksum"] == 1
    assert (
        "0 fetched, 1 already there"
        in run_cli("mirror", "gs://bucket", dest, "--endpoint-url", bucket.url).err
    )


def test_a_blob_that_only_stands_for_a_folder_is_left_out(site, run_cli, dest):
    """Hadoop writes such blobs; only their metadata tells."""
    container = AzureContainer(site, "account/files", {"train": b"", "train/a.tif": tif(300)})
    whole = container.answer

    def listed(seen):
        reply = whole(seen)
        if parse_qs(seen.query).get("include") != ["metadata"]:
            return reply
        marked = b"<Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>"
        name, _, rest = reply.body.partition(b"<Name>train</Name>")
        return Reply(200, reply.headers, name + b"<Name>train</Name>" + rest.replace(b"</Blob>", marked, 1))

    site.route(container.listing_path, listed)
    ran = run_cli("mirror", "az://account/files", dest, "--endpoint-url", container.url)
    assert ran.code == 0, ran.err
    assert [*Mirrored(dest).files.values()] == [tif(300)]
