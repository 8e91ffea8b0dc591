"""When requests to S3 are signed, and what a refusal says of the signature."""

from email.utils import formatdate
from types import SimpleNamespace

import pytest

from mlhub_async import RetryPolicy
from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Head, Request
from mlhub_async.core.ports import Refused, SigningContext
from mlhub_async.core.urls import StoreEndpoints, in_other_region, origin
from mlhub_async.http.auth.schemes import RunSchemes
from mlhub_async.http.auth.signer_set import SignerSet
from mlhub_async.http.auth.signers.sigv4 import signed_at
from mlhub_async.http.client import Http
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.http.resilience.retry import Retry
from mlhub_async.http.resilience.suspend import SuspendDetector
from mlhub_async.http.ssrf import AddressPolicy
from mlhub_async.http.status import refusal
from mlhub_async.http.watchdog import Watchdog

URL = "https://private.s3.amazonaws.com/k.tif"
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "a-long-secret"}
REFUSAL = TransferError("no", kind="forbidden")


@pytest.fixture
def clock():
    return SimpleNamespace(now=1_780_000_000.0)


def schemes(clock, given=(), *, pays=False, **environ):
    context = SigningContext(
        environ,
        None,
        frozenset(),
        None,
        StoreEndpoints(),
        request_payer=pays,
        name_address=lambda url: None,
        clock=lambda: clock.now,
    )
    return RunSchemes(context, given)


def signer(clock, *given, **how):
    return schemes(clock, given, **{**KEYS, **how}).signer("s3")


def field(request):
    return request.headers.get("Authorization", "")


async def test_a_bucket_is_read_without_keys_until_it_refuses_that(clock):
    one = signer(clock)
    request = Request(URL)
    assert one.sign(request) is request
    assert await one.renew(request, Refused(request, REFUSAL))
    assert "/us-east-1/s3/aws4_request" in field(one.sign(request))
    assert (
        field(one.sign(Request("https://private.s3.eu-west-1.amazonaws.com/x"))).count("/eu-west-1/s3/") == 1
    )
    assert "/eu-west-1/s3/" in field(one.sign(request))  # the region of the bucket is known now
    other = Request("https://public.s3.amazonaws.com/k")
    assert one.sign(other) is other


async def test_a_fresh_signature_that_is_refused_is_believed_and_an_old_one_is_made_anew(clock):
    one = signer(clock, "private.s3.amazonaws.com=s3")
    request = Request(URL)
    refused = Refused(one.sign(request), REFUSAL)
    assert not await one.renew(request, refused)
    clock.now += 901
    assert await one.renew(request, refused)
    assert field(one.sign(request)) != field(refused.sent)


@pytest.mark.parametrize("asked", [None, "private.s3.amazonaws.com=s3"])
@pytest.mark.parametrize(("ahead", "differs"), [(-31_536_000, True), (3600, True), (-600, False)])
async def test_a_clock_that_is_wrong_is_told_by_a_refusal(clock, asked, ahead, differs):
    one = signer(clock, *filter(None, [asked]))
    request = Request(URL)
    date = formatdate(clock.now + ahead, usegmt=True)
    head = Head(403, {"date": date}, URL)
    body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>" if asked else b""
    renewed = await one.renew(request, Refused(one.sign(request), refusal(head, body, URL)))
    assert renewed is (differs or not asked)
    assert signed_at(one.sign(request)) == clock.now + (ahead if differs else 0)
    elsewhere = Request("https://other.s3.amazonaws.com/k")
    await one.renew(elsewhere, Refused(elsewhere, REFUSAL))
    assert signed_at(one.sign(elsewhere)) == clock.now


async def test_the_time_of_a_refusal_is_that_at_which_a_cache_gives_it(clock):
    one, request = signer(clock, "private.s3.amazonaws.com=s3"), Request(URL)
    fields = {"date": formatdate(clock.now - 5000, usegmt=True), "age": "5000"}
    assert not await one.renew(request, Refused(one.sign(request), refusal(Head(403, fields, URL), b"", URL)))


async def test_keys_that_a_bucket_refuses_do_not_keep_it_from_what_is_public(clock):
    one = signer(clock)
    request = Request(URL)
    await one.renew(request, Refused(request, REFUSAL))
    assert not await one.renew(request, Refused(one.sign(request), REFUSAL))
    assert one.sign(request) is request


@pytest.mark.parametrize(
    "query", ["X-Amz-Signature=x&X-Amz-Date=y", "AWSAccessKeyId=x&Signature=y&Expires=1"]
)
async def test_a_signature_in_a_url_is_kept_until_it_is_refused_and_replaced_then(clock, query):
    request = Request(f"{URL}?versionId=7&{query}")
    one = signer(clock, "private.s3.amazonaws.com=s3")
    assert one.sign(request) is request
    assert await one.renew(request, Refused(request, REFUSAL))
    signed = one.sign(request)
    assert signed.url == f"{URL}?versionId=7" and field(signed)
    assert await one.renew(request, Refused(signed, REFUSAL))  # our keys may lack a right that it has
    assert one.sign(request) is request


@pytest.mark.parametrize(
    "url",
    [
        "http://private.s3.amazonaws.com/k",
        "https://private.s3.amazonaws.com:8443/k",
        "https://private.s3.amazonaws.com.evil.test/k",
        "https://s3.amazonaws.com.evil.test/b/k",
        "https://evils3.amazonaws.com/b/k",
        "https://ec2.amazonaws.com/k",
        "https://data.test/k",
    ],
)
def test_other_hosts_get_no_signature(clock, url):
    assert schemes(clock, pays=True, **KEYS).signers_for(origin(url)) == []


@pytest.mark.parametrize(
    ("url", "moved", "same"),
    [
        (URL, "https://private.s3.eu-west-1.amazonaws.com/k.tif", True),
        ("https://s3.amazonaws.com/b/k", "https://s3.us-west-2.amazonaws.com/b/k", True),
        (URL, "https://other.s3.eu-west-1.amazonaws.com/k.tif", False),
        (URL, "https://private.s3.eu-west-1.amazonaws.com/other.tif", False),
        (URL, "https://private.s3.eu-west-1.amazonaws.com.evil.test/k.tif", False),
        ("https://data.test/k.tif", "https://private.s3.eu-west-1.amazonaws.com/k.tif", False),
    ],
)
def test_the_same_object_by_the_host_of_another_region(url, moved, same):
    assert in_other_region(url, moved) is same


class Amazon:
    """A transport that answers as Amazon S3 does for a private bucket in another region."""

    def __init__(self):
        self.sent = []

    async def send(self, request, sink):
        self.sent.append((request.url, field(request)))
        regional = "eu-west-1" in request.url
        status = 200 if "/eu-west-1/" in field(request) else 403 if regional else 301
        body = b"{}" if status == 200 else b"<Error><Code>AccessDenied</Code></Error>"
        sink.start(Head(status, {} if regional else {"x-amz-bucket-region": "eu-west-1"}, request.url))
        sink.write(body)

    async def close(self):
        pass


async def test_a_private_bucket_in_another_region_is_asked_there_with_keys(clock):
    amazon = Amazon()
    client = Http(
        {"https": amazon},
        OriginLimits(8),
        signers=SignerSet(schemes=schemes(clock, **KEYS)),
        retry=Retry(RetryPolicy(attempts=1)),
        addresses=AddressPolicy(),
        watchdog=Watchdog(20, 0, SuspendDetector()),
    )
    for _ in range(2):
        assert (await client.read_bytes(Request(URL)))[0] == b"{}"
    await client.close()
    regional = "https://private.s3.eu-west-1.amazonaws.com/k.tif"
    assert [url for url, _ in amazon.sent] == [URL, regional, regional, URL]
    assert [bool(sent) for _, sent in amazon.sent] == [False, False, True, True]
