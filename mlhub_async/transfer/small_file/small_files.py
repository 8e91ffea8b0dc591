"""The small-file path: one file, one connection, no task.

    submit ──► Order ──► _advance ──► lane ──► Order.accepts ──► landed ──► settle: log, name, ledger
                 ▲          │  ▲                    │               │
    general path └──────────┘  └── slot, connection ┼───────────────┘
                  not well            gave_up ──────┴──► general path, with all that was received

It decides nothing about trouble. It asks for files while their origin is known to be well (`Gate.clear`), and
gives everything that is odd to the general path: a response with the bytes that came, an order that nobody
was asked for as a job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from ...core.concurrency import FirstErrorGroup
from ...core.model import Job, Outcome, Record, Status
from ..context import TransferContext
from ..dedupe import InFlight
from .final_names import FinalNames
from .orders import Order, OrderMaker, OriginOrders

if TYPE_CHECKING:
    from ...core.ports import BegunExchange, BegunRequest, LaneExchange, Settle, Settled, Submit

MAX_ORDERS = 1_000
"""Orders that wait; the listing waits above that."""
FEW_ORDERS = 64
"""If no more than these wait at the end, a request that stalls holds up the run."""
MAX_LANDED = 100
"""Files that wait for their names; no further one is asked for above that."""
SETTLED_AT_ONCE = 32
SETTLE_SECONDS = 0.02
"""Files get their names when there are so many, or so long after the first of them has landed, or as soon as
no other is under way."""


class Work(Protocol):
    """Carries out a job on the general path, from where a lane has left it."""

    def __call__(self, job: Job, begun: BegunRequest | None, own: InFlight) -> Awaitable[None]: ...


class SmallFiles:
    """The small-file path of one run. `put` gives a job to the general path."""

    def __init__(self, context: TransferContext, put: Submit, settle: Settle, work: Work) -> None:
        self.context = context
        self.stopped = False
        self._observed = context.events.observed
        self._put = put
        self._settle = settle
        self._work = work
        assert context.idle_slots.pool is not None, "to be made by a producer of the pool"
        self._pool = context.idle_slots.pool
        self._loop = asyncio.get_running_loop()
        self._clock = context.http.limits.clock
        self._orders = OrderMaker(self)
        self._waiting = self._in_flight = self._settling = 0
        """orders by where they are"""
        self._landed: list[Settled] = []
        self._names = FinalNames[Order](context, self._start_general)
        """for those that have landed"""
        self._timer: asyncio.TimerHandle | None = None
        """for those in `_landed`"""
        self._unwell: set[OriginOrders] = set()
        """origins whose orders the general path takes"""
        self._has_landed, self._is_unwell, self._progress = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self, produce: Callable[[Submit], Awaitable[None]]) -> None:
        """Produce jobs, and return when no order is left: each was settled or has gone the general way."""
        self._pool.on_spare, self._pool.orders_wait = self._advance_all, lambda: self._waiting > 0
        async with FirstErrorGroup() as group:
            tasks = [group.create_task(work()) for work in (self._settle_landed, self._return_orders)]
            try:
                await produce(self.submit)
                await self._until(lambda: self._waiting <= FEW_ORDERS)
                self.context.http.restart_stalled()
                await self._until(
                    lambda: not (self._waiting or self._in_flight or self._landed or self._settling)
                )
            finally:
                self._stop()
                for task in tasks:
                    task.cancel()

    def _stop(self) -> None:
        self.stopped = True
        self._cancel_timer()
        self._pool.on_spare, self._pool.orders_wait = None, lambda: False
        for origin in self._orders.origins:
            origin.gate.on_clear = None
            origin.lane.shut()
            origin.waiting.clear()
        self._names.unstage()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._progress.clear()
            await self._progress.wait()

    async def submit(self, job: Job) -> None:
        """Take a job, for this path or for the general one. Waits while there are too many of them."""
        if (order := self._orders.order(job)) is None:
            await self._put(job)
            return
        waiting = order.origin.waiting
        waiting.append(order)
        self._waiting += 1
        if len(waiting) == 1:  # else the orders before it wait for a change
            self._advance(order.origin)
        if self._waiting >= MAX_ORDERS:
            await self._until(lambda: self._waiting < MAX_ORDERS)

    def clear(self, origin: OriginOrders) -> None:
        """The gate of an origin is clear. In a call of its own: the gate is in the midst of a change."""
        self._loop.call_soon(self._advance, origin)

    def _advance_all(self) -> None:
        """Something has changed that orders of any origin may have waited for."""
        if self._waiting:
            for origin in self._orders.origins:
                self._advance(origin)

    def _advance(self, origin: OriginOrders, held: LaneExchange | None = None) -> None:
        """Send orders as long as all is well: over the connection and in the slot that are `held`, and in
        free slots.

        The one place that decides whether a request is sent. Each change of what it depends on ends here: an
        order came, a file has landed or given up, files got their names, the gate is clear again, a worker of
        the general path needs its slot no longer.
        """
        gate, limit, waiting = origin.gate, origin.gate.limit, origin.waiting
        well = gate.well and origin.lane.open and self.context.store.small_bytes > 0
        room = self._pool.room(self._in_flight) if waiting and len(self._landed) < MAX_LANDED else 0
        while waiting and room > 0 and well and gate.clear:
            if held is None:
                if limit.active >= limit.allowed or limit.crowded():
                    break
                limit.take()
            self._send(waiting.popleft(), held)
            held = None
            room -= 1
        if held is not None:
            held.free()
            gate.leave()
        if waiting and not well:  # then the general path takes them
            self._unwell.add(origin)
            self._is_unwell.set()

    def _send(self, order: Order, held: LaneExchange | None) -> None:
        origin = order.origin
        if self._observed:
            self.context.events.job("start", order.job)
        self._waiting -= 1
        self._in_flight += 1
        if origin.signed and not order.sign():
            if held is not None:
                held.free()
            self.gave_up(order, None)
            return
        order.generation = origin.gate.breaker.generation
        order.sent_at = self._clock()
        if held is not None:
            held.go_on(order.message, order)
        else:
            origin.lane.submit(order.message, order)

    def landed(self, order: Order, record: Record, exchange: LaneExchange, waited: float) -> None:
        """The file of an order is checked and written, and its connection is free. It has no name yet."""
        origin = order.origin
        self._in_flight -= 1
        self.context.meter.received += record.size
        self._names.staged[record.path] = order
        self._landed.append((Outcome(order.job, Status.FETCHED, record, None, 1, record.size), order.url))
        if len(self._landed) == 1:
            self._timer = self._loop.call_later(SETTLE_SECONDS, self._has_landed.set)
        elif len(self._landed) == SETTLED_AT_ONCE:
            self._has_landed.set()
        if origin.signed:
            origin.gate.access.accept_credentials(document=False)
        if origin.gate.limit.served(waited, record.size):
            origin.gate.adjust()
        self._advance(origin, exchange)
        if not self._in_flight:
            self._has_landed.set()

    def gave_up(self, order: Order, exchange: BegunExchange | None) -> None:
        """The general path goes on with an order, in the slots that it has at its origin and in the pool."""
        self._in_flight -= 1
        begun = order.begun(exchange)
        if begun is None:
            order.origin.gate.leave()
        self._start_general(order, begun)
        self._loop.call_soon(self._advance, order.origin)  # not here: it may be what has sent the order
        self._progress.set()

    def _start_general(self, order: Order, begun: BegunRequest | None = None) -> None:
        started = not self.stopped and self.context.idle_slots.start(lambda: self._go_on(order, begun))
        if not started and begun is not None:
            begun.discard()

    async def _go_on(self, order: Order, begun: BegunRequest | None) -> None:
        try:
            await self._work(order.job, begun, order)
        finally:
            if begun is not None:
                begun.discard()

    async def _settle_landed(self) -> None:
        """Settle what has landed, many files at once."""
        while True:
            await self._has_landed.wait()
            self._has_landed.clear()
            self._cancel_timer()
            landed, self._landed = self._landed, []
            self._settling = len(landed)
            await self._names.settle(landed, self._settle)
            self._settling = 0
            self._progress.set()
            self._advance_all()

    async def _return_orders(self) -> None:
        """Give orders to the general path while their origin is not well: its answers tell when it is.

        The same while the disk is slow: how long the general path's writes take tells when it is fast.
        """
        while True:
            await self._is_unwell.wait()
            self._is_unwell.clear()
            while self._unwell:
                origin = self._unwell.pop()
                if origin.waiting:
                    order = origin.waiting.popleft()
                    self.context.dedupe.end(order, (), None)
                    await self._put(order.job)
                    self._waiting -= 1
                    self._progress.set()
                self._advance(origin)
