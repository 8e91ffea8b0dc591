"""Access tokens: when one is asked for and renewed, with a clock of the test; which hosts may see it."""

import asyncio
from base64 import urlsafe_b64encode
from urllib.parse import parse_qs

import pytest

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Document, Head, Request
from mlhub_async.core.ports import Refused
from mlhub_async.core.secret import Secret
from mlhub_async.core.urls import Origin, origin
from mlhub_async.http.auth.schemes import RunSchemes
from mlhub_async.http.auth.signers.earthdata import expiry
from mlhub_async.http.status import refusal
from support.signing import signing_context

FILE = Request("https://zipper.dataspace.copernicus.eu/x")
LOGIN = {"CDSE_USERNAME": "u", "CDSE_PASSWORD": "secret"}


class Endpoint:
    """Answers requests for tokens that end after so many seconds, and keeps their forms."""

    def __init__(self, seconds=600.0):
        self.forms = []
        self.urls = []
        self.seconds = seconds

    async def read(self, request):
        self.urls.append(request.url)
        self.forms.append({name: one[0] for name, one in parse_qs((request.body or b"").decode()).items()})
        await asyncio.sleep(0)
        number = len(self.forms)
        answer = {"access_token": f"token-{number}", "refresh_token": f"refresh-{number}"}
        return Document({**answer, "expires_in": self.seconds, "expiration_date": "01/02/2030"}, request.url)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def schemes(environ, endpoint=None, clock=None, auth=(), source=None):
    return RunSchemes(signing_context(environ, endpoint or Endpoint(), clock or Clock(), source=source), auth)


async def token_for(signer, request=FILE):
    signed = signer.sign(request)
    if signed is None:
        await signer.renew(request, None)
        signed = signer.sign(request)
    return signed.headers.get("Authorization")


async def test_a_token_is_used_until_a_minute_before_its_end_and_then_refreshed():
    endpoint, clock = Endpoint(), Clock()
    (signer,) = schemes(LOGIN, endpoint, clock).signers_for(origin(FILE.url))
    found = []
    for seconds in (0, 500, 539, 541, 1080):
        clock.now = 1000.0 + seconds
        found.append(await token_for(signer))
    assert found == ["Bearer token-1"] * 3 + ["Bearer token-2"] * 2
    assert [form["grant_type"] for form in endpoint.forms] == ["password", "refresh_token"]
    assert endpoint.forms[0]["client_id"] == "cdse-public"
    assert endpoint.forms[1] == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "cdse-public",
    }
    assert set(endpoint.urls) == {
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token"
    }


@pytest.mark.parametrize(
    ("seconds", "later", "token"),
    [("600", 541, 2), (None, 10**9, 1), (True, 10**9, 1), ("soon", 10**9, 1), (-5, 10**9, 1), (5, 59, 1)],
)
async def test_an_end_that_is_no_number_of_seconds_is_not_known(seconds, later, token):
    endpoint, clock = Endpoint(seconds), Clock()
    (signer,) = schemes(LOGIN, endpoint, clock).signers_for(origin(FILE.url))
    await token_for(signer)
    clock.now += later
    assert await token_for(signer) == f"Bearer token-{token}"


async def test_many_that_wait_ask_for_one_token():
    endpoint = Endpoint()
    (signer,) = schemes(LOGIN, endpoint).signers_for(origin(FILE.url))
    found = await asyncio.gather(*(token_for(signer) for _ in range(200)))
    assert set(found) == {"Bearer token-1"} and len(endpoint.forms) == 1


ENVIRON = {**LOGIN, "EARTHDATA_TOKEN": "t", "TERRASCOPE_USERNAME": "u", "TERRASCOPE_PASSWORD": "p"}


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://data.lpdaac.earthdatacloud.nasa.gov/x", "earthdata"),
        ("https://e4ftl01.cr.usgs.gov/x", "earthdata"),
        ("https://urs.earthdata.nasa.gov/oauth/authorize", "earthdata"),
        ("https://download.dataspace.copernicus.eu/x", "copernicus"),
        ("https://services.terrascope.be/download/x", "terrascope"),
        ("https://evil.earthdatacloud.nasa.gov/x", ""),
        ("https://data.lpdaac.earthdatacloud.nasa.gov.evil.test/x", ""),
        ("https://evil-data.lpdaac.earthdatacloud.nasa.gov/x", ""),
        ("http://data.lpdaac.earthdatacloud.nasa.gov/x", ""),
        ("https://data.lpdaac.earthdatacloud.nasa.gov:8443/x", ""),
        ("https://cmr.earthdata.nasa.gov/stac", ""),
        ("https://dataspace.copernicus.eu/x", ""),
        ("https://terrascope.be/x", ""),
    ],
)
def test_a_token_is_for_hosts_by_their_exact_names(url, scheme):
    run = schemes(ENVIRON)
    assert run.signers_for(origin(url)) == ([run.signer(scheme)] if scheme else [])


async def test_a_host_that_auth_names_gets_the_token_of_its_scheme():
    run = schemes({"EARTHDATA_TOKEN": "t"}, auth=["evil.earthdatacloud.nasa.gov=earthdata"])
    here = "https://evil.earthdatacloud.nasa.gov/x"
    (signer,) = run.signers_for(origin(here))
    assert await token_for(signer, Request(here)) == "Bearer t"


async def test_user_and_password_get_a_token_of_earthdata():
    endpoint = Endpoint()
    run = schemes({"EARTHDATA_USERNAME": "u", "EARTHDATA_PASSWORD": "p"}, endpoint)
    url = "https://data.lpdaac.earthdatacloud.nasa.gov/x"
    (signer,) = run.signers_for(origin(url))
    assert await token_for(signer, Request(url)) == "Bearer token-1"
    assert endpoint.urls == ["https://urs.earthdata.nasa.gov/api/users/find_or_create_token"]
    assert signer.keys()[0].until == 1893542400.0, "2 January 2030"


def token_with(payload):
    return Secret(f"h.{urlsafe_b64encode(payload).decode().rstrip('=')}.s")


@pytest.mark.parametrize(
    ("token", "until"),
    [
        (token_with(b'{"exp": 1893456000}'), 1893456000.0),
        (token_with(b'{"exp": "soon"}'), None),
        (token_with(b'{"exp": true}'), None),
        (token_with(b"[]"), None),
        (token_with(b"{"), None),
        (Secret("h.\u00e9.s"), None),
        (Secret("opaque"), None),
        (Secret(""), None),
    ],
)
def test_when_a_json_web_token_ends(token, until):
    assert expiry(token) == until


def test_only_earthdata_and_its_like_sign_after_a_redirect():
    run = schemes(ENVIRON, source=Origin("https", "api.test", 443)).after_redirect()
    assert run.signers_for(origin("https://data.lpdaac.earthdatacloud.nasa.gov/x"))
    assert run.signers_for(Origin("https", "api.test", 443)) == []


class DataCentre:
    """Gives keys for S3 to who has the token."""

    def __init__(self, answer=None):
        self.asked = []
        self.answer = answer

    async def read(self, request):
        self.asked.append((request.url, request.headers.get("Authorization")))
        await asyncio.sleep(0)
        number = len(self.asked)
        keys = {"accessKeyId": f"id-{number}", "secretAccessKey": "s", "sessionToken": f"session-{number}"}
        found = {**keys, "expiration": "1970-01-01 01:16:40+00:00"} if self.answer is None else self.answer
        return Document(found, request.url)


def data_centre_signer(centre, clock, *hosts, **environ):
    run = schemes(
        {"EARTHDATA_TOKEN": "edl", **environ}, centre, clock, auth=[f"{host}=earthdata-s3" for host in hosts]
    )
    return run


async def signed_for(run, url):
    (signer,) = run.signers_for(origin(url))
    signed = signer.sign(Request(url))
    if signed is None:
        await signer.renew(Request(url), None)
        signed = signer.sign(Request(url))
    return signed.headers.get("x-amz-security-token"), signed.headers.get("Authorization", "")


LP, NSIDC = "lp-prod-protected.s3.amazonaws.com", "nsidc-cumulus-prod-protected.s3.us-west-2.amazonaws.com"


async def test_keys_for_s3_come_from_the_data_centre_of_the_bucket_once_an_hour():
    centre, clock = DataCentre(), Clock()
    run = data_centre_signer(centre, clock, LP, NSIDC)
    found = await asyncio.gather(*(signed_for(run, f"https://{LP}/HLSL30.020/{n}.tif") for n in range(20)))
    assert {token for token, _ in found} == {"session-1"} and len(centre.asked) == 1
    assert "Credential=id-1/19700101/us-west-2/s3/aws4_request" in found[0][1]
    assert (await signed_for(run, f"https://{NSIDC}/x.h5"))[0] == "session-2"
    clock.now = 4541.0  # the keys end at 4600
    assert (await signed_for(run, f"https://{LP}/x.tif"))[0] == "session-3"
    assert [url for url, _ in centre.asked] == [
        "https://data.lpdaac.earthdatacloud.nasa.gov/s3credentials",
        "https://data.nsidc.earthdatacloud.nasa.gov/s3credentials",
        "https://data.lpdaac.earthdatacloud.nasa.gov/s3credentials",
    ]
    assert {given for _, given in centre.asked} == {"Bearer edl"}


async def test_buckets_get_keys_of_a_data_centre_only_where_auth_names_them():
    run = data_centre_signer(DataCentre(), Clock(), LP)
    assert run.signers_for(origin(f"https://{NSIDC}/x")) == []
    other = "https://landsat-pds.s3.amazonaws.com/x"
    run = data_centre_signer(DataCentre(), Clock(), "landsat-pds.s3.amazonaws.com")
    assert await signed_for(run, other) == (None, ""), "nobody is known who has keys for it"


async def test_a_bucket_of_a_data_centre_is_asked_with_its_own_time_where_a_clock_is_wrong():
    centre, url = DataCentre(), f"https://{LP}/x.tif"
    run = data_centre_signer(centre, Clock(), LP)
    await signed_for(run, url)
    (signer,) = run.signers_for(origin(url))
    sent = signer.sign(Request(url))
    refused = Refused(sent, refusal(Head(403, {"date": "Mon, 30 Nov 2026 12:00:00 GMT"}, url), b"", url))
    assert await signer.renew(Request(url), refused)
    assert signer.sign(Request(url)).headers["x-amz-date"] == "20261130T120000Z"
    assert len(centre.asked) == 1, "the keys are the same ones"


async def test_the_user_may_name_the_endpoint_for_keys():
    centre = DataCentre()
    url = "https://own.test/s3credentials"
    run = data_centre_signer(centre, Clock(), "b.s3.amazonaws.com", EARTHDATA_S3_CREDENTIALS_URL=url)
    assert (await signed_for(run, "https://b.s3.amazonaws.com/x"))[0] == "session-1"
    assert centre.asked == [(url, "Bearer edl")]


@pytest.mark.parametrize("answer", [[], {}, {"accessKeyId": "a"}, {"accessKeyId": 5, "secretAccessKey": "s"}])
async def test_an_answer_without_keys_is_an_error_that_names_the_data_centre(answer):
    run = data_centre_signer(DataCentre(answer), Clock(), LP)
    with pytest.raises(
        TransferError, match=r"lpdaac\.earthdatacloud\.nasa\.gov/s3credentials: the answer has no"
    ):
        await signed_for(run, f"https://{LP}/x.tif")
