"""The coordinator's side of the limits: it leases the slots of its gates to workers, and takes them back.

A slot that is leased is in use for the gate, whether or not the worker uses it. It is free again only when
the worker has reported that it obeys a smaller lease and uses no more: so no number is exceeded at any time.
Pauses, circuit breakers and verdicts are those of the coordinator's gates, who see what all workers report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ....core.errors import TransferError, Transient
from ..gate import Gate, OriginLimits
from .messages import GateReport, GateState

TURN_SECONDS = 0.5
"""If there are fewer slots than workers who want one, others have them after so long."""
SendState = Callable[[int, GateState], None]
"""Sends a message to a worker, given by its number."""
_OWN = -1
"""Stands for the coordinator among the workers."""


@dataclass(slots=True)
class Lease:
    """What one worker has of one origin. `granted`: so many slots it may be using at this moment."""

    number: int = 0
    slots: int = 0
    granted: int = 0
    wanted: int = 0
    probing: bool = False


def shares(total: int, wanted: Mapping[int, int]) -> dict[int, int]:
    """`total` divided among those who want some: nobody gets more than wanted, all others about the same.

    Those that come first get what cannot be divided.
    """
    given = dict.fromkeys(wanted, 0)
    hungry = [one for one, number in wanted.items() if number > 0]
    while total > 0 and hungry:
        each = max(1, total // len(hungry))
        for one in hungry:
            more = min(each, wanted[one] - given[one], total)
            given[one] += more
            total -= more
        hungry = [one for one in hungry if given[one] < wanted[one]]
    return given


class OriginLeases:
    """The leases of one origin."""

    def __init__(self, gate: Gate, send: SendState, clock: Callable[[], float]) -> None:
        self.gate = gate
        self._send = send
        self._clock = clock
        self._leases: dict[int, Lease] = {}
        self._turn, self._turned_at = 0, clock()

    def report(self, worker: int, report: GateReport) -> None:
        lease = self._leases.setdefault(worker, Lease())
        is_new = not lease.number
        if report.lease == lease.number:
            self._take_back(lease, max(report.slots, lease.slots))
        lease.wanted = report.wanted
        self.gate.limit.absorb(*report.measured)
        for name, *arguments in report.events:
            self._event(lease, name, *arguments)
        if lease.probing and not report.wanted:
            self._end_probe(lease)
        limit = self.gate.limit
        limit.full = limit.full or sum(one.wanted for one in self._leases.values()) > limit.allowed
        self.gate.adjust()
        self.rebalance()
        if is_new and not lease.number:
            self._tell(worker, lease)

    def _take_back(self, lease: Lease, used: int) -> None:
        """The worker uses so many slots of its lease, and can use no more than these."""
        if (freed := lease.granted - used) > 0:
            lease.granted = used
            self.gate.limit.active -= freed

    def _event(self, lease: Lease, name: str, *given: Any) -> None:
        gate, breaker = self.gate, self.gate.breaker
        probe = lease.probing and bool(given) and given[-1] is True and name in ("answered", "failed")
        generation = breaker.generation if probe or not breaker.open else -1
        if probe:
            lease.probing = False
        match name:
            case "answered":
                gate.answered(generation, granted=given[0])
            case "failed":
                url, reason, new_wave, connected, _ = given
                counted = generation if new_wave or probe else -1
                breaker.failed(counted, url, reason, connected=connected)
            case "spent":
                breaker.spend(given[0])
            case "denied":
                breaker.denied()
            case "given_up":
                breaker.give_up(TransferError(given[0], kind=given[1]))
            case "postponed":
                gate.postpone(Transient(gate.name, retry_after=given[0]))
            case "released":
                self._end_probe(lease)

    def _end_probe(self, lease: Lease) -> None:
        if lease.probing:
            lease.probing = False
            self.gate.breaker.release(self.gate.breaker.generation)

    def rebalance(self) -> None:
        """Lease the slots anew, where workers want other numbers than they have."""
        limit = self.gate.limit
        own = limit.active - sum(lease.granted for lease in self._leases.values())
        wanted = {_OWN: own + self.gate.queued, **self._in_turn()}
        share = shares(limit.allowed, wanted)
        missing = sum(max(0, share[worker] - lease.granted) for worker, lease in self._leases.items())
        is_short = missing + self.gate.queued > limit.allowed - limit.active
        for worker, lease in self._leases.items():
            if is_short and lease.slots > share[worker]:
                self._lease(worker, lease, share[worker])
        for worker, lease in self._leases.items():
            if lease.slots < share[worker]:
                more = min(share[worker] - lease.granted, limit.allowed - limit.active)
                if more > 0:
                    lease.granted += more
                    limit.active += more
                if lease.slots < (slots := min(share[worker], lease.granted)):
                    self._lease(worker, lease, slots)

    def _in_turn(self) -> dict[int, int]:
        """What each worker wants, in an order that changes while some get nothing."""
        workers = [*self._leases]
        hungry = sum(lease.wanted > 0 for lease in self._leases.values())
        now = self._clock()
        if hungry >= self.gate.limit.allowed and now - self._turned_at >= TURN_SECONDS:
            self._turn, self._turned_at = self._turn + max(1, self.gate.limit.allowed), now
        start = self._turn % max(1, len(workers))
        return {one: self._leases[one].wanted for one in workers[start:] + workers[:start]}

    def _lease(self, worker: int, lease: Lease, slots: int) -> None:
        lease.slots = slots
        self._tell(worker, lease)

    def _tell(self, worker: int, lease: Lease) -> None:
        gate, breaker = self.gate, self.gate.breaker
        lease.number += 1
        self._send(
            worker,
            GateState(
                gate.origin,
                lease.number,
                lease.slots,
                max(0.0, gate.held_for),
                breaker.open,
                lease.probing,
                breaker.verdict,
            ),
        )

    def tell_all(self) -> None:
        """Requests are held back, or no longer."""
        for worker, lease in self._leases.items():
            self._tell(worker, lease)

    def tick(self) -> None:
        """Let a worker probe an origin that is out, when it is time; let others have the few slots."""
        breaker = self.gate.breaker
        if breaker.open and breaker.admits:
            for worker, lease in self._leases.items():
                if lease.wanted and lease.slots:
                    breaker.begin_request()
                    lease.probing = True
                    self._tell(worker, lease)
                    break
        self.rebalance()

    def lost(self, worker: int) -> None:
        """A worker has ended: it uses nothing any more."""
        if (lease := self._leases.pop(worker, None)) is not None:
            self._take_back(lease, 0)
            self._end_probe(lease)
            self.gate.adjust()
            self.rebalance()


class Leases:
    """The leases of all origins, out of the gates of `limits`. Call `tick` several times a second."""

    def __init__(self, limits: OriginLimits, send: SendState) -> None:
        self._limits = limits
        self._send = send
        self._origins: dict[Gate, OriginLeases] = {}
        limits.on_change = self._on_change

    def report(self, worker: int, report: GateReport) -> None:
        """Raises `AccessLost` or `LimitReached` where the report shows that the run must end."""
        gate = self._limits.gate(report.origin)
        if gate not in self._origins:
            self._origins[gate] = OriginLeases(gate, self._send, self._limits.clock)
        self._origins[gate].report(worker, report)

    def _on_change(self, gate: Gate) -> None:
        if (leases := self._origins.get(gate)) is not None:
            leases.tell_all()

    def tick(self) -> None:
        for leases in self._origins.values():
            leases.tick()

    def lost(self, worker: int) -> None:
        for leases in self._origins.values():
            leases.lost(worker)
