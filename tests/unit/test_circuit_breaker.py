"""When an origin is asked again: circuit breaker and gate on a simulated clock."""

import asyncio
import itertools

import pytest

from mlhub_async.core.concurrency import PARKED_PER_WORKER, fan_out, parked
from mlhub_async.core.errors import TransferError, Transient
from mlhub_async.core.urls import Origin
from mlhub_async.http.resilience.circuit_breaker import (
    MAX_REFUSALS_NEVER_GRANTED,
    MAX_REFUSALS_ONCE_GRANTED,
    RETRY_BUDGET_TOKENS,
    CircuitBreaker,
    OutagePolicy,
)
from mlhub_async.http.resilience.gate import MAX_ORIGINS, MAX_RETRY_AFTER_SECONDS, OriginLimits
from mlhub_async.http.resilience.rate_limit import RateLimiter

HOST = Origin("http", "h.test", 80)
OTHER = Origin("http", "o.test", 80)


class Clock:
    """A clock on which time passes while somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


class Host:
    """A breaker to which one request after the other reports. Its pauses have no jitter.

    A good answer takes `answer_seconds`.
    """

    def __init__(self, answer_seconds=120, **policy):
        self.clock, self.answer_seconds = Clock(), answer_seconds
        self.breaker = CircuitBreaker(
            "h.test:80", OutagePolicy(**policy), self.clock, lambda: None, lambda low, high: high
        )

    def good(self, times=1):
        for _ in range(times):
            generation = self.begin()
            self.breaker.answered(generation, granted=True)
            self.clock.now += self.answer_seconds

    def bad(self, times=1):
        """So many URLs fail, the same ones each time. The result of the last report."""
        return [self.breaker.failed(self.begin(), f"/{n}", "no connection") for n in range(times)][-1]

    def begin(self):
        assert self.breaker.admits
        generation = self.breaker.generation
        self.breaker.begin_request()
        return generation

    def wait(self):
        """Let time pass until the breaker admits a request. The seconds that it took."""
        seconds = self.breaker.open_until - self.clock.now
        self.clock.now = self.breaker.open_until
        return seconds


def test_five_failures_in_a_row_open_the_breaker_and_four_do_not():
    host = Host()
    host.good()
    host.bad(4)
    assert not host.breaker.open
    host.breaker.failed(host.begin(), "/another", "no connection")
    assert host.breaker.open and not host.breaker.admits
    assert host.wait() == 30 and host.breaker.admits


def test_five_failures_after_many_answers_are_not_half_of_the_last_twenty():
    host = Host()
    host.good(20)
    host.bad(9)
    assert not host.breaker.open
    host.bad()
    assert host.breaker.open


def test_a_few_urls_that_keep_failing_open_the_breaker_after_thirty_failures():
    host = Host()
    host.good()
    for _ in range(7):
        host.bad(4)
    host.bad()
    assert not host.breaker.open
    host.bad()
    assert host.breaker.open


def test_two_waves_without_a_connection_open_the_breaker_of_a_host_that_has_answered():
    host = Host()
    host.good(20)
    for n in range(2):
        assert not host.breaker.open
        generations = [host.begin() for _ in range(3)]
        for generation in generations:
            host.breaker.failed(generation, "/one", "no connection", connected=False)
        assert host.breaker.open is bool(n)


def test_without_a_connection_one_wave_or_a_host_that_never_answered_is_no_outage():
    for answers, waves in ((1, 1), (0, 4)):
        host = Host()
        host.good(answers)
        for _ in range(waves):
            host.breaker.failed(host.begin(), "/one", "no connection", connected=False)
        assert not host.breaker.open


def test_a_good_answer_resets_the_count_of_failures():
    host = Host()
    for _ in range(20):
        host.bad(4)
        host.good()
    assert not host.breaker.open


def test_connections_that_are_cut_all_at_once_count_as_one_wave():
    host = Host()
    host.good()
    generations = [host.begin() for _ in range(32)]
    for n, generation in enumerate(generations):
        host.breaker.failed(generation, f"/{n}", "connection lost")
    assert not host.breaker.open
    host.bad()
    assert host.breaker.open


def test_one_probe_goes_out_and_its_answer_closes_the_breaker():
    host = Host()
    host.good()
    host.bad(5)
    host.wait()
    probe = host.begin()
    assert not host.breaker.admits
    host.breaker.answered(probe, granted=True)
    assert host.breaker.admits and not host.breaker.open


def test_requests_sent_before_the_breaker_opened_do_not_change_it():
    host = Host()
    host.good()
    early = [host.begin() for _ in range(2)]
    host.bad(5)
    host.breaker.answered(early[0], granted=True)
    host.breaker.failed(early[1], "/1", "no connection")
    assert host.breaker.open and host.wait() == 30
    probe = host.begin()
    host.breaker.answered(early[0], granted=True)
    host.breaker.release(early[1])
    assert not host.breaker.admits
    host.breaker.release(probe)
    assert host.breaker.admits and host.breaker.open


def test_failed_probes_cost_no_attempt_and_double_the_pause_up_to_ten_minutes():
    host = Host(max_probes=100, max_seconds=1e6)
    host.good()
    assert host.bad(5) is False
    pauses = []
    for _ in range(7):
        pauses.append(host.wait())
        assert host.bad() is True
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_host_that_never_answered_is_given_up_after_as_many_probes_as_retries():
    host = Host(max_probes=3)
    host.bad(5)
    pauses = []
    for _ in range(3):
        host.breaker.raise_verdict()
        pauses.append(host.wait())
        assert host.bad() is False  # an attempt like any other
    assert pauses == [1, 2, 4]
    with pytest.raises(Transient, match=r"h\.test:80 is out: no connection; .* run again") as caught:
        host.breaker.raise_verdict()
    assert (caught.value.kind, caught.value.tries) == ("host-down", 1)


@pytest.mark.parametrize(("served", "pause"), [(0, 1), (3, 1), (8, 2), (60, 15), (1000, 30)])
def test_the_first_pause_depends_on_how_long_the_host_has_served(served, pause):
    host = Host(answer_seconds=served, max_probes=3)
    host.good()
    host.bad(4)
    host.clock.now += 60  # what is tried again meanwhile brings nothing either
    host.breaker.failed(host.begin(), "/another", "no connection")
    assert host.wait() == pause
    assert host.bad() is True, "an outage of a host that has served costs its assets no attempt"
    assert host.wait() == 2 * pause


def test_a_host_is_given_up_after_the_longest_outage():
    host = Host(max_probes=10**9, max_seconds=100)
    host.good()
    host.bad(5)
    assert [host.wait(), host.bad(), host.wait(), host.bad(), host.wait()] == [30, True, 60, True, 10]
    host.breaker.raise_verdict()
    host.bad()
    with pytest.raises(Transient, match="after 100 s"):
        host.breaker.raise_verdict()


def test_without_retries_no_host_is_waited_for():
    host = Host(max_probes=0)
    host.good()
    host.bad(5)
    with pytest.raises(Transient):
        host.breaker.raise_verdict()


def test_a_spent_retry_budget_opens_the_breaker_although_the_host_answers():
    host = Host()
    host.good(50)
    for _ in range(RETRY_BUDGET_TOKENS // 5 - 1):
        host.breaker.spend(5)
    assert not host.breaker.open
    host.breaker.spend(5)
    assert host.breaker.open and host.wait() == 30
    host.good()
    assert not host.breaker.open
    host.breaker.spend(5)
    assert not host.breaker.open


def test_answers_refill_the_retry_budget_that_failures_spend():
    host = Host()
    for _ in range(RETRY_BUDGET_TOKENS):
        host.breaker.spend(10)
        host.good(10)
    assert not host.breaker.open
    for _ in range(RETRY_BUDGET_TOKENS // 10):
        host.breaker.spend(10)
    assert host.breaker.open


def test_only_an_unhealthy_host_has_every_answer_reported():
    host = Host()
    assert not host.breaker.healthy
    host.good()
    assert host.breaker.healthy
    host.breaker.spend(5)
    host.bad()
    host.good(19)
    assert not host.breaker.healthy
    host.good()
    assert host.breaker.healthy


@pytest.mark.parametrize(
    ("granted", "accepted"), [(0, MAX_REFUSALS_NEVER_GRANTED), (1, MAX_REFUSALS_ONCE_GRANTED)]
)
def test_a_host_that_refuses_permission_again_and_again_is_not_asked_any_more(granted, accepted):
    host = Host()
    host.good(granted)
    for _ in range(accepted - 1):
        host.breaker.answered(host.begin(), granted=False)
        host.breaker.denied()
    host.breaker.raise_verdict()
    host.breaker.denied()
    with pytest.raises(TransferError, match="in a row") as caught:
        host.breaker.raise_verdict()
    assert caught.value.kind == "forbidden" and not caught.value.retryable


def test_an_asset_granted_after_documents_raises_the_number_of_accepted_refusals():
    host = Host()
    host.breaker.answered(host.begin(), granted=False)
    assert not host.breaker.healthy
    host.good(30)
    assert host.breaker.healthy
    for _ in range(MAX_REFUSALS_NEVER_GRANTED):
        host.breaker.denied()
    host.breaker.raise_verdict()


class Postponing:
    """A host that answers every request with this Retry-After."""

    def __init__(self, max_seconds=1800):
        self.clock = Clock()
        policy = OutagePolicy(max_seconds=max_seconds)
        limits = OriginLimits(4, rate_limiter=RateLimiter(clock=self.clock), outage_policy=policy)
        self.gate = limits.gate(HOST)

    def refuse(self, seconds):
        error = Transient("busy", retry_after=seconds)
        self.gate.postpone(error)
        self.gate.breaker.raise_verdict()
        return error


@pytest.mark.parametrize(("asked", "turn"), [(30, 31), (0.1, 1), (600, 630)])
def test_a_host_that_answers_only_with_retry_after_is_given_up(asked, turn):
    host = Postponing()
    began = host.clock.now
    with pytest.raises(Transient, match="again and again") as caught:
        while True:
            host.refuse(asked)
            host.clock.now += turn
    assert caught.value.kind == "throttled" and 1800 < host.clock.now - began <= 1800 + turn


def test_another_answer_resets_the_requested_wait():
    host = Postponing()
    for _ in range(100):
        host.refuse(600)
        host.clock.now += 630
        host.gate.answered(host.gate.breaker.generation, granted=False)


def test_time_in_which_no_request_waited_does_not_count_as_requested_wait():
    host = Postponing()
    for _ in range(20):
        host.refuse(1)
        host.clock.now += 86400


async def test_an_origin_that_asks_for_more_than_an_hour_is_not_asked_again():
    host = Postponing(max_seconds=1e6)
    assert not host.refuse(MAX_RETRY_AFTER_SECONDS).final
    host.clock.now += 2 * MAX_RETRY_AFTER_SECONDS
    assert host.refuse(MAX_RETRY_AFTER_SECONDS + 1).final
    host.clock.now += 60
    with pytest.raises(Transient, match="not to be asked for another 3541 s") as caught:
        await host.gate.enter()
    assert caught.value.final


def test_a_granted_asset_resets_the_count_of_refusals():
    host = Host()
    for _ in range(MAX_REFUSALS_NEVER_GRANTED * 2):
        host.breaker.denied()
        host.good()
    host.breaker.raise_verdict()


async def one_hop(limits, origin, name, answers):
    """Enter the gate, send, report, as `http.client` does. `answers(now)` says whether a request succeeds."""
    gate = limits.gate(origin)
    while True:
        if not gate.enter_at_once():
            await gate.enter()
        generation = gate.breaker.generation
        succeeds = answers(limits.clock())
        await asyncio.sleep(0)
        if succeeds:
            gate.breaker.answered(generation, granted=True)
        else:
            gate.breaker.failed(generation, name, "no connection")
        gate.leave()
        if succeeds:
            return


async def test_all_waiting_requests_go_on_when_the_probe_is_answered():
    clock, asked = Clock(), []
    limits = OriginLimits(4, rate_limiter=RateLimiter(clock=clock, sleep=clock.sleep))
    limits.gate(HOST).breaker.answered(0, granted=True)
    clock.now += 120

    def answers(now):
        asked.append(now)
        return now >= 1320

    await asyncio.gather(*(one_hop(limits, HOST, f"/{n}", answers) for n in range(50)))
    assert sum(now < 1320 for now in asked) <= 8 + 5
    assert len(asked) <= 50 + 8 + 5


async def test_a_host_that_is_given_up_fails_its_waiting_requests_and_no_others():
    clock = Clock()
    limits = OriginLimits(
        4, rate_limiter=RateLimiter(clock=clock, sleep=clock.sleep), outage_policy=OutagePolicy(max_probes=2)
    )
    hops = [one_hop(limits, HOST, f"/{n}", lambda _: False) for n in range(50)]
    ended = await asyncio.gather(*hops, one_hop(limits, OTHER, "/", lambda _: True), return_exceptions=True)
    assert {getattr(error, "kind", None) for error in ended[:-1]} == {"host-down"}
    assert ended[-1] is None


async def test_idle_hosts_are_forgotten_among_thousands_but_not_what_speaks_against_a_host():
    clock = Clock()
    limits = OriginLimits(
        64,
        first=8,
        rate_limiter=RateLimiter(clock=clock, sleep=clock.sleep),
        outage_policy=OutagePolicy(max_probes=0),
    )
    busy = limits.gate(HOST)
    assert busy.enter_at_once()
    with pytest.raises(TransferError):
        await asyncio.gather(*(one_hop(limits, OTHER, f"/{n}", lambda _: False) for n in range(9)))
    limits.gate(Origin("http", "held.test", 80)).hold(3600)
    for n in range(5 * MAX_ORIGINS):
        await one_hop(limits, Origin("http", f"h{n}.test", 80), "/", lambda _: True)
    assert limits.slots(1 << 20) <= 8 * MAX_ORIGINS
    assert limits.gate(HOST) is busy and set(limits.held_until) == {"o.test:80", "held.test:80"}
    with pytest.raises(TransferError, match="given up"):
        await limits.gate(OTHER).enter()


async def test_no_request_goes_out_while_a_host_is_held_even_if_it_waited_for_a_slot():
    clock, asked = Clock(), []
    limits = OriginLimits(2, rate_limiter=RateLimiter(clock=clock, sleep=clock.sleep))

    def answers(now):
        asked.append(now)
        if len(asked) == 3:
            limits.gate(HOST).hold(60)
        return True

    await asyncio.gather(*(one_hop(limits, HOST, f"/{n}", answers) for n in range(20)))
    # Requests that were sent before the refusal came cannot be taken back.
    assert len([now for now in asked if now < 1060]) <= 4 and len(asked) == 20


async def test_a_cancelled_probe_lets_another_request_be_the_probe():
    clock = Clock()
    limits = OriginLimits(4, rate_limiter=RateLimiter(clock=clock, sleep=clock.sleep))
    gate = limits.gate(HOST)
    for n in range(6):
        gate.breaker.failed(gate.breaker.generation, f"/{n}", "no connection")
    await gate.enter()
    generation = gate.breaker.generation
    waiting = asyncio.ensure_future(gate.enter())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.breaker.release(generation)
    gate.leave()
    await waiting
    gate.leave()


async def test_a_parked_worker_is_replaced_while_it_waits():
    go, at_work, peak, done = asyncio.Event(), 0, 0, []

    async def produce(put):
        for n in range(60):
            await put(n)
        go.set()

    async def work(n):
        nonlocal at_work, peak
        if n < 40:
            with parked():
                await go.wait()
        at_work += 1
        peak = max(peak, at_work)
        await asyncio.sleep(0.001)
        at_work -= 1
        done.append(n)

    await fan_out(produce, work, 4)
    assert sorted(done) == list(range(60))
    assert done[:4] == [40, 41, 42, 43]


async def test_the_number_of_parked_workers_is_limited():
    waiting, most, full = 0, 0, asyncio.Event()

    async def turns():
        for _ in range(5000):
            await asyncio.sleep(0)
        full.set()

    async def produce(put):
        feeding = asyncio.ensure_future(turns())
        feeding.add_done_callback(lambda done: done.result())
        for n in range(200):
            await put(n)

    async def work(_):
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        with parked():
            await full.wait()
        waiting -= 1

    await fan_out(produce, work, 2)
    assert most == 2 * PARKED_PER_WORKER + 2


async def test_a_failure_ends_parked_workers_too():
    async def produce(put):
        for n in range(10):
            await put(n)

    async def work(n):
        if n == 9:
            raise ValueError("the one")
        with parked():
            await asyncio.Event().wait()

    with pytest.raises(ValueError, match="the one"):
        await fan_out(produce, work, 2)


async def test_a_hold_that_ends_between_two_readings_of_the_clock_holds_no_request():
    times = itertools.count()
    limits = OriginLimits(1, rate_limiter=RateLimiter(clock=lambda: float(next(times))))
    gate = limits.gate(HOST)
    gate.hold(3)
    await asyncio.wait_for(gate.enter(), 60)
    gate.leave()
