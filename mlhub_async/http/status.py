"""What a status that is no success means: the one table of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..core.errors import TransferError, Transient
from ..core.model import Head
from ..core.urls import redacted, term_safe

SERVER_TROUBLE = frozenset({408, 425, 500, 502, 504, 511, 520, 521, 522, 523, 524, 529})
THROTTLED = frozenset({429, 503})
OUTAGE = frozenset({429, 502, 503, 504, 520, 521, 522, 523, 524, 529})
"""What is said where a host is out or overrun: not by the one that has the asset, but in front of it."""
DENIED = frozenset({401, 403})
KINDS = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    407: "proxy",
    410: "gone",
    413: "too-big",
}
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_DELTA = re.compile(r"[0-9]{1,9}", re.ASCII)


def refusal(head: Head, body: bytes, url: str) -> TransferError:
    """The error for an answer that is neither a success nor a redirect. `body`: its first bytes."""
    what = f"{redacted(url)}: HTTP {head.status}{_detail(head, body)}"
    if head.status in THROTTLED:
        return Transient(what, kind="throttled", status=head.status, retry_after=retry_after(head))
    if head.status in SERVER_TROUBLE:
        return Transient(what, kind="server-error", status=head.status)
    if 300 <= head.status < 400:
        return TransferError(f"{what} without a usable Location", kind="redirect-refused", status=head.status)
    kind = KINDS.get(head.status, "refused" if head.status < 500 else "server-error")
    return TransferError(what, kind=kind, status=head.status)


def _detail(head: Head, body: bytes) -> str:
    """The error code of an object store, never its free text: that may quote the signed request."""
    code = head.headers.get("x-ms-error-code", "")
    found = _CODE.search(body)
    code = code or (found.group(1).decode() if found else "")
    return f" ({term_safe(code, 64)})" if code else ""


def retry_after(head: Head) -> float | None:
    """Seconds of RFC 9110 section 10.2.3, in both forms; None when absent, not understood or not any more.

    A date counts against the answer's own Date, so that a wrong local clock does not matter; where the
    answer has none, against ours.
    """
    text = head.headers.get("retry-after", "").strip()
    if _DELTA.fullmatch(text):
        return float(text) or None
    try:
        until = parsedate_to_datetime(text)
        said = head.headers.get("date", "")
        since = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return max((until - since).total_seconds(), 0.0) or None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
