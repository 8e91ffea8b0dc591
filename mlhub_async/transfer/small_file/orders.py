"""Orders: the files that the small-file path can ask for, with all that can be known before it does."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from ...core.errors import MlhubError
from ...core.formats.sniffing import SNIFF_BYTES
from ...core.model import Job, Record, Request
from ...core.urls import identify, split_plain
from ...core.urls import origin as origin_of
from ...http.decoding.body import AS_STORED
from ...http.resilience.gate import Gate
from ..context import TransferContext
from .checks import is_as_promised, is_eligible, lacks_its_end, record_of
from .final_names import StagedFile

if TYPE_CHECKING:
    from ...core.ports import BegunExchange, BegunRequest, LaneExchange, RequestLane

MAX_ORIGINS = 100
"""Files of any further origin go the general way."""


class SmallFileRun(Protocol):
    """What an order knows of the path; see `small_files.SmallFiles`."""

    context: TransferContext
    stopped: bool

    def clear(self, origin: OriginOrders) -> None: ...

    def landed(self, order: Order, record: Record, exchange: LaneExchange, waited: float) -> None: ...

    def gave_up(self, order: Order, exchange: BegunExchange | None) -> None: ...


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


class Order(StagedFile):
    """One file. It takes the response of its request: see `ports.LaneSink`.

    `sent_at` and `generation` (of the circuit breaker) are those of the request.
    """

    __slots__ = (
        *("_files", "_sent", "generation", "job", "message"),
        *("origin", "sent_at"),
    )

    sent_at: float
    generation: int

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

    def accepts(
        self, exchange: LaneExchange, fields: Mapping[str, str], body: memoryview, waited: float
    ) -> bool:
        """Check the body, and write it to a file without a name; false if it is not ordinary."""
        files, job, size = self._files, self.job, len(body)
        store = files.context.store
        if files.stopped or size > store.small_bytes or job.asset.size not in (None, size):
            return False
        digest = sha256(body)
        if not is_as_promised(job, fields, bytes(body[:SNIFF_BYTES]), digest.digest()):
            return False
        if lacks_its_end(job, fields, body):
            return False
        try:
            self.staged, mtime_ns = store.stage(body)
        except MlhubError:  # the general path meets it, too, and knows what to do
            return False
        files.landed(self, record_of(job, fields, size, digest.hexdigest(), mtime_ns), exchange, waited)
        return True

    def gave_up(self, exchange: BegunExchange | None) -> None:
        self._files.gave_up(self, exchange)

    def begun(self, exchange: BegunExchange | None) -> BegunRequest | None:
        """What the general path goes on with."""
        if exchange is None:
            return None
        from ...core.ports import BegunRequest

        sent = self._sent or Request(self.url, headers=AS_STORED)
        leave = self.origin.gate.leave
        return BegunRequest(sent, self.sent_at, self.generation, exchange, exchange.discard, leave)


class OrderMaker:
    """Makes orders of the jobs that are eligible."""

    def __init__(self, files: SmallFileRun) -> None:
        self._files = files
        self._context = context = files.context
        self._looks_at_files = context.existing.looks_at_files
        self._has_partials = context.store.has_partials
        self._origins: dict[str, OriginOrders | None] = {}
        """by the beginning of URLs; None: the origin cannot be asked so"""

    @property
    def origins(self) -> list[OriginOrders]:
        return [one for one in self._origins.values() if one is not None]

    def order(self, job: Job) -> Order | None:
        """The order for a job, None if it must go the general way. Others wait for its URL from now on."""
        url = job.asset.href
        if (plain := split_plain(url)) is None or "/download/" in url or not is_eligible(job):
            return None
        place, path = plain.groups()
        if place not in self._origins and len(self._origins) < MAX_ORIGINS:
            self._origins[place] = self._origin(place, url)
        origin = self._origins.get(place)
        if origin is None or not (origin.gate.well and origin.lane.open) or not self._is_new(job):
            return None
        message = b"" if origin.signed else b"GET %b%b" % (path.encode(), origin.tail)
        order = Order(self._files, job, origin, message)
        return order if self._context.dedupe.begin_first(url, order, known_url=job.known_url) else None

    def _is_new(self, job: Job) -> bool:
        """Whether nothing of the file is on disk, and it may be small."""
        asset, context = job.asset, self._context
        if asset.unavailable or (asset.size or 1) > context.store.small_bytes:
            return False
        if context.references is not None and context.references.may_have(job):
            return False
        if (self._looks_at_files or asset.checksum is not None) and context.existing.may_keep(job):
            return False
        return not (self._has_partials and context.store.has_partial(asset.identity))

    def _origin(self, place: str, url: str) -> OriginOrders | None:
        http = self._context.http
        try:
            if identify(url) != url or (prepared := http.prepared(url)) is None:
                return None
            here = origin_of(url)
            if (lane := http.lanes(here)) is None:
                return None
            tail = lane.message(prepared[1]).partition(url[len(place) :].encode())[2]
        except MlhubError:
            return None
        origin = OriginOrders(http.limits.gate(here), lane, http.signs(here), tail)
        origin.gate.on_clear = partial(self._files.clear, origin)
        origin.gate.orders = origin.waiting.__len__
        return origin
