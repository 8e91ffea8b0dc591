"""The meaning of HTTP status codes: no other module knows their numbers.

An error carries the meaning of its status as attributes (`error.denied`, `error.absent`, ...: see
`core.errors.TransferError`). Statuses that are no refusal have names here, for the modules that read a head.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from ..core import http_date, pattern_on_use
from ..core.errors import TransferError, Transient
from ..core.json_text import parse_json
from ..core.model import Head
from ..core.urls import at_region, redacted, term_safe

if TYPE_CHECKING:
    from collections.abc import Mapping

E = TypeVar("E", bound=TransferError)

SWITCHING_PROTOCOLS = 101
OK = 200
CREATED = 201
TRANSFORMED = 203
"""A 200 whose body a proxy may have changed (RFC 9110 section 15.3.4): its length proves nothing."""
NO_CONTENT = 204
PARTIAL_CONTENT = 206
MOVED = 301
NOT_MODIFIED = 304
TEMPORARY = 307
BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
PROXY_AUTHENTICATION_REQUIRED = 407
PROXY_LOGIN = "a proxy requires a login: --proxy http://user:password@host:port"
PRECONDITION_FAILED = 412
RANGE_NOT_SATISFIABLE = 416
INTERNAL_SERVER_ERROR = 500
MISDIRECTED = 421
"""The request may be answered over another connection (RFC 9110 section 15.5.20)."""

FIRST_FINAL = 200
"""Responses with smaller status codes are interim ones: the final response is still to come."""
WITHOUT_BODY = frozenset({204, 304})
"""Final responses to a GET that have no body, whatever their header fields say (RFC 9112 section 6.3)."""
ACCEPTED = frozenset(
    {OK, TRANSFORMED, PARTIAL_CONTENT, NOT_MODIFIED, PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE}
)
"""Statuses that the caller's sink decides about; every other one is a redirect or a refusal."""
ACCEPTED_WRITES = ACCEPTED | {CREATED, 202, NO_CONTENT, 308}
"""The same for the answer to a PUT or DELETE. 308 without a Location: a part of an upload has come (Google).
202: Azure has carried it out, or will."""
CANCELLED = 499
"""Google has ended an upload, as it was asked to."""
REDIRECTION = range(300, 400)
REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Redirects that are followed if they have a Location."""
REDIRECTS_WITH_METHOD = frozenset({307, 308})
"""Redirects after which a POST stays a POST, with its body."""

SERVER_ERROR = range(500, 600)
LASTING_SERVER_ERRORS = frozenset({501, 505, 506, 508, 510})
"""The server cannot answer such a request. Every other server error may pass by itself, known or not."""
THROTTLED = frozenset({429, 503})
PASSING = THROTTLED | {408, 425} | (frozenset(SERVER_ERROR) - LASTING_SERVER_ERRORS)
"""Refusals that may pass by themselves. These, `NOT_READY` and some `PASSING_IF_SAID` are tried again."""
PASSING_IF_SAID = frozenset({FORBIDDEN, 409, 423})
"""Refusals that last, unless the answer says when to come again, or has one of `PASSING_CODES`."""
PASSING_CODES = frozenset(
    {
        *("BandwidthLimitExceeded", "ConditionalRequestConflict", "InternalError", "OperationAborted"),
        *("PriorRequestNotComplete", "RequestLimitExceeded", "RequestThrottled", "RequestTimeout"),
        *("ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"),
        *("TransactionInProgressException",),
        *("AccountBeingCreated", "BlobBeingRehydrated", "ContainerBeingDeleted", "OperationTimedOut"),
        *("PendingCopyOperation", "ServerBusy", "SnapshotOperationRateExceeded", "SystemInUse"),
        *("backendError", "rateLimitExceeded", "userRateLimitExceeded"),
    }
)
"""Error codes of S3, Azure and Google for conditions that pass."""
PASSING_BY_CODE = PASSING_IF_SAID | {400}
"""Statuses under which these codes are sent: S3 says RequestTimeout under 400."""
NOT_READY = frozenset({202})
"""The server has accepted the request and will have the content later."""
OUTAGE = PASSING - {408, 425, 500}
"""Refusals by what stands in front of the server that has the asset: the origin is down or overloaded."""
DENIED = frozenset({UNAUTHORIZED, FORBIDDEN})
ABSENT = frozenset({NOT_FOUND, 410})
EXPIRY = frozenset({400, *DENIED, *ABSENT})
"""How object stores refuse a signed URL that has expired."""
UNSIGNED = frozenset({400, *DENIED, 410})
"""How servers refuse a request whose credentials are missing or have ended."""
UNMET_CODES = frozenset(
    {"BlobAlreadyExists", "ConditionNotMet", "SourceConditionNotMet", "TargetConditionNotMet"}
)
"""Error codes of Azure for a condition that is not met, which it sends under 409 too."""
RETAINED_CODES = frozenset(
    {
        *("BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy", "ContainerImmutableDueToPolicy"),
        *("objectUnderActiveHold", "retentionPolicyNotMet"),
    }
)
"""Error codes of Azure and Google for what a retention policy keeps."""
UNSIGNED_CODES = frozenset({"NoAuthenticationInformation", "PublicAccessNotPermitted", "ResourceNotFound"})
"""Error codes of Azure for a container that is not public. Of an absent object it says BlobNotFound."""
REJECTED = frozenset({400, 422})
UNSUPPORTED = frozenset({405, 414, 501})
OVERSIZED = REJECTED | {413, 500, 502, 504}
"""How servers refuse, or fail at, a page that is larger than they can make."""
KINDS = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    407: "proxy",
    410: "gone",
    413: "too-big",
}
"""`error.kind` of a refusal that is not tried again."""
_NONE_FOUND = pattern_on_use(
    r"\b(no|0|zero) (matching |such )?(features?|items?|records?|results?)\b.{0,20}\b(found|match)",
    re.IGNORECASE,
)
_PLAIN_TO_TLS = pattern_on_use(
    rb"plain HTTP request (?:was )?sent to (?:an )?HTTPS port|speaking plain HTTP to an SSL"
    rb"|HTTP request to an HTTPS server",
    re.IGNORECASE,
)
"""How nginx, Apache and Go answer a plain request where they speak TLS, under the status 400."""
_CODE = pattern_on_use(rb"<Code>\s*([A-Za-z0-9]{1,64})\s*</Code>")
_GOOGLE_CODE = pattern_on_use(rb'"errors"\s*:\s*\[\s*\{[^}]*"reason"\s*:\s*"([A-Za-z]{1,64})"')
_JSON_CODE = pattern_on_use(rb'"(?:code|reason|status)"\s*:\s*"([A-Za-z0-9]{1,64})"')
_QUERY = pattern_on_use(r"\?[^\s\"'<>]+")
_EXPLAINING = ("detail", "description", "message", "title", "error")
MAX_EXPLANATION = 200
"""Characters of a server's explanation that are shown."""


def moved_to_region(head: Head) -> Head:
    """The head as a redirect, where Amazon S3 says in which region a bucket is, and not where that is."""
    region = head.headers.get("x-amz-bucket-region", "")
    if not region or head.status not in (MOVED, BAD_REQUEST) or "location" in head.headers:
        return head
    url = at_region(head.url, region)
    return head._replace(status=TEMPORARY, headers={**head.headers, "location": url}) if url else head


def is_write(method: str) -> bool:
    """Whether a request changes what a store has, and is answered by other statuses than one that reads."""
    return method in ("PUT", "DELETE")


def is_accepted(status: int, *, write: bool) -> bool:
    """Whether the caller's sink decides about a response. `write`: see `is_write`."""
    return status in (ACCEPTED_WRITES if write else ACCEPTED)


def answered(head: Head, *, write: bool) -> Head | None:
    """The head of a redirect, or of a response that is accepted; None for a refusal."""
    if head.status in REDIRECTS and head.headers.get("location"):
        return head
    if not is_accepted(head.status, write=write):
        return None
    return head._replace(status=OK) if head.status in REDIRECTS else head


def refusal(head: Head, body: bytes, url: str) -> TransferError:
    """The error for a response that is neither a success nor a redirect. `body`: its first bytes."""
    message = f"{redacted(url)}: HTTP {head.status}{_detail(head, body)}"
    if head.status == PROXY_AUTHENTICATION_REQUIRED:
        message += f": {PROXY_LOGIN}"
    if head.status in REJECTED and url.startswith("http:") and _PLAIN_TO_TLS.search(body):
        message += ": did you mean https://?"
    if head.status in REDIRECTION:
        message += " without a usable Location"
    if (passing := _passing(head, body, message)) is not None:
        return passing
    error = refused(head.status, message)
    error.none_found = error.absent and _says_none_found(body)
    error.misdirected = head.status == MISDIRECTED
    code = _code(head, body)
    error.missing_keys = code in UNSIGNED_CODES
    error.maybe_unsigned |= error.missing_keys
    error.unmet |= code in UNMET_CODES
    error.retained = code in RETAINED_CODES
    if error.maybe_unsigned:
        error.server_time = _server_time(head.headers)
    if isinstance(error, Transient):
        error.retry_after = _retry_after(head.headers)
        error.waits_alone = head.status in NOT_READY
    return error


def _passing(head: Head, body: bytes, message: str) -> Transient | None:
    """The error for a refusal that lasts by its status and passes by what the server says of it."""
    status, wait, said = head.status, None, False
    if status in PASSING_IF_SAID:
        wait = _retry_after(head.headers, only_if_exhausted=True)
        said = wait is not None or "retry-after" in head.headers
    if not said and status in PASSING_BY_CODE:
        codes = {_code(head, body), *(one.decode() for one in _JSON_CODE.findall(body))}
        said = not codes.isdisjoint(PASSING_CODES)
    if not said:
        return None
    error = Transient(message, kind="throttled", status=status, retry_after=wait)
    error.throttled = True
    return error


def _server_time(fields: Mapping[str, str]) -> float | None:
    """The time of an answer, which a cache may have had for a while, by the clock of its server."""
    found, age = http_date(fields.get("date", "")), fields.get("age", "")
    if found is None:
        return None
    return found.timestamp() + (int(age) if age.isascii() and age.isdecimal() and len(age) < 9 else 0)


def _retry_after(fields: Mapping[str, str], *, only_if_exhausted: bool = False) -> float | None:
    from .resilience.retry_after import retry_after  # most runs meet no refusal

    return retry_after(fields, only_if_exhausted=only_if_exhausted)


def refused(status: int, message: str) -> TransferError:
    """The error that a status code other than a success stands for, with this message."""
    if status in THROTTLED:
        return classified(Transient(message, kind="throttled", status=status))
    if status in PASSING:
        return classified(Transient(message, kind="server-error", status=status))
    if status in NOT_READY:
        return Transient(f"{message}, the server has it later", kind="not-ready", status=status)
    if status in REDIRECTION:
        return TransferError(message, kind="redirect-refused", status=status)
    other = "server-error" if status in SERVER_ERROR else "refused"
    return classified(TransferError(message, kind=KINDS.get(status, other), status=status))


def classified(error: E) -> E:
    """The same error, its attributes set to what its `status` means."""
    status = error.status
    error.throttled = status in THROTTLED
    error.outage = status in OUTAGE
    error.unauthorized = status == UNAUTHORIZED
    error.denied = status in DENIED
    error.absent = status in ABSENT
    error.maybe_unsigned = status in UNSIGNED
    error.maybe_expired = status in EXPIRY
    error.unmet = status == PRECONDITION_FAILED
    error.rejected = status in REJECTED
    error.unsupported = status in UNSUPPORTED
    error.failing = status == INTERNAL_SERVER_ERROR
    error.oversized = status in OVERSIZED
    error.no_content = status in (NO_CONTENT, CANCELLED)
    return error


def _says_none_found(body: bytes) -> bool:
    """Whether the body of a 404 is a JSON object that says that a search found nothing."""
    try:
        found = parse_json(body)
    except ValueError:
        return False
    texts = found.values() if isinstance(found, dict) else ()
    return any(isinstance(text, str) and _NONE_FOUND.search(text) for text in texts)


def _code(head: Head, body: bytes) -> str:
    """The error code of an object store, "" without one."""
    found = _CODE.search(body) or _GOOGLE_CODE.search(body)
    return head.headers.get("x-ms-error-code", "") or (found.group(1).decode() if found else "")


def _detail(head: Head, body: bytes) -> str:
    """The error code of an object store, never its free text: that may quote the signed request.

    Of an API that refuses a request, which it explains in JSON, the explanation without queries of URLs.
    """
    code = _code(head, body)
    if not code and head.status in REJECTED | UNSUPPORTED:
        code = _QUERY.sub("?…", _explanation(body))
    return f" ({term_safe(code, MAX_EXPLANATION)})" if code else ""


def _explanation(body: bytes) -> str:
    """What the JSON of a refusal says for people (RFC 9457, OGC API, FastAPI); "" if it says nothing."""
    try:
        found = parse_json(body)
    except ValueError:
        return ""
    said = [found.get(name) for name in _EXPLAINING] if isinstance(found, dict) else []
    first = next((one for one in said if one), "")
    if isinstance(first, list):
        first = first[0]
    if isinstance(first, dict):
        first = first.get("msg") or first.get("message")
    return first if isinstance(first, str) else ""
