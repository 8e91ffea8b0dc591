"""The sink of one hop: lets bodies through to the target, keeps the start of an error's body."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial

from ..core.concurrency import LazyAwaitable
from ..core.errors import TransferError, Transient
from ..core.model import Head
from ..core.ports import Buffer, Sink
from ..core.urls import is_expiring
from .documents import DocumentSink
from .resilience.gate import Gate, OriginLimits
from .status import ACCEPTED, DENIED, OUTAGE, THROTTLED
from .validators import content_length

MAX_ERROR_BODY = 8 << 10
LARGE_BODY = 1 << 20
"""Bodies of more bytes are counted while they come: of others it is enough to count the answers."""

LOCAL_KINDS = frozenset({"local-shortage"})


class ErrorBodyTooLongError(Exception):
    """An error's body goes on for ever: the connection is given up, what was read is enough."""


class Hop:
    """One answer as it comes in. The breaker of its origin hears of the head at once."""

    __slots__ = (
        *("began", "breaker", "error_body", "expected", "gate", "head", "hurried", "limits", "mark", "owner"),
        *("parts", "paused", "received", "serial", "target", "task", "url", "why"),
    )

    def __init__(self, target: Sink, limits: OriginLimits, gate: Gate, url: str) -> None:
        self.target = target
        self.limits = limits
        self.gate = gate
        self.breaker = gate.breaker
        self.serial = gate.breaker.serial
        self.began = limits.clock()
        self.expected = 0
        """bytes of a large body that are still to come"""
        self.url = url
        self.owner = asyncio.current_task()
        self.task: asyncio.Task[object] | None = None
        """the task that was cancelled for being too slow, None while it was not"""
        self.why = ""
        self.hurried = False
        self.head: Head | None = None
        self.error_body = b""
        self.received = 0
        self.mark, self.parts = -1, 0
        """when it was last looked at: what had been received, and how many parts came from this host"""
        self.paused = False

    def drop(self, why: str) -> None:
        if self.owner is not None and self.task is None:
            self.task, self.why = self.owner, why
            self.task.cancel()

    def start(self, head: Head) -> None:
        self.head = head
        if head.status in ACCEPTED:
            self.gate.limit.answered(self.limits.clock() - self.began)
            if (length := content_length(head.headers) or 0) > LARGE_BODY:
                self.expected = length
                self.gate.limit.in_flight += length
        elif head.status in THROTTLED:
            self.gate.limit.throttled()
        if not self.breaker.calm and head.status not in OUTAGE:
            # An open catalogue over closed assets: that its documents are given out is no permission.
            granted = head.status not in DENIED and not isinstance(self.target, DocumentSink)
            self.breaker.answered(self.serial, granted=granted)
        if head.status in ACCEPTED:
            self.target.start(head)

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self.received += len(data)
        if self.head is not None and self.head.status in ACCEPTED:
            self.gate.limit.work += len(data)
            if self.expected:
                self._arrived(len(data))
            busy = self.target.write(data)
            pause = self.limits.rate_limiter.pay(len(data), document=isinstance(self.target, DocumentSink))
            return None if busy is pause is None else LazyAwaitable(partial(self._pausing, busy, pause))
        self.error_body += bytes(data[: MAX_ERROR_BODY - len(self.error_body)])
        if self.received > 8 * MAX_ERROR_BODY:
            raise ErrorBodyTooLongError
        return None

    def _arrived(self, size: int) -> None:
        self.expected -= size
        self.gate.limit.in_flight -= size
        self.gate.look()

    def end(self) -> None:
        """What was expected and did not come is on its way no more."""
        self.gate.limit.in_flight -= self.expected
        self.expected = 0

    async def _pausing(self, *busy: Awaitable[None] | None) -> None:
        """It is we who keep the server waiting, until all of this is done."""
        self.paused = True
        for one in busy:
            if one is not None:
                await one
        self.paused = False


NO_ANSWER_KINDS = frozenset({"connection", "dns", "protocol", "proxy", "timeout", "tls", "unreachable"})
"""What ends a hop without any answer through the host's fault."""


ATTEMPT_COSTS = {"timeout": 10, "too-slow": 10}


def hop_failed(error: BaseException, answer: Hop) -> None:
    """The hop ended by an exception: of the network, of the sink, or of our own."""
    breaker = answer.breaker
    if isinstance(error, Transient) and error.kind not in LOCAL_KINDS:
        breaker.spend(0 if error.free else ATTEMPT_COSTS.get(error.kind, 5))
        if answer.head is None and error.kind in NO_ANSWER_KINDS:
            error.free = breaker.failed(answer.serial, answer.url, _said(error))
    elif isinstance(error, TransferError) and error.kind == "tls":
        breaker.give_up(error)
    breaker.release(answer.serial)


def hop_refused(error: TransferError, answer: Hop, *, trusted: bool) -> None:
    """The hop ended with a status that is neither a success nor a redirect. `trusted`: it had credentials."""
    breaker = answer.breaker
    if isinstance(error, Transient) and error.retry_after is not None:
        breaker.throttled(error.retry_after)
    elif isinstance(error, Transient):
        breaker.spend(5)
        if error.outage:
            # Who counts our requests is there; a few of them in a row over the count are no outage.
            url = "" if error.throttled else answer.url
            error.free = breaker.failed(answer.serial, url, f"HTTP {error.status}")
    breaker.release(answer.serial)
    if error.denied and not is_expiring(answer.url) and not (trusted and error.unauthorized):
        breaker.denied()


def _said(error: TransferError) -> str:
    """Without the URL, which is this asset's alone."""
    return error.message.rpartition(": ")[2]
