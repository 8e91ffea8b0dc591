"""Signed requests to stores that nobody here wrote, which check the signatures: Azurite, moto, rclone."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from html import unescape
from urllib.parse import quote, urlencode

import pytest

from mlhub_async.core.urls import quoted_key
from support.faulty_relay import FaultyRelay
from support.file_servers import (
    AZURE_ACCOUNT,
    AZURE_KEY,
    RCLONE_KEYS,
    NotInstalled,
    azure_put,
    request,
    start,
)
from support.mirrored import Mirrored
from support.server import Reply, noise
from support.stac_server import stac_item, static_catalog

BODY = noise(3_000_000)
SHORT_SECONDS = 2
HOUR = 3600
PLAIN_KEYS = ("plain.bin", "a/b/c.bin", "A-1_x.y~.bin", "deep/er/d.bin")
"""Without characters that are encoded: moto signs such paths decoded, which no client of S3 does."""
ODD_KEYS = ("plain.bin", "with space+plus.bin", "\u00e9.bin", "%41.bin", "q?x#y;z.bin", "a!$&'()*,=:@~.bin")


RCLONE = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), RCLONE_KEYS, strict=True))


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def shared_access_signature(container, end):
    """A service SAS for reading a container, of the version 2021-12-02.

    https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    """
    version, begin, until = "2021-12-02", moment(time.time() - HOUR), moment(end)
    said = ["r", begin, until, f"/blob/{AZURE_ACCOUNT}/{container}", "", "", "", version, "c", *[""] * 7]
    digest = hmac.new(AZURE_KEY, "\n".join(said).encode(), hashlib.sha256).digest()
    fields = {"sv": version, "sr": "c", "sp": "r", "st": begin, "se": until}
    fields["sig"] = base64.b64encode(digest).decode()
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in fields.items())


@pytest.fixture
def served(request, tmp_path_factory):
    try:
        with start(request.param, tmp_path_factory.mktemp("store"), {}) as found:
            yield found
    except NotInstalled as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("served", ["azurite"], indirect=True)
async def test_a_signature_that_ends_within_a_file_costs_one_token_and_no_byte(
    served, troubled_thread, run_cli, dest
):
    azure_put(served.port, "private", "restype=container", b"", {})
    azure_put(served.port, "private/i.bin", "", BODY, {"x-ms-blob-type": "BlockBlob"})
    site, ends = troubled_thread.site(), []

    def token(seen):
        """The first one ends soon, and says that it does not."""
        ends.append(time.time() + (HOUR if ends else SHORT_SECONDS))
        text = shared_access_signature("private", ends[-1])
        answer = {"msft:expiry": moment(time.time() + HOUR), "token": text}
        return Reply(200, [("Content-Type", "application/json")], json.dumps(answer).encode())

    async def ended():
        await asyncio.sleep(max(0.0, ends[0] + 1.1 - time.time()))  # by the clock of Azurite

    site.route(f"/sas/{AZURE_ACCOUNT}/private", token)
    async with FaultyRelay(served.port) as relay:
        relay.cut(1_000_000, then=ended)
        origin = f"http://127.0.0.1:{relay.port}"
        source = static_catalog(site, [stac_item("i", data=f"{origin}/{AZURE_ACCOUNT}/private/i.bin")])
        words = (source, dest, "--auth", f"{origin}=planetary-computer", "--parts", "off", "-vv", "--json")
        environ = {"PC_SDK_SAS_URL": site.url("/sas")}
        ran = await asyncio.to_thread(run_cli, "mirror", *words, env=environ)
        assert ran.code == 0, ran.err
        assert list(Mirrored(dest).files.values()) == [BODY]
        assert len(ends) == 2
        assert relay.received < len(BODY) + 100_000
    events = [one["event"] for one in ran.events]
    assert events.count("retry") == 1 and not re.search(r"sig=(?!\*)", ran.out + ran.err)


def keys_that_moto_checks(port):
    """The keys of a user of moto who may read, and from now on moto checks every signature."""
    about = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=any/20200101/us-east-1/iam/aws4_request, "
        "SignedHeaders=host, Signature=any",
        "Content-Type": "application/x-www-form-urlencoded",
    }

    def ask(**fields):
        body = urlencode({"Version": "2010-05-08", "UserName": "reader", **fields}).encode()
        return request(port, "POST", "/", body, about).decode()

    policy = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    ask(Action="CreateUser")
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    ask(Action="PutUserPolicy", PolicyName="read", PolicyDocument=document)
    made = ask(Action="CreateAccessKey")
    request(port, "POST", "/moto-api/reset-auth", b"0")
    id_, key = (re.search(f"<{name}>([^<]+)<", made)[1] for name in ("AccessKeyId", "SecretAccessKey"))
    return {"AWS_ACCESS_KEY_ID": unescape(id_), "AWS_SECRET_ACCESS_KEY": unescape(key)}


@pytest.mark.parametrize(
    ("served", "bucket", "keys"),
    [("moto (S3)", "bucket", PLAIN_KEYS), ("rclone serve s3 with keys", "index", ODD_KEYS)],
    indirect=["served"],
)
def test_a_store_finds_the_signatures_right(served, bucket, keys, run_cli, dest):
    bodies = {key: f"{key}\n".encode() * 30 for key in keys}
    for key, body in bodies.items():
        served.put(quoted_key(key) if bucket == "bucket" else key, body, HOUR)
    env = keys_that_moto_checks(served.port) if bucket == "bucket" else RCLONE
    origin = f"http://127.0.0.1:{served.port}"
    words = ("mirror", f"s3://{bucket}", dest, "--endpoint-url", origin, "--auth", f"{origin}=s3")
    wrong = run_cli(*words, env={**env, "AWS_SECRET_ACCESS_KEY": "other"})
    assert wrong.code == 3 and "SignatureDoesNotMatch" in wrong.err, wrong.err
    ran = run_cli(*words, env=env)
    assert ran.code == 0, ran.err + "".join(map(str, Mirrored(dest).errors))
    assert sorted(Mirrored(dest).files.values()) == sorted(bodies.values())
