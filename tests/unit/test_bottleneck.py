"""`engine/report/bottleneck`: what a run waits for, from samples with an injected clock."""

import pytest

from mlhub_async.core.errors import Transient
from mlhub_async.core.telemetry import Meter
from mlhub_async.core.urls import Origin
from mlhub_async.engine.report.bottleneck import EVERY_SECONDS, Bottleneck, Cause
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.http.resilience.rate_limit import RateLimiter

HOST, OTHER = Origin("https", "a.example", 443), Origin("https", "b.example", 443)


class Stage:
    """A run whose time passes by `pass_time`, with transfers under way."""

    def __init__(self, **limits):
        self.now = self.cpu = 100.0
        self.disk_busy = False
        self.limits = OriginLimits(8, rate_limiter=RateLimiter(clock=lambda: self.now, **limits))
        self.meter = Meter(selected=10, listing_ended=True)
        self.found = Bottleneck(
            self.limits, self.meter, lambda: self.disk_busy, clock=lambda: self.now, cpu=lambda: self.cpu
        )

    def enter(self, origin=HOST):
        gate = self.limits.gate(origin)
        assert gate.enter_at_once()
        return gate

    def pass_time(self, samples=30, *, cpu=0.1, every=EVERY_SECONDS):
        for _ in range(samples):
            self.now += every
            self.cpu += cpu * every
            self.found.sample()

    @property
    def first(self):
        return next(iter(self.found.found), None)


@pytest.fixture
def stage():
    return Stage()


def test_a_short_run_says_nothing(stage):
    stage.enter()
    stage.pass_time(5)
    assert stage.found.found == {}


def test_a_processor_that_is_busy_all_the_time(stage):
    stage.enter()
    stage.pass_time(cpu=0.95)
    assert stage.first == Cause.CPU


def test_a_thread_that_writes_all_the_time(stage):
    stage.enter()
    stage.disk_busy = True
    stage.pass_time()
    assert stage.first == Cause.DISK


def test_a_loop_that_is_held_up_while_the_processor_is_idle(stage):
    stage.enter()
    stage.pass_time(every=5 * EVERY_SECONDS)
    assert stage.first == Cause.DISK


def test_the_bandwidth_limit_of_the_user():
    stage = Stage(bwlimit=1000)
    gate = stage.limits.gate(HOST)
    gate.limit.take()
    stage.limits.rate_limiter.pay(100_000)
    stage.pass_time()
    assert stage.first == Cause.OWN_LIMIT


def test_a_host_that_asks_to_wait(stage):
    gate = stage.enter()
    gate.postpone(Transient("503", kind="throttled", retry_after=60.0))
    stage.pass_time()
    assert stage.first == Cause.SERVER_LIMIT


def test_a_host_that_refuses_many_requests_without_saying_how_long():
    stage = Stage()
    stage.limits = OriginLimits(8, first=4, rate_limiter=RateLimiter(clock=lambda: stage.now))
    stage.found._limits = stage.limits
    gate = stage.enter()
    for _ in range(20):
        gate.throttled()
    stage.pass_time()
    assert stage.first == Cause.SERVER_LIMIT


def test_answers_that_begin_late(stage):
    gate = stage.enter()
    for _ in range(30):
        stage.pass_time(1)
        gate.limit.answered(0.09)
    assert stage.first == Cause.LATENCY


def test_bodies_that_take_their_time(stage):
    gate = stage.enter()
    gate.limit.answered(0.09)
    stage.pass_time()
    assert stage.first == Cause.BANDWIDTH


def test_a_listing_that_gives_nothing_to_do(stage):
    stage.meter.listing_ended = False
    stage.meter.fetched = stage.meter.selected
    stage.pass_time()
    assert stage.first == Cause.LISTING


def test_shares_add_up_and_the_largest_comes_first(stage):
    stage.enter()
    stage.pass_time(30)
    stage.pass_time(10, cpu=1.0)
    assert list(stage.found.found) == [Cause.BANDWIDTH, Cause.CPU]
    assert sum(stage.found.found.values()) == pytest.approx(1)


def test_the_slowest_host_is_where_most_of_the_time_was_spent(stage):
    stage.enter(HOST)
    assert stage.found.slowest_host is None
    stage.pass_time(10)
    assert stage.found.slowest_host is None
    for _ in range(3):
        stage.enter(OTHER)
    stage.pass_time(10)
    name, share = stage.found.slowest_host
    assert (name, share) == ("b.example:443", pytest.approx(0.6))
