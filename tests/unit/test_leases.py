"""The coordinator's leases: what workers have together is never more than a gate allows."""

import random

import pytest

from mlhub_async.core.urls import Origin
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.http.resilience.rate_limit import RateLimiter
from mlhub_async.http.resilience.shared.leases import Leases, shares
from mlhub_async.http.resilience.shared.messages import GateReport, gate_report, gate_state, plain

HERE = Origin("https", "h.test", 443)
NOTHING = (0, 0.0, 0, 0, 0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Workers:
    """Workers that use at once all that they may, and hear of it when `hear` is called."""

    def __init__(self, slots, number):
        self.clock = Clock()
        self.limits = OriginLimits(slots, rate_limiter=RateLimiter(clock=self.clock))
        self.leases = Leases(self.limits, lambda worker, state: self.sent[worker].append(state))
        self.sent = {worker: [] for worker in range(number)}
        self.heard = {}
        self.used = dict.fromkeys(self.sent, 0)

    def report(self, worker, wanted, events=()):
        state = self.heard.get(worker)
        lease, slots = (state.lease, state.slots) if state else (0, 0)
        used = self.used[worker]
        report = GateReport(HERE, lease, max(slots, used), wanted, NOTHING, list(events))
        self.leases.report(worker, gate_report(plain(report)))

    def hear(self, worker):
        """The worker obeys the next message; a request that is under way goes on."""
        if self.sent[worker]:
            self.heard[worker] = gate_state(plain(self.sent[worker].pop(0)))
            self.used[worker] = max(self.used[worker], self.heard[worker].slots)

    def end_requests(self, worker):
        self.used[worker] = self.heard[worker].slots if worker in self.heard else 0


@pytest.mark.parametrize(
    ("total", "wanted", "expected"),
    [
        (8, {1: 9, 2: 9}, {1: 4, 2: 4}),
        (8, {1: 1, 2: 9}, {1: 1, 2: 7}),
        (3, {1: 9, 2: 9}, {1: 2, 2: 1}),
        (1, {1: 0, 2: 5, 3: 5}, {1: 0, 2: 1, 3: 0}),
        (8, {1: 2, 2: 0}, {1: 2, 2: 0}),
        (0, {1: 2}, {1: 0}),
    ],
)
def test_slots_are_shared_among_those_who_want_some(total, wanted, expected):
    assert shares(total, wanted) == expected


@pytest.mark.parametrize("seed", range(30))
def test_workers_never_use_more_than_is_allowed(seed):
    chance = random.Random(seed)
    workers = Workers(slots := chance.randrange(1, 9), 4)
    for _ in range(500):
        workers.clock.now += chance.random()
        worker = chance.randrange(4)
        act = chance.choice(("report", "hear", "end", "tick"))
        if act == "report":
            workers.report(worker, chance.choice((0, 1, 5, 20)))
        elif act == "hear":
            workers.hear(worker)
        elif act == "end":
            workers.end_requests(worker)
        else:
            workers.leases.tick()
        assert sum(workers.used.values()) <= slots


def test_slots_that_nobody_needs_go_to_a_worker_that_does():
    workers = Workers(8, 2)
    workers.report(0, 20)
    workers.hear(0)
    assert workers.used[0] == 8
    workers.report(1, 3)
    workers.end_requests(0)
    workers.report(0, 0)
    for _ in range(3):
        workers.hear(0)
        workers.end_requests(0)
        workers.report(0, 0)
        workers.hear(1)
        workers.report(1, 3)
    assert workers.used[1] == 3


def test_with_fewer_slots_than_workers_each_has_its_turn():
    workers, had = Workers(1, 3), set()
    for _ in range(40):
        workers.clock.now += 0.2
        workers.leases.tick()
        for worker in range(3):
            while workers.sent[worker]:
                workers.hear(worker)
            workers.end_requests(worker)
            workers.report(worker, 5)
        had |= {worker for worker, used in workers.used.items() if used}
    assert had == {0, 1, 2}


def test_what_one_worker_is_told_to_wait_for_all_wait_for():
    workers = Workers(8, 2)
    for worker in (0, 1):
        workers.report(worker, 4)
    workers.report(0, 4, [("postponed", 30.0)])
    assert [states[-1].held_for >= 30 for states in workers.sent.values()] == [True, True]


def test_failures_of_all_workers_open_one_breaker_which_one_of_them_probes():
    workers = Workers(8, 3)
    for worker in range(3):
        workers.report(worker, 4)
        workers.hear(worker)
    for number in range(6):
        workers.report(number % 3, 4, [("failed", f"https://h.test/{number}", "reset", True, True, False)])
    assert [states[-1].open for states in workers.sent.values()] == [True] * 3
    assert not any(states[-1].probe for states in workers.sent.values())
    workers.clock.now += 3600
    workers.leases.tick()
    workers.leases.tick()
    probing = [worker for worker, states in workers.sent.items() if states[-1].probe]
    assert len(probing) == 1
    while workers.sent[probing[0]]:
        workers.hear(probing[0])
    workers.report(probing[0], 4, [("answered", True, True)])
    assert [states[-1].open for states in workers.sent.values()] == [False] * 3


def test_two_workers_that_find_no_connection_open_the_breaker_of_all():
    workers = Workers(8, 2)
    for worker in range(2):
        workers.report(worker, 4, [("answered", True, False)])
    for worker in range(2):
        workers.report(worker, 4, [("failed", "https://h.test/one", "no connection", True, False, False)])
    assert [states[-1].open for states in workers.sent.values()] == [True] * 2


def test_the_slots_and_the_probe_of_a_worker_that_is_lost_are_free():
    workers = Workers(4, 2)
    workers.report(0, 9)
    workers.report(1, 9)
    assert workers.limits.gate(HERE).limit.active == 4
    workers.leases.lost(0)
    workers.hear(1)
    workers.report(1, 9)
    workers.hear(1)
    assert workers.used[1] == 4
