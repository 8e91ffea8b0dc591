"""Signatures of S3: the examples of AWS, and what botocore 1.44.8 makes of the same requests."""

import pytest

from mlhub_async.core.model import Request
from mlhub_async.core.secret import Secret
from mlhub_async.http.auth.signers.buckets import bucket_of
from mlhub_async.http.auth.signers.sigv4 import S3Keys, signed_at, with_sigv4

KEY_ID, KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
THEN = 1_369_353_600  # 2013-05-24
AWS = "https://examplebucket.s3.amazonaws.com"
SIGNATURES = {
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    f"{AWS}/?lifecycle": "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    f"{AWS}/?max-keys=2&prefix=J": "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    # botocore.auth.S3SigV4Auth
    "https://b.s3.eu-west-1.amazonaws.com/p/b%20c/%C3%A9%2B%23%3F.tif": (
        "de75be14d0285f30f23b3f3fca78e07ef96fc802f21c0a232f1fdb6f7fab24cd"
    ),
    "http://localhost:9000/bucket?list-type=2&encoding-type=url&prefix=a%20b%2F&continuation-token=1%2B%3D": (
        "33052cce9be4dc44d3c52d6fad2d67d6377f601aa7f0409e75ee258cee4c8da7"
    ),
}
OF_A_SESSION = "f6f92479bf9fc17bed48100445f279f798063b68e26be181884fa6873c50f6ea"


def signed(url, token="", **how):
    return with_sigv4(Request(url), S3Keys(KEY_ID, Secret(KEY), Secret(token)), "us-east-1", THEN, **how)


@pytest.mark.parametrize("url", SIGNATURES)
def test_the_signature_is_that_of_aws(url):
    request = signed(url)
    assert request.headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={SIGNATURES[url]}"
    )
    assert request.url == url and signed_at(request) == THEN


def test_the_token_of_a_session_is_signed_too():
    request = signed([*SIGNATURES][2], "session/token==")
    assert request.headers["Authorization"].endswith(OF_A_SESSION)
    assert request.headers["x-amz-security-token"] == "session/token=="


def test_the_agreement_to_pay_is_a_signed_field():
    request = signed(f"{AWS}/a.tif", pays=True)
    assert request.headers["x-amz-request-payer"] == "requester"
    assert ";x-amz-request-payer,Signature" in request.headers["Authorization"]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/bucket/a!$&'()*,;=:@~.tif", "/bucket/a%21%24%26%27%28%29%2A%2C%3B%3D%3A%40~.tif"),
        ("/b/%41%2d.tif", "/b/A-.tif"),
        ("/b/x/%2E%2E/y//z.tif", "/b/x/%2E%2E/y//z.tif"),
        ("/b/%2541.tif?versionId=a%2Fb", "/b/%2541.tif?versionId=a%2Fb"),
    ],
)
def test_a_path_is_sent_in_the_form_that_is_signed(path, sent):
    """All of this is one key in either form; botocore sends and signs the second."""
    assert signed(f"http://s3.test{path}").url == f"http://s3.test{sent}"


@pytest.mark.parametrize(
    ("url", "bucket"),
    [
        ("https://b.s3.amazonaws.com/k/x", "https://b.s3.amazonaws.com"),
        ("https://b.s3.eu-west-1.amazonaws.com/k/x", "https://b.s3.amazonaws.com"),
        ("https://s3.eu-west-1.amazonaws.com/my.b/k?x", "https://s3.amazonaws.com/my.b"),
        ("http://127.0.0.1:9000/b/k/x", "http://127.0.0.1:9000/b"),
        ("http://127.0.0.1:9000/b?list-type=2", "http://127.0.0.1:9000/b"),
        ("https://storage.googleapis.com/b/k/x", "https://storage.googleapis.com/b"),
        ("https://storage.googleapis.com/storage/v1/b/b/o?prefix=", "https://storage.googleapis.com/b"),
        ("https://storage.googleapis.com/upload/storage/v1/b/b/o?name=", "https://storage.googleapis.com/b"),
        ("https://b.storage.googleapis.com/k/x", "https://b.storage.googleapis.com"),
    ],
)
def test_the_bucket_of_a_url(url, bucket):
    assert bucket_of(url) == bucket
