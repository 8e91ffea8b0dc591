"""What coordinator and workers tell each other of an origin: plain values, which are sent as they are."""

from __future__ import annotations

from typing import Any, NamedTuple

from ....core.urls import Origin


class GateState(NamedTuple):
    """To a worker: what it may do at an origin. `lease` is the number of this message.

    `held_for`: seconds without requests. `probe`: it may send the one request that is sent while the circuit
    breaker is `open`. `verdict` is the error of all further requests: message, kind, whether it may pass.
    """

    origin: Origin
    lease: int
    slots: int
    held_for: float
    open: bool
    probe: bool
    verdict: tuple[str, str, bool] | None


class GateReport(NamedTuple):
    """From a worker: what it has of an origin, what it could use, and what it saw since its last report.

    `lease` is the number of the last message that it obeys; `slots` is the larger one of those that it may
    use and those that it uses still. `measured` is for `AdaptiveLimit.absorb`. An event is a name and its
    arguments: see `breaker.ReportingBreaker`.
    """

    origin: Origin
    lease: int
    slots: int
    wanted: int
    measured: tuple[int, float, int, int, int]
    events: list[tuple[Any, ...]]


def gate_state(fields: tuple[Any, ...]) -> GateState:
    """The message of its fields, as they were sent."""
    return GateState(Origin(*fields[0]), *fields[1:])


def gate_report(fields: tuple[Any, ...]) -> GateReport:
    return GateReport(Origin(*fields[0]), *fields[1:])


def plain(message: GateState | GateReport) -> tuple[Any, ...]:
    """The fields as values that need no class to be read."""
    return (tuple(message.origin), *message[1:])
