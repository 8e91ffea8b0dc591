"""What the end of one hop says about its host, apart from what it means for the asset."""

from __future__ import annotations

from ..core.errors import TransferError, Transient
from ..core.urls import expiring
from .hop import Answer
from .status import DENIED, OUT, THROTTLED

SILENT = frozenset({"connection", "dns", "protocol", "proxy", "timeout", "tls", "unreachable"})
"""What ends a hop without any answer through the host's fault."""
OURS = frozenset({"local-shortage"})
COSTS = {"timeout": 10, "too-slow": 10}


def lost(error: BaseException, answer: Answer) -> None:
    """The hop ended by an exception: of the network, of the sink, or of our own."""
    breaker = answer.breaker
    if isinstance(error, Transient) and error.kind not in OURS:
        breaker.spend(0 if error.free else COSTS.get(error.kind, 5))
        if answer.head is None and error.kind in SILENT:
            error.free = breaker.failed(answer.serial, answer.url, _said(error))
    elif isinstance(error, TransferError) and error.kind == "tls":
        breaker.give_up(error)
    breaker.release(answer.serial)


def refused(error: TransferError, answer: Answer, *, trusted: bool) -> None:
    """The hop ended with a status that is neither a success nor a redirect. `trusted`: it had credentials."""
    breaker = answer.breaker
    if isinstance(error, Transient) and error.retry_after is not None:
        breaker.throttled(error.retry_after)
    elif isinstance(error, Transient):
        breaker.spend(5)
        if error.status in OUT:
            # Who counts our requests is there; a few of them in a row over the count are no outage.
            url = "" if error.status in THROTTLED else answer.url
            error.free = breaker.failed(answer.serial, url, f"HTTP {error.status}")
    breaker.release(answer.serial)
    if error.status in DENIED and not expiring(answer.url) and not (trusted and error.status == 401):
        breaker.denied()


def _said(error: TransferError) -> str:
    """Without the URL, which is this asset's alone."""
    return error.message.rpartition(": ")[2]
