"""When a server wants to be asked again, by the header fields of its refusal."""

import json
import time
from email.utils import formatdate

import pytest

from mlhub_async.core.errors import Transient
from mlhub_async.core.model import Head
from mlhub_async.http.resilience.retry_after import retry_after
from mlhub_async.http.status import OUTAGE, PASSING, refusal

NOW = 1_700_000_000
DATE = {"date": formatdate(NOW, usegmt=True)}
"""The server's clock, which is years behind ours."""


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"retry-after": "120"}, 120),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 1.25 "}, 1.25),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": formatdate(NOW + 7, usegmt=True)}, 7),
        ({"retry-after": formatdate(NOW - 7, usegmt=True)}, None),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"ratelimit": '"default";r=0;t=5'}, 5),
        ({"ratelimit": "default;r=0;t=5"}, 5),
        ({"ratelimit": '"burst";t=2;r=0, "daily";r=800;t=50000'}, 2),
        ({"ratelimit": '"burst";r=3;t=2'}, None),
        ({"ratelimit": '"burst";t=2'}, 2),
        ({"ratelimit": "limit=100, remaining=0, reset=9"}, 9),
        ({"ratelimit": "limit=100, remaining=40, reset=9"}, None),
        ({"ratelimit": "r=0"}, None),
        ({"ratelimit-reset": "4"}, 4),
        ({"ratelimit-reset": "4", "ratelimit-remaining": "0"}, 4),
        ({"ratelimit-reset": "4", "ratelimit-remaining": "9"}, None),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": str(NOW + 30)}, 30),
        ({"x-ratelimit-reset": f"{NOW + 30}.5"}, 30.5),
        ({"x-ratelimit-reset": str(1000 * (NOW + 30))}, 30),
        ({"x-ratelimit-reset": "2023-11-14T22:13:50Z"}, 30),
        ({"x-ratelimit-reset": str(NOW - 30)}, None),
        ({"x-rate-limit-reset": str(NOW + 3)}, 3),
        ({"x-ratelimit-reset": "60", "x-ratelimit-remaining": "4999"}, None),
        ({"retry-after": "2", "ratelimit": '"d";r=0;t=90', "x-ratelimit-reset": "90"}, 2),
        ({"retry-after": "soon", "ratelimit-reset": "3"}, 3),
        ({}, None),
    ],
    ids=str,
)
def test_every_way_to_say_when_is_read(fields, seconds):
    assert retry_after(DATE | fields) == seconds


def test_a_unix_time_counts_against_our_clock_where_the_server_tells_none():
    assert 28 < retry_after({"x-ratelimit-reset": str(int(time.time()) + 30)}) <= 30


def refused(status, body=b"", **fields):
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    return refusal(Head(status, names, "https://h.test/x"), body, "https://h.test/x")


def test_every_server_error_passes_but_five():
    lasting = {status for status in range(500, 600) if not isinstance(refused(status), Transient)}
    assert lasting == {501, 505, 506, 508, 510}
    assert {refused(status).kind for status in lasting | {500, 507, 530, 561, 599}} == {"server-error"}
    assert OUTAGE < PASSING and {429, 502, 503, 504, 509, 520, 530, 598} < OUTAGE and 500 not in OUTAGE


@pytest.mark.parametrize("status", [403, 409, 423])
def test_a_refusal_passes_only_where_the_server_says_so(status):
    lasting = [
        refused(status),
        refused(status, b"<Error><Code>AccessDenied</Code></Error>", x_ratelimit_reset="60"),
        refused(status, b"{}", x_ratelimit_reset="60", x_ratelimit_remaining="4000"),
    ]
    assert not [error for error in lasting if isinstance(error, Transient)]
    slow = json.dumps({"error": {"errors": [{"reason": "rateLimitExceeded"}]}}).encode()
    passing = [
        refused(status, retry_after="0.5"),
        refused(status, retry_after="0"),
        refused(status, x_ratelimit_reset="60", x_ratelimit_remaining="0"),
        refused(status, b"<Error><Code>SlowDown</Code></Error>"),
        refused(status, x_ms_error_code="ServerBusy"),
        refused(status, slow),
    ]
    assert [error.retry_after for error in passing if isinstance(error, Transient)] == [
        *(0.5, None, 60.0, None, None, None)
    ]
    assert not [error for error in passing if error.denied or error.maybe_expired]


@pytest.mark.parametrize("status", [400, 401, 402, 404, 405, 406, 410, 411, 413, 414, 415, 418, 422, 451])
def test_other_refusals_last_whatever_they_say(status):
    assert not isinstance(refused(status, retry_after="1", x_ratelimit_remaining="0"), Transient)


def test_an_object_store_that_waited_too_long_for_a_request_is_asked_again():
    assert isinstance(refused(400, b"<Error><Code>RequestTimeout</Code></Error>"), Transient)
    assert not isinstance(refused(404, b"<Error><Code>NoSuchKey</Code></Error>"), Transient)


def test_content_that_is_made_later_holds_back_its_own_requests_only():
    later = refused(202, retry_after="3")
    assert (later.kind, later.retry_after, later.waits_alone) == ("not-ready", 3, True)
    assert not refused(503, retry_after="3").waits_alone
