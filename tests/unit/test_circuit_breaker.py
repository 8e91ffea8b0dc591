"""When a host is asked again: the breaker by a clock of ours, and whole runs against hosts that go away."""

import asyncio
import itertools

import pytest

from mlhub_async.core.concurrency import PARKED_PER_WORKER, fan_out, parked
from mlhub_async.core.errors import TransferError, Transient
from mlhub_async.core.urls import Origin
from mlhub_async.http.resilience.circuit_breaker import (
    BUCKET,
    DENIALS,
    DENIALS_OF_A_FRIEND,
    CircuitBreaker,
    Outage,
)
from mlhub_async.http.resilience.gate import MAX_ORIGINS, OriginLimits
from mlhub_async.http.resilience.rate_limit import RateLimiter

HOST = Origin("http", "h.test", 80)
OTHER = Origin("http", "o.test", 80)


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)


class Host:
    """A breaker as one request after the other sees it; pauses are as long as they can be.

    A good answer takes `turn` seconds: two minutes, if nothing else is said.
    """

    def __init__(self, turn=120, **outage):
        self.clock, self.changes, self.turn = Clock(), 0, turn
        self.breaker = CircuitBreaker("h.test:80", Outage(**outage), self.clock, self.change, lambda a, b: b)

    def change(self):
        self.changes += 1

    def good(self, times=1):
        for _ in range(times):
            serial = self.begin()
            self.breaker.answered(serial, granted=True)
            self.clock.now += self.turn

    def bad(self, times=1):
        """So many URLs fail, the same ones each time."""
        return [self.breaker.failed(self.begin(), f"/{n}", "no connection") for n in range(times)][-1]

    def begin(self):
        assert self.breaker.admits
        serial = self.breaker.serial
        self.breaker.ask()
        return serial

    def wait(self):
        """Until the breaker lets one ask; gives the seconds."""
        seconds = self.breaker.until - self.clock.now
        self.clock.now = self.breaker.until
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


def test_few_urls_that_fail_again_and_again_are_not_the_host_until_thirty_times():
    host = Host()
    host.good()
    for _ in range(7):
        host.bad(4)
    host.bad()
    assert not host.breaker.open
    host.bad()
    assert host.breaker.open


def test_an_answer_between_them_begins_the_count_anew():
    host = Host()
    for _ in range(20):
        host.bad(4)
        host.good()
    assert not host.breaker.open


def test_connections_that_are_cut_all_at_once_are_one_event():
    host = Host()
    host.good()
    serials = [host.begin() for _ in range(32)]
    for n, serial in enumerate(serials):
        host.breaker.failed(serial, f"/{n}", "connection lost")
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


def test_what_was_on_its_way_before_says_nothing_about_the_time_after():
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


def test_probes_that_fail_cost_their_assets_nothing_and_double_the_pause_up_to_ten_minutes():
    host = Host(probes=100, longest=1e6)
    host.good()
    assert host.bad(5) is False
    pauses = []
    for _ in range(7):
        pauses.append(host.wait())
        assert host.bad() is True
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_host_that_never_answered_is_given_up_after_as_many_probes_as_retries():
    host = Host(probes=3)
    host.bad(5)
    pauses = []
    for _ in range(3):
        host.breaker.refuse()
        pauses.append(host.wait())
        assert host.bad() is False  # an attempt like any other
    assert pauses == [1, 2, 4]
    with pytest.raises(Transient, match=r"h\.test:80 is out: no connection; .* run again") as caught:
        host.breaker.refuse()
    assert (caught.value.kind, caught.value.tries) == ("host-down", 1)


@pytest.mark.parametrize(("served", "pause"), [(0, 1), (3, 1), (8, 2), (60, 15), (1000, 30)])
def test_a_host_is_waited_for_by_how_long_it_has_served(served, pause):
    host = Host(turn=served, probes=3)
    host.good()
    host.bad(4)
    host.clock.now += 60  # what is tried again meanwhile brings nothing either
    host.breaker.failed(host.begin(), "/another", "no connection")
    assert host.wait() == pause
    assert host.bad() is True, "that a host of ours is away costs its assets nothing"
    assert host.wait() == 2 * pause


def test_no_host_is_waited_for_longer_than_the_longest_outage():
    host = Host(probes=10**9, longest=100)
    host.good()
    host.bad(5)
    assert [host.wait(), host.bad(), host.wait(), host.bad(), host.wait()] == [30, True, 60, True, 10]
    host.breaker.refuse()
    host.bad()
    with pytest.raises(Transient, match="after 100 s"):
        host.breaker.refuse()


def test_who_wants_no_retries_waits_for_no_host():
    host = Host(probes=0)
    host.good()
    host.bad(5)
    with pytest.raises(Transient):
        host.breaker.refuse()


def test_a_host_that_answers_but_never_well_gets_a_rest_when_the_retries_are_spent():
    host = Host()
    host.good(50)
    for _ in range(BUCKET // 5 - 1):
        host.breaker.spend(5)
    assert not host.breaker.open
    host.breaker.spend(5)
    assert host.breaker.open and host.wait() == 30
    host.good()
    assert not host.breaker.open
    host.breaker.spend(5)
    assert not host.breaker.open


def test_answers_earn_back_what_failures_spend_and_timeouts_spend_twice_as_much():
    host = Host()
    for _ in range(BUCKET):
        host.breaker.spend(10)
        host.good(10)
    assert not host.breaker.open
    for _ in range(BUCKET // 10):
        host.breaker.spend(10)
    assert host.breaker.open


def test_only_a_host_in_trouble_is_listened_to_at_every_answer():
    host = Host()
    assert not host.breaker.calm
    host.good()
    assert host.breaker.calm
    host.breaker.spend(5)
    host.bad()
    host.good(19)
    assert not host.breaker.calm
    host.good()
    assert host.breaker.calm


@pytest.mark.parametrize(("granted", "borne"), [(0, DENIALS), (1, DENIALS_OF_A_FRIEND)])
def test_a_host_that_refuses_again_and_again_is_not_asked_for_the_rest(granted, borne):
    host = Host()
    host.good(granted)
    for _ in range(borne - 1):
        host.breaker.answered(host.begin(), granted=False)
        host.breaker.denied()
    host.breaker.refuse()
    host.breaker.denied()
    with pytest.raises(TransferError, match="in a row") as caught:
        host.breaker.refuse()
    assert caught.value.kind == "forbidden" and not caught.value.retryable


def test_a_friend_is_one_also_where_documents_came_first_and_all_went_well():
    host = Host()
    host.breaker.answered(host.begin(), granted=False)
    assert not host.breaker.calm
    host.good(30)
    assert host.breaker.calm
    for _ in range(DENIALS):
        host.breaker.denied()
    host.breaker.refuse()


@pytest.mark.parametrize(("asked", "turn"), [(30, 31), (0, 1), (600, 630)])
def test_a_host_that_only_puts_off_those_who_wait_for_it_is_given_up(asked, turn):
    host = Host(longest=1800)
    began = host.clock.now
    with pytest.raises(Transient, match="again and again") as caught:
        while True:
            host.breaker.throttled(asked)
            host.breaker.refuse()
            host.clock.now += turn
    assert caught.value.kind == "throttled" and 1800 < host.clock.now - began <= 1800 + turn


def test_a_host_that_was_long_not_asked_between_two_refusals_has_put_nobody_off_so_long():
    host = Host(longest=1800)
    for _ in range(20):
        host.breaker.throttled(1)
        host.breaker.refuse()
        host.clock.now += 86400


def test_one_permission_among_refusals_begins_the_count_anew():
    host = Host()
    for _ in range(DENIALS * 2):
        host.breaker.denied()
        host.good()
    host.breaker.refuse()


async def one_hop(limits, origin, name, answers):
    """As http does it: enter, ask, tell; `answers` says of each request whether it fares well."""
    gate = limits.gate(origin)
    while True:
        if not gate.enter_at_once():
            await gate.enter()
        serial = gate.breaker.serial
        well = answers(limits.clock())
        await asyncio.sleep(0)
        if well:
            gate.breaker.answered(serial, granted=True)
        else:
            gate.breaker.failed(serial, name, "no connection")
        gate.leave()
        if well:
            return


async def test_all_who_wait_for_a_host_go_on_when_its_probe_is_answered():
    clock, asked = Clock(), []
    limits = OriginLimits(4, budget=RateLimiter(clock=clock, sleep=clock.sleep))
    limits.gate(HOST).breaker.answered(0, granted=True)
    clock.now += 120

    def answers(now):
        asked.append(now)
        return now >= 1320

    await asyncio.gather(*(one_hop(limits, HOST, f"/{n}", answers) for n in range(50)))
    assert sum(now < 1320 for now in asked) <= 8 + 5
    assert len(asked) <= 50 + 8 + 5


async def test_a_host_that_is_given_up_fails_those_who_wait_and_no_other():
    clock = Clock()
    limits = OriginLimits(4, budget=RateLimiter(clock=clock, sleep=clock.sleep), outage=Outage(probes=2))
    hops = [one_hop(limits, HOST, f"/{n}", lambda _: False) for n in range(50)]
    ended = await asyncio.gather(*hops, one_hop(limits, OTHER, "/", lambda _: True), return_exceptions=True)
    assert {getattr(error, "kind", None) for error in ended[:-1]} == {"host-down"}
    assert ended[-1] is None


async def test_of_thousands_of_hosts_those_are_forgotten_that_nobody_asks_and_no_word_against_any():
    clock = Clock()
    limits = OriginLimits(
        64, first=8, budget=RateLimiter(clock=clock, sleep=clock.sleep), outage=Outage(probes=0)
    )
    busy = limits.gate(HOST)
    assert busy.enter_at_once()
    with pytest.raises(TransferError):
        await asyncio.gather(*(one_hop(limits, OTHER, f"/{n}", lambda _: False) for n in range(9)))
    limits.hold(Origin("http", "held.test", 80), 3600)
    for n in range(5 * MAX_ORIGINS):
        await one_hop(limits, Origin("http", f"h{n}.test", 80), "/", lambda _: True)
    assert limits.useful(1 << 20) <= 8 * MAX_ORIGINS
    assert limits.gate(HOST) is busy and set(limits.held) == {"o.test:80", "held.test:80"}
    with pytest.raises(TransferError, match="given up"):
        await limits.gate(OTHER).enter()


async def test_no_request_goes_out_while_a_host_is_held_whatever_waited_for_a_slot():
    clock, asked = Clock(), []
    limits = OriginLimits(2, budget=RateLimiter(clock=clock, sleep=clock.sleep))

    def answers(now):
        asked.append(now)
        if len(asked) == 3:
            limits.hold(HOST, 60)
        return True

    await asyncio.gather(*(one_hop(limits, HOST, f"/{n}", answers) for n in range(20)))
    # What was on its way when the refusal came is not ours to call back.
    assert len([now for now in asked if now < 1060]) <= 4 and len(asked) == 20


async def test_a_probe_that_is_cancelled_leaves_its_turn_to_another():
    clock = Clock()
    limits = OriginLimits(4, budget=RateLimiter(clock=clock, sleep=clock.sleep))
    gate = limits.gate(HOST)
    for n in range(6):
        gate.breaker.failed(gate.breaker.serial, f"/{n}", "no connection")
    await gate.enter()
    serial = gate.breaker.serial
    waiting = asyncio.ensure_future(gate.enter())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.breaker.release(serial)
    gate.leave()
    await waiting
    gate.leave()


async def test_who_waits_aside_gives_its_place_to_another_and_takes_it_again():
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


async def test_so_many_may_wait_aside_and_no_more():
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


async def test_a_failure_ends_those_who_wait_aside_too():
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


async def test_a_hold_that_ends_between_two_looks_at_the_clock_holds_nobody():
    times = itertools.count()
    limits = OriginLimits(1, budget=RateLimiter(clock=lambda: float(next(times))))
    gate = limits.gate(HOST)
    gate.hold(3)
    await asyncio.wait_for(gate.enter(), 60)
    gate.leave()
