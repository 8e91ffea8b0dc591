"""Buckets that want keys: S3 and Google Cloud Storage, from listing to file, and what nobody may read."""

import os
import re
import time
from pathlib import Path

import pytest

from mlhub_async.core.model import Request
from mlhub_async.core.secret import Secret
from mlhub_async.http.auth.signers.sigv4 import S3Keys, with_sigv4
from support.command import REPOSITORY
from support.mirrored import Mirrored
from support.object_stores import GoogleBucket, S3Bucket
from support.one_request import CANARY
from support.server import Cut, tif
from support.stac_server import stac_item, static_catalog
from support.wire_format import Reply

FILES = {"a/1.tif": tif(300, 1), "a/2.tif": tif(300, 2), "b c/3é.tif": tif(300, 3)}
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret",
    "AWS_SESSION_TOKEN": f"{CANARY}-session",
    "AWS_REGION": "eu-west-1",
}
GOOGLE = {"CLOUDSDK_AUTH_ACCESS_TOKEN": f"{CANARY}-token"}


def is_signed_right(seen, origin, environ, skew=0.0):
    """Whether a request has the signature that these keys give it, made at its date, which is near to now."""
    date = seen.headers.get("x-amz-date")
    if date is None:
        return False
    when = time.mktime(time.strptime(date, "%Y%m%dT%H%M%SZ")) - time.timezone
    keys = S3Keys(
        environ["AWS_ACCESS_KEY_ID"],
        Secret(environ["AWS_SECRET_ACCESS_KEY"]),
        Secret(environ.get("AWS_SESSION_TOKEN", "")),
    )
    pays = "x-amz-request-payer" in seen.headers
    optional = {
        name: seen.headers[name] for name in ["x-amz-optional-object-attributes"] if name in seen.headers
    }
    wanted = with_sigv4(
        Request(f"{origin}{seen.target}", headers=optional), keys, environ["AWS_REGION"], when, pays=pays
    )
    return (
        wanted.headers["Authorization"] == seen.headers.get("authorization")
        and abs(time.time() - when - skew) < 900
    )


def guarded(site, admits):
    """Let the site refuse every request that is not admitted, as S3 does."""
    refusal = b"<Error><Code>AccessDenied</Code></Error>"
    answer = site.answer
    site.answer = lambda seen: answer(seen) if admits(seen) else Reply(403, [], refusal)


@pytest.fixture
def s3(site):
    bucket = S3Bucket(site, "bucket", FILES)
    guarded(site, lambda seen: is_signed_right(seen, site.origin, AWS))
    return bucket


def assert_secret(dest, *texts):
    assert CANARY not in "".join(texts)
    assert not [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def unsigned(site):
    return [seen for seen in site.log if "authorization" not in seen.headers]


def test_the_question_for_restored_objects_is_signed_too(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", {"a.tif": tif(300)}, tiers={"a.tif": "GLACIER"})
    until = b"<RestoreStatus><RestoreExpiryDate>2099-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>"
    whole = bucket.answer

    def listed(seen):
        reply = whole(seen)
        told = until if "x-amz-optional-object-attributes" in seen.headers else b""
        return Reply(200, reply.headers, reply.body.replace(b"</Contents>", told + b"</Contents>"))

    site.route("/bucket", listed)
    guarded(site, lambda seen: is_signed_right(seen, site.origin, AWS))
    ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", site.origin, env=AWS)
    assert ran.code == 0, ran.err
    assert [*Mirrored(dest).files.values()] == [tif(300)]


def test_a_private_bucket_is_listed_and_read_with_the_keys_of_the_variables(s3, run_cli, dest):
    ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", s3.url, "--json", "-vv", env=AWS)
    assert ran.code == 0, ran.err
    assert sorted(Mirrored(dest).files.values()) == sorted(FILES.values())
    assert len(unsigned(s3.site)) == 1  # one refusal tells that the bucket is private
    assert_secret(dest, ran.out, ran.err)
    again = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", s3.url, env=AWS)
    assert again.code == 0 and "0 fetched" in again.err


def test_a_bucket_that_everybody_may_read_is_not_told_who_reads_it(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", FILES)
    assert run_cli("mirror", "s3://bucket", dest, "--endpoint-url", bucket.url, env=AWS).code == 0
    assert len(unsigned(site)) == len(site.log)


def test_without_keys_and_with_wrong_ones_the_refusal_is_told(s3, run_cli, dest):
    wrong = {**AWS, "AWS_REGION": "us-west-2"}
    for environ, told in (({}, "it is read without keys"), (wrong, "the keys that there are may not")):
        ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", s3.url, env=environ)
        assert (ran.code, told in ran.err) == (3, True), ran.err
    assert "read without keys" not in ran.err


def test_the_requester_pays_only_where_that_was_agreed(site, run_cli, dest):
    bucket = S3Bucket(site, "bucket", FILES)
    guarded(site, lambda seen: seen.headers.get("x-amz-request-payer") == "requester")
    words = ("mirror", "s3://bucket", dest, "--endpoint-url", bucket.url)
    assert run_cli(*words, env=AWS).code == 3
    assert all("x-amz-request-payer" not in seen.headers for seen in site.log)
    before = len(site.log)
    ran = run_cli(*words, "--request-payer", "requester", env=AWS)
    assert ran.code == 0, ran.err
    assert all(is_signed_right(seen, site.origin, AWS) for seen in site.log[before:])
    unpaid = run_cli(*words, "--request-payer", "requester")
    assert unpaid.code == 2 and "set AWS_ACCESS_KEY_ID" in unpaid.err


def test_a_file_that_breaks_off_goes_on_with_a_signature_of_its_own(site, run_cli, dest):
    body = tif(400_000)
    href = site.put("/bucket/x.tif", body, etag='"1"', faults=[Cut(150_000)])
    seen_ranges = []

    def admits(seen):
        seen_ranges.append(seen.headers.get("range"))
        return is_signed_right(seen, site.origin, AWS)

    guarded(site, lambda seen: not seen.path.startswith("/bucket") or admits(seen))
    source = static_catalog(site, [stac_item("i", data=href)])
    ran = run_cli("mirror", source, dest, "--auth", f"{site.origin}=s3", env=AWS)
    assert ran.code == 0, ran.err
    assert list(Mirrored(dest).files.values()) == [body]
    assert len(seen_ranges) == 2 and re.fullmatch(r"bytes=\d+-", seen_ranges[1])


def test_a_catalogue_gets_keys_only_to_hosts_that_the_user_names(site, troubled_thread, run_cli, dest):
    private, other = troubled_thread.site(), troubled_thread.site("localhost")
    hrefs = {"mine": private.put("/bucket/1.tif", tif(300)), "theirs": other.put("/bucket/2.tif", status=403)}
    guarded(private, lambda seen: is_signed_right(seen, private.origin, AWS))
    source = static_catalog(site, [stac_item("i", **hrefs)])
    ran = run_cli("mirror", source, dest, "--allow-private", "--auth", f"{private.origin}=s3", env=AWS)
    assert ran.code == 4 and [row["key"] for row in Mirrored(dest).errors] == ["theirs"]
    assert len(unsigned(private)) == 0 and len(unsigned(other)) == len(other.log) > 0


def test_a_private_bucket_of_google_is_read_with_a_token(site, run_cli, dest):
    bucket = GoogleBucket(site, "bucket", FILES)
    guarded(site, lambda seen: seen.headers.get("authorization") == f"Bearer {CANARY}-token")
    words = ("mirror", "gs://bucket", dest, "--endpoint-url", bucket.url, "-vv")
    refused = run_cli(*words)
    assert refused.code == 3 and all("authorization" not in seen.headers for seen in site.log)
    site.log.clear()
    ran = run_cli(*words, env=GOOGLE)
    assert ran.code == 0, ran.err
    assert sorted(Mirrored(dest).files.values()) == sorted(FILES.values()) and len(unsigned(site)) == 1
    assert_secret(dest, ran.out, ran.err)


def test_keys_of_a_profile_are_used_where_botocore_is_installed(s3, run_cli, dest):
    botocore = pytest.importorskip("botocore")
    (run_cli.home / ".aws").mkdir()
    lines = ["[project]", *(f"{name.lower()} = {AWS[name]}" for name in AWS if name != "AWS_REGION")]
    (run_cli.home / ".aws/credentials").write_text("\n".join(lines) + "\n")
    env = {
        "AWS_PROFILE": "project",
        "AWS_REGION": AWS["AWS_REGION"],
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY), str(Path(botocore.__file__).parents[1]))),
    }
    words = ("mirror", "s3://bucket", dest, "--endpoint-url", s3.url, "-vv")
    ran = run_cli.start(*words, env=env).finish()
    assert ran.code == 0, ran.err
    assert len(Mirrored(dest).files) == len(FILES) and len(unsigned(s3.site)) == 1
    assert_secret(dest, ran.out, ran.err)
    lost = run_cli.start(*words, env={**env, "AWS_PROFILE": "other"}).finish()
    assert lost.code == 3 and "the profile other of AWS" in lost.err, lost.err


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKID"}, "AWS_SECRET_ACCESS_KEY is not"),
        ({**AWS, "AWS_SESSION_TOKEN": "a\nb"}, "AWS_SESSION_TOKEN contains a line break"),
    ],
)
def test_keys_that_cannot_be_right_are_named(s3, run_cli, dest, environ, told):
    ran = run_cli("mirror", "s3://bucket", dest, "--endpoint-url", s3.url, env=environ)
    assert ran.code == 2 and told in ran.err, ran.err


def test_an_href_that_was_saved_signed_is_signed_anew(s3, run_cli, dest):
    """One refusal by the old signature tells it for the whole bucket."""
    ended = "?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-Signature=0123456789abcdef"
    items = [stac_item(f"i{n}", data=f"{s3.url}/bucket/a/{n}.tif{ended}") for n in (1, 2)]
    words = ("--endpoint-url", s3.url, "-j", 1, "--transport", "fast")
    ran = run_cli("mirror", static_catalog(s3.site, items), dest, *words, env=AWS)
    assert ran.code == 0, ran.err
    assert sorted(Mirrored(dest).files.values()) == sorted(FILES[f"a/{n}.tif"] for n in (1, 2))
    assert sum("X-Amz-Signature" in seen.target for seen in s3.site.log) == 1
    assert_secret(dest, ran.out, ran.err)
