"""Orders: the files that the small-file path can ask for, with all that can be known before it does."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from ...core.errors import MlhubError
from ...core.model import Job, Record, Request
from ...core.ports import BegunRequest, LaneExchange, RequestLane
from ...core.urls import canonical, parse
from ...core.urls import origin as origin_of
from ...http.decoding.body import AS_STORED
from ...http.resilience.gate import Gate
from ..context import TransferContext
from ..dedupe import InFlight
from .checks import checked, is_eligible, is_ordinary, record_of

_PLAIN = re.compile(
    r"(https?://[a-z0-9._-]+(?::[0-9]+)?)((?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*+)++)", re.ASCII
).fullmatch
"""Origin and path of a URL of the plain form: it is sent as it is written, and is its own identity."""
MAX_ORIGINS = 100
"""Files of any further origin go the general way."""


class SmallFileRun(Protocol):
    """What an order knows of the path; see `small_files.SmallFiles`."""

    context: TransferContext
    stopped: bool

    def clear(self, origin: OriginOrders) -> None: ...

    def landed(self, order: Order, record: Record, waited: float) -> None: ...

    def gave_up(self, order: Order, exchange: LaneExchange | None) -> None: ...


class OriginOrders:
    """The orders for one origin.

    `tail`: what follows the path in a request. If it is `signed`, each request is made when it is sent:
    signatures may depend on the path, and credentials may be renewed.
    """

    __slots__ = ("gate", "lane", "signed", "tail", "waiting")

    def __init__(self, gate: Gate, lane: RequestLane, signed: bool, tail: bytes) -> None:
        self.gate = gate
        self.lane = lane
        self.signed = signed
        self.tail = tail
        self.waiting: deque[Order] = deque()

    @property
    def well(self) -> bool:
        """Whether orders may wait here for their turn; else the general path must ask first."""
        return self.lane.open and self.gate.well


class Order(InFlight):
    """One file. It takes the response of its request: see `ports.LaneSink`."""

    __slots__ = (
        "_files",
        "_sent",
        "generation",
        "job",
        "message",
        "origin",
        "record",
        "sent_at",
        "staged",
        "url",
    )

    def __init__(self, files: SmallFileRun, job: Job, origin: OriginOrders, message: bytes) -> None:
        self.urls: tuple[str, ...] = ()
        self.finished = None
        self.stalled = False
        self._files = files
        self._sent: Request | None = None
        self.job = job
        self.url = job.asset.href
        self.origin = origin
        self.message = message
        self.sent_at = 0.0
        self.generation = 0
        self.record: Record | None = None
        self.staged = ""

    def sign(self) -> bool:
        """Make the request of a signed order; false where none can be made at present."""
        try:
            if (prepared := self._files.context.http.prepared(self.url)) is None:
                return False
            self._sent, request = prepared
            self.message = self.origin.lane.message(request)
        except MlhubError:
            return False
        return True

    def accepts(self, fields: Mapping[str, str], body: memoryview) -> bool:
        """Check the body, and write it to a file without a name; false if it is not ordinary."""
        files, job = self._files, self.job
        store = files.context.store
        if files.stopped or not is_ordinary(fields, len(body), job.asset, store.small_bytes):
            return False
        if not (sha256 := checked(job, fields, body)):
            return False
        try:
            self.staged, mtime_ns = store.stage(body)
        except MlhubError:  # the general path meets it, too, and knows what to do
            return False
        self.record = record_of(job, fields, len(body), sha256, mtime_ns)
        return True

    def landed(self, waited: float) -> None:
        assert self.record is not None
        self._files.landed(self, self.record, waited)

    def gave_up(self, exchange: LaneExchange | None) -> None:
        self._files.gave_up(self, exchange)

    def begun(self, exchange: LaneExchange | None) -> BegunRequest | None:
        """What the general path goes on with."""
        if exchange is None:
            return None
        sent = self._sent or Request(self.url, headers=AS_STORED)
        leave = self.origin.gate.leave
        return BegunRequest(sent, self.sent_at, self.generation, exchange, exchange.discard, leave)


class OrderMaker:
    """Makes orders of the jobs that are eligible."""

    def __init__(self, files: SmallFileRun) -> None:
        self._files = files
        self._context = files.context
        self._origins: dict[str, OriginOrders | None] = {}
        """by the beginning of URLs; None: the origin cannot be asked so"""

    @property
    def origins(self) -> list[OriginOrders]:
        return [one for one in self._origins.values() if one is not None]

    def order(self, job: Job) -> Order | None:
        """The order for a job, None if it must go the general way."""
        url = job.asset.href
        if (plain := _PLAIN(url)) is None or "/download/" in url or not self._is_new(job):
            return None
        place, path = plain.groups()
        if place not in self._origins and len(self._origins) < MAX_ORIGINS:
            self._origins[place] = self._origin(place, url)
        origin = self._origins.get(place)
        if origin is None or not (origin.gate.well and origin.lane.open):
            return None
        message = b"" if origin.signed else b"GET %b%b" % (path.encode(), origin.tail)
        return Order(self._files, job, origin, message)

    def _is_new(self, job: Job) -> bool:
        """Whether nothing is known of the file: not on disk, not in the ledger, not under way."""
        asset, context = job.asset, self._context
        small = asset.size is None or asset.size <= context.store.small_bytes
        return (
            small
            and not asset.unavailable
            and is_eligible(job)
            and not context.dedupe.knows(asset.href, known_url=job.known_url)
            and not context.existing.may_keep(job)
            and not context.store.has_partial(asset.identity)
        )

    def _origin(self, place: str, url: str) -> OriginOrders | None:
        http = self._context.http
        try:
            if canonical(parse(url)) != url or (prepared := http.prepared(url)) is None:
                return None
            here = origin_of(url)
            if (lane := http.lanes(here)) is None:
                return None
            tail = lane.message(prepared[1]).partition(url[len(place) :].encode())[2]
        except MlhubError:
            return None
        origin = OriginOrders(http.limits.gate(here), lane, http.signs(here), tail)
        origin.gate.on_clear = partial(self._files.clear, origin)
        return origin
