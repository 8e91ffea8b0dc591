"""One request and its response, as the rate limits and the circuit breaker of its origin see it.

A hop is the sink between a transport and the sink of the caller. It passes the body of an accepted response
on, keeps the beginning of the body of an error response, and reports to the gate, limit and circuit breaker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from ..core.concurrency import LazyAwaitable
from ..core.errors import TransferError, Transient
from ..core.model import Head
from ..core.urls import is_expiring, without_parameters
from .documents import DocumentSink
from .resilience.gate import Gate, OriginLimits
from .status import DENIED, OUTAGE, THROTTLED, is_accepted
from .validators import content_length

if TYPE_CHECKING:
    from ..core.ports import BegunRequest, Buffer, Sink

MAX_ERROR_BODY_BYTES = 8 << 10
LARGE_BODY_BYTES = 1 << 20
"""Larger bodies are counted while they arrive; of smaller ones it is enough to count the responses."""
FAILURE_COST_TOKENS = 5
TIMEOUT_COST_TOKENS = 10
"""Tokens that a failed attempt takes from the retry budget (see `circuit_breaker`)."""
TIMEOUT_KINDS = frozenset({"timeout", "too-slow"})
NO_ANSWER_KINDS = frozenset({"connection", "dns", "protocol", "proxy", "timeout", "tls", "unreachable"})
"""Kinds of errors without any response that count as failures of the origin."""
UNCONNECTED_KINDS = frozenset({"dns", "tls", "unreachable"})
"""Those of them where no connection was made, so that no request was sent."""
DROPPED_KINDS = frozenset({"connection", "timeout"})
"""Those of them by which a server may say that there are too many connections."""
CLOSED_SERVICES = {
    "api.radiant.earth": "Radiant MLHub closed in 2023; set MLHUB_ROOT_URL to a server with its API, or give "
    "the address of a catalogue that has the data set now"
}
"""What to do instead, by host: that these do not answer is not temporary."""
NO_CONNECTION_KINDS = frozenset({"dns", "unreachable", "timeout"})
"""Kinds of errors for hosts that are not there, or that may be reached through a proxy only."""
LOCAL_KINDS = frozenset({"local-shortage"})
"""Kinds of errors that this machine causes."""


class ErrorBodyTooLongError(Exception):
    """The body of an error response is too long: the rest is not read, and the connection is closed."""


class Hop:
    """The response to one request while it arrives. `url` is the request's."""

    __slots__ = (
        *("is_accepted", "write_request"),
        *("aborted_task", "abort_reason", "breaker", "error_body", "gate", "generation", "head", "limits"),
        *("outstanding", "owner", "paused", "received", "received_before", "helpers_before", "stalled"),
        *("started_at", "target", "url"),
    )

    def __init__(
        self,
        target: Sink,
        limits: OriginLimits,
        gate: Gate,
        url: str,
        begun: BegunRequest | None = None,
        *,
        write: bool = False,
    ) -> None:
        """`write`: the request changes what a store has."""
        self.target = target
        self.write_request = write
        self.is_accepted = False
        """whether `target` gets the response"""
        self.limits = limits
        self.gate = gate
        self.breaker = gate.breaker
        self.generation = gate.breaker.generation if begun is None else begun.generation
        self.started_at = limits.clock() if begun is None else begun.sent_at
        self.outstanding = 0
        """bytes of a large body that are still to be received"""
        self.url = url
        self.owner = asyncio.current_task()
        self.aborted_task: asyncio.Task[object] | None = None
        """the task that the watchdog has cancelled, None while it has not"""
        self.abort_reason = ""
        self.stalled = False
        """whether it was aborted as one of the last transfers (see `Watchdog.restart_stalled`)"""
        self.head: Head | None = None
        self.error_body = b""
        self.received = 0
        self.received_before, self.helpers_before = -1, 0
        """at the last check: bytes received, and streams that helped with large files of this origin"""
        self.paused = False
        """whether the sink or a rate limit of this program delays the transfer"""

    def abort(self, reason: str) -> None:
        """End the hop by cancelling the task that awaits it. Called by the watchdog."""
        if self.owner is not None and self.aborted_task is None:
            self.aborted_task, self.abort_reason = self.owner, reason
            self.aborted_task.cancel()

    def start(self, head: Head) -> None:
        self.head = head
        self.is_accepted = is_accepted(head.status, write=self.write_request)
        if self.is_accepted:
            self.gate.limit.answered(self.limits.clock() - self.started_at)
            if (length := content_length(head.headers) or 0) > LARGE_BODY_BYTES:
                self.outstanding = length
                self.gate.limit.in_flight += length
        elif head.status in THROTTLED:
            self.gate.throttled()
        if not self.breaker.healthy and head.status not in OUTAGE:
            # Access to documents is no access to assets: a catalogue may be public and its assets not.
            granted = head.status not in DENIED and not isinstance(self.target, DocumentSink)
            self.gate.answered(self.generation, granted=granted)
        if self.is_accepted:
            self.target.start(head)

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self.received += len(data)
        if self.is_accepted:
            self.gate.limit.work += len(data)
            if self.outstanding:
                self._count_large(len(data))
            busy = self.target.write(data)
            pause = self.limits.rate_limiter.pay(len(data), document=isinstance(self.target, DocumentSink))
            return None if busy is pause is None else LazyAwaitable(partial(self._pause_for, busy, pause))
        self.error_body += bytes(data[: MAX_ERROR_BODY_BYTES - len(self.error_body)])
        if self.received > 8 * MAX_ERROR_BODY_BYTES:
            raise ErrorBodyTooLongError
        return None

    def _count_large(self, size: int) -> None:
        self.outstanding -= size
        self.gate.limit.in_flight -= size
        self.gate.adjust()

    def end(self) -> None:
        """The exchange has ended, with a complete body or without."""
        self.gate.limit.in_flight -= self.outstanding
        self.outstanding = 0

    async def _pause_for(self, *reasons: Awaitable[None] | None) -> None:
        self.paused = True
        for reason in reasons:
            if reason is not None:
                await reason
        self.paused = False


def no_connection_error(error: Transient, host: str, where: str, advice: str) -> TransferError:
    """The error for a host without an answer, `error`, with what to do. `advice` for hosts of any kind."""
    if host in CLOSED_SERVICES:
        reason = error.message.removeprefix(f"{where}: ")
        return TransferError(f"{where}: {CLOSED_SERVICES[host]} ({reason})", kind="closed")
    error.message += advice
    return error


def report_failure(error: BaseException, hop: Hop) -> None:
    """Report that the hop ended with an exception of transport, sink or program."""
    breaker = hop.breaker
    if isinstance(error, Transient) and error.kind not in LOCAL_KINDS:
        cost = TIMEOUT_COST_TOKENS if error.kind in TIMEOUT_KINDS else FAILURE_COST_TOKENS
        breaker.spend(0 if error.free else cost)
        if hop.head is None and error.kind in NO_ANSWER_KINDS:
            error.unanswered = True
            connected = error.kind not in UNCONNECTED_KINDS
            error.free = breaker.failed(hop.generation, hop.url, _reason(error), connected=connected)
            if error.kind in DROPPED_KINDS and hop.gate.dropped():
                error.free = True
    elif isinstance(error, TransferError) and error.untrusted:
        breaker.give_up(error)
    breaker.release(hop.generation)


def report_refusal(error: TransferError, hop: Hop) -> None:
    """Report that the hop ended with a status that is neither a success nor a redirect."""
    breaker = hop.breaker
    if isinstance(error, Transient) and error.retry_after is not None:
        if not error.waits_alone:
            hop.gate.postpone(error)
    elif isinstance(error, Transient):
        breaker.spend(FAILURE_COST_TOKENS)
        if error.outage:
            # A server that limits the rate is up: a few such refusals in a row are no outage.
            # Several sizes of one page are one URL.
            url = "" if error.throttled else without_parameters(hop.url, "limit")
            error.free = breaker.failed(hop.generation, url, f"HTTP {error.status}")
    breaker.release(hop.generation)
    # The client counts refused credentials, after it has renewed them.
    credentials_refused = error.signed and error.unauthorized
    if error.denied and not is_expiring(hop.url) and not credentials_refused:
        breaker.denied()


def _reason(error: TransferError) -> str:
    """The message without its URL."""
    return error.message.rpartition(": ")[2]
