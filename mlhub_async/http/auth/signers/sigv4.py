"""AWS Signature Version 4 in header fields, for requests to S3 with and without a body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from ....core.model import Request
from ....core.ports import Refused
from ....core.secret import Secret
from ....core.urls import Origin, origin

ALGORITHM = "AWS4-HMAC-SHA256"
BODY_FIELD = "x-amz-content-sha256"
DATE_FIELD = "x-amz-date"
SIGNED_PREFIX = "x-amz-"
"""Of the names of fields that must be signed."""
MAX_SKEW_SECONDS = 900.0
"""S3 refuses a signature whose time differs more from its own."""
_is_plain_path = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.~-]*)*", re.ASCII).fullmatch
_DOT_SEGMENT = re.compile(r"(?<![^/])\.{1,2}(?![^/])")
_TIME = "%Y%m%dT%H%M%SZ"


class S3Keys(NamedTuple):
    """The keys of an account; `session_token` is that of temporary ones, else ""."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret = Secret("")


class SigningClock:
    """The time to sign requests with, in seconds since 1970: that of this machine, or that of a host where it
    is another one by more than S3 allows, as a refusal has told."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead: dict[Origin, float] = {}

    def seconds(self, url: str) -> float:
        return self._clock() + self._ahead.get(origin(url), 0.0)

    def is_set_by(self, refused: Refused) -> bool:
        """Take the time of the host from a refusal. False where that is the time which is used already."""
        told, url = refused.error.server_time, refused.sent.url
        if told is None or abs(told - self.seconds(url)) <= MAX_SKEW_SECONDS:
            return False
        self._ahead[origin(url)] = told - self._clock()
        return True


def with_sigv4(request: Request, keys: S3Keys, region: str, now: float, *, pays: bool = False) -> Request:
    """The request with a signature of Unix time `now`, which is valid for a quarter of an hour.

    `pays`: the requester agrees to pay. In the path all but unreserved characters are encoded, as some
    servers sign what was sent, and others what they would have sent. Of the fields that the request has
    already those of S3 are signed, and none else, such as a Range. A request with a body may have the digest
    of that in a field already.
    """
    request = _with_encoded_path(request)
    date = time.strftime(_TIME, time.gmtime(now))
    named = {name.lower(): value for name, value in request.headers.items()}
    fields = {name: value for name, value in named.items() if name.startswith(SIGNED_PREFIX)}
    fields[DATE_FIELD] = date
    if BODY_FIELD not in fields:
        fields[BODY_FIELD] = hashlib.sha256(request.body or b"").hexdigest()
    if keys.session_token:
        fields["x-amz-security-token"] = keys.session_token.reveal()
    if pays:
        fields["x-amz-request-payer"] = "requester"
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    names = ";".join(sorted({"host", *fields}))
    canonical = hashlib.sha256(_canonical(request, fields).encode()).hexdigest()
    said = "\n".join((ALGORITHM, date, scope, canonical))
    key = b"AWS4" + keys.secret_access_key.reveal().encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, said.encode(), "sha256").hex()
    credential = f"Credential={keys.access_key_id}/{scope}"
    authorization = f"{ALGORITHM} {credential},SignedHeaders={names},Signature={signature}"
    replaced = {"authorization", *fields}
    kept = {name: value for name, value in request.headers.items() if name.lower() not in replaced}
    return request._replace(headers={**kept, **fields, "Authorization": authorization})


def _with_encoded_path(request: Request) -> Request:
    start, question, query = request.url.partition("?")
    at = start.find("/", start.find("://") + 3)
    if at < 0 or _is_plain_path(start[at:]):
        return request
    path = _DOT_SEGMENT.sub(lambda dots: "%2E" * len(dots[0]), _encoded(start[at:], "/"))
    return request._replace(url=start[:at] + path + question + query)


def _canonical(request: Request, fields: dict[str, str]) -> str:
    """The canonical request: all but unreserved characters are encoded, nothing of the path is resolved."""
    start, _, query = request.url.partition("?")
    here = origin(start)
    path = start[start.find("/", start.find("://") + 3) :] if start.count("/") > 2 else "/"
    signed = {**fields, "host": str(here).partition("://")[2]}
    lines = [f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed)]
    parts = (request.method, _encoded(path, "/"), _canonical_query(query), "".join(lines))
    return "\n".join((*parts, ";".join(sorted(signed)), fields[BODY_FIELD]))


def _canonical_query(query: str) -> str:
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    return "&".join(sorted(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs))


def _encoded(text: str, safe: str = "") -> str:
    return quote(unquote_to_bytes(text), safe=f"{safe}-_.~")


def signed_at(request: Request) -> float | None:
    """When a request was signed, as a Unix time; None for one without a signature."""
    from calendar import timegm

    date = request.headers.get(DATE_FIELD)
    return None if date is None else float(timegm(time.strptime(date, _TIME)))
