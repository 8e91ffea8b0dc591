"""The number of requests at a time, found by trying on hosts of every temper. No test waits for its clock."""

import math

import pytest

from mlhub_async.core.options import Options
from mlhub_async.core.urls import Origin
from mlhub_async.http.resilience.concurrency import FIRST_LIMIT, MAX_LIMIT, AdaptiveLimit
from mlhub_async.http.resilience.configured import origin_limits
from mlhub_async.http.resilience.gate import MAX_ORIGINS, OriginLimits

SIZE = 16 << 10


class Host:
    """A host that answers so many requests per second when asked by `n` at a time, and refuses some."""

    def __init__(self, speed, refuses=lambda n: 0.0):
        self.speed = speed
        self.refuses = refuses
        self.now = 1000.0
        self.limit = AdaptiveLimit(FIRST_LIMIT, MAX_LIMIT, lambda: self.now)
        self.answered = 0.0
        self.most = 0

    def work(self, seconds, size=SIZE):
        """Answers come one by one, at the rate that the places of the moment bring."""
        pace, end = self.limit, self.now + seconds
        while self.now < end:
            assert pace.allowed >= 1
            places = pace.allowed
            self.most = max(self.most, places)
            pace.active = places
            assert pace.crowded()
            self.now += 1 / self.speed(places)
            if (self.answered * 7919) % 100 < 100 * self.refuses(places):
                pace.throttled()
            else:
                pace.work += size
                pace.answered(places / self.speed(places))
            self.answered += 1
            if pace.due:
                pace.adjust()
        return self


def best(speed):
    return max(speed(n) for n in range(1, MAX_LIMIT + 1))


SPEEDS = {
    "loopback, where few are as good as many": lambda n: 4000 * min(n, 3) / 3,
    "50 ms to the first byte": lambda n: n / 0.05,
    "50 ms, and 600 a second at most": lambda n: min(n / 0.05, 600),
    "slower for all beyond 16": lambda n: 50 * n if n <= 16 else 800 * (16 / n) ** 1.5,
    "one at a time": lambda n: 20.0,
}


@pytest.mark.parametrize("speed", SPEEDS.values(), ids=SPEEDS)
def test_nine_tenths_of_the_best_fixed_number_is_found(speed):
    host = Host(speed).work(20)
    before = host.answered
    host.work(20)
    assert (host.answered - before) / 20 >= 0.9 * best(speed)


def test_a_trial_that_only_made_all_wait_longer_ends_where_it_began():
    host = Host(lambda n: n / (0.02 * max(1.0, n / 16) ** 2)).work(0.6)
    assert (host.most, host.limit.settled) == (32, 16)
    before = host.answered
    assert (host.work(1).answered - before) >= 0.95 * 16 / 0.02


def test_a_doubled_number_that_is_slow_at_first_is_measured_once_more():
    host, since = Host(lambda n: n / 0.05), {}

    def speed(number):
        began = since.setdefault(number, host.now)
        return number / 0.05 / (2 if number >= 32 and host.now - began < 0.25 else 1)

    host.speed = speed
    assert host.work(2).limit.settled == MAX_LIMIT


def test_where_few_are_as_good_as_many_few_are_used():
    assert Host(SPEEDS["loopback, where few are as good as many"]).work(30).limit.settled <= 8


def test_a_host_that_allows_four_is_asked_by_four_most_of_the_time():
    host = Host(lambda n: 20.0 * min(n, 4), refuses=lambda n: max(0.0, (n - 4) / n))
    host.work(10)
    seen = [host.work(0.5).limit.allowed for _ in range(200)]
    assert sum(3 <= n <= 4 for n in seen) >= 0.9 * len(seen)


def test_a_refusal_here_and_there_is_weather_and_changes_nothing():
    host = Host(lambda n: n / 0.05, refuses=lambda n: 0.05).work(30)
    assert host.limit.settled >= MAX_LIMIT // 2


def test_the_refusals_of_one_wave_lower_the_number_once():
    pace = AdaptiveLimit(64, MAX_LIMIT, lambda: 0.0)
    pace.active = 64
    for _ in range(40):
        pace.throttled()
    assert pace.allowed == 32
    for _ in range(28):  # the rest of those that were under way
        pace.answered(0.05)
    for _ in range(4):  # these were sent since
        pace.throttled()
    assert pace.allowed == 16


def test_a_host_that_allows_a_hundred_is_asked_by_nearly_as_many():
    host = Host(lambda n: min(n, 100) / 0.05, refuses=lambda n: max(0.0, (n - 100) / n)).work(20)
    before = host.answered
    host.work(40)
    assert (host.answered - before) / 40 >= 0.85 * 100 / 0.05


def test_connections_that_are_closed_end_a_trial():
    now = [0.0]
    pace = AdaptiveLimit(32, MAX_LIMIT, lambda: now[0])
    for _ in range(64):
        pace.take()
        pace.answered(0.05)
    pace.active, now[0] = 32, 0.1
    pace.adjust()
    assert (pace.allowed, pace.settled) == (64, 32)
    pace.active = 64
    for _ in range(14):  # of fifty that the host serves
        pace.dropped()
    assert pace.allowed == 32


def test_connections_that_are_closed_lower_a_given_number():
    pace = AdaptiveLimit(64, 64, lambda: 0.0)
    pace.answered(0.05)
    pace.active = 64
    for _ in range(14):
        pace.dropped()
    assert pace.allowed == 48


@pytest.mark.parametrize(("answers", "drops"), [(0, 64), (40, 4), (9, 3)])
def test_few_closed_connections_or_all_of_them_do_not(answers, drops):
    pace = AdaptiveLimit(64, 64, lambda: 0.0)
    for _ in range(answers):
        pace.answered(0.05)
    for _ in range(drops):
        pace.dropped()
    assert pace.allowed == 64


def test_a_host_that_changes_is_found_out_again():
    slow = [False]
    host = Host(lambda n: 10.0 * min(n, 4) if slow[0] else n / 0.05).work(15)
    assert host.limit.settled >= MAX_LIMIT // 2
    slow[0] = True
    assert host.work(120).limit.settled <= 16


def test_large_bodies_are_learned_from_while_they_come():
    clock = [0.0]
    pace = AdaptiveLimit(FIRST_LIMIT, MAX_LIMIT, lambda: clock[0])
    for _ in range(200):
        pace.active = pace.allowed
        assert pace.crowded()
        clock[0] += 0.5
        pace.work += int(0.5 * 1e6 * min(pace.allowed, 8))
        pace.adjust()
    assert 6 <= pace.settled <= 12


def test_much_that_is_still_to_come_lets_nobody_in_beyond_a_few():
    pace = AdaptiveLimit(16, 16, lambda: 0.0)
    pace.in_flight, pace.active = 8 << 30, 3
    assert not pace.crowded()
    pace.active = 4
    assert pace.crowded()


def test_a_fixed_number_stays_while_few_requests_are_refused():
    clock = [0.0]
    pace = AdaptiveLimit(5, 5, lambda: clock[0])
    for _ in range(1000):
        clock[0] += 0.1
        for _ in range(4):
            pace.answered(0.1)
        pace.throttled()
        pace.adjust()
    assert pace.allowed == 5


def test_a_fixed_number_is_the_largest_where_the_host_refuses_so_many():
    host = Host(lambda n: 20.0 * min(n, 4), refuses=lambda n: max(0.0, (n - 4) / n))
    host.limit = AdaptiveLimit(16, 16, lambda: host.now)
    host.work(10)
    seen = [host.work(0.5).limit.allowed for _ in range(200)]
    assert sum(3 <= n <= 4 for n in seen) >= 0.9 * len(seen) and max(seen) <= 16


def several(speed, refuses=lambda n: 0.0):
    """A host that is shared by several processes."""
    host = Host(speed, refuses)
    host.limit = AdaptiveLimit(32, MAX_LIMIT, lambda: host.now, least=32)
    return host


def test_several_processes_keep_their_number_where_fewer_are_as_good():
    host = several(lambda n: 4000 * min(n, 3) / 3 * (0.97 if int(host.answered) % 700 < 350 else 1.0))
    seen = [host.work(0.5).limit.allowed for _ in range(200)]
    assert sum(n >= 32 for n in seen) >= 0.9 * len(seen) and host.limit.settled >= 32


def test_requests_of_several_processes_that_queue_are_not_made_fewer_than_their_number():
    clock = [0.0]
    pace = AdaptiveLimit(32, MAX_LIMIT, lambda: clock[0], least=32)
    for wait in (0.001, *[0.1] * 50):
        for _ in range(400):
            pace.active = pace.allowed
            assert pace.crowded()
            pace.work += SIZE
            pace.answered(wait)
        clock[0] += 0.2
        pace.adjust()
        assert pace.settled >= 32


def test_several_processes_make_fewer_requests_where_those_bring_more_or_the_host_refuses():
    slow = several(SPEEDS["slower for all beyond 16"]).work(60)
    assert slow.limit.settled <= 20
    refusing = several(lambda n: 500.0, refuses=lambda n: 0.5 if n > 6 else 0.0).work(30)
    assert refusing.limit.settled <= 6


@pytest.mark.parametrize(
    ("words", "first", "least"),
    [
        ({}, 8, 1),
        ({"processes": 2}, 32, 32),
        ({"processes": 16}, 32, 32),
        ({"processes": 2, "max_per_host": 20}, 10, 10),
        ({"processes": 2, "concurrency": 4}, 8, 4),
    ],
)
def test_the_first_number_depends_on_the_processes(words, first, least):
    limit = origin_limits(Options(**words)).gate(Origin("https", "h.test", 443)).limit
    assert (limit.allowed, limit._least) == (first, least)


def test_a_number_that_another_sets_stays():
    pace = AdaptiveLimit(0, 0, lambda: 0.0)
    pace.allowed = pace.active = 8
    for _ in range(100):
        pace.throttled()
        pace.dropped()
    assert pace.allowed == 8
    assert pace.hand_over()[-2:] == (100, 100)


def test_nothing_is_learned_while_there_is_not_enough_to_do():
    clock = [0.0]
    pace = AdaptiveLimit(FIRST_LIMIT, MAX_LIMIT, lambda: clock[0])
    for _ in range(1000):
        clock[0] += 0.1
        pace.work += int(1e6 * math.exp(clock[0] / 10))
        pace.answered(0.01)
        pace.adjust()
    assert pace.allowed == FIRST_LIMIT


async def test_what_was_learned_of_a_host_outlasts_that_it_is_forgotten_among_thousands():
    limits = OriginLimits(MAX_LIMIT, first=FIRST_LIMIT)
    hosts = [Origin("https", f"h{n}.test", 443) for n in range(4 * MAX_ORIGINS)]
    limits.recall({str(hosts[0]): 3})
    first = limits.gate(hosts[0])
    assert first.limit.allowed == 3
    for host in hosts:
        limits.gate(host)
    assert limits.gate(hosts[0]) is not first and limits.gate(hosts[0]).limit.allowed == 3
    assert limits.learned_limits() == {str(hosts[0]): 3}


def test_of_what_earlier_runs_learned_so_much_is_kept_and_all_that_this_one_learns():
    limits = OriginLimits(MAX_LIMIT, first=FIRST_LIMIT)
    mine = Origin("https", "a.test", 443)
    limits.recall({str(mine): 3, **{f"https://h{n}.test": 5 for n in range(3 * MAX_ORIGINS)}})
    limits.gate(mine)
    kept = limits.learned_limits()
    assert len(kept) == MAX_ORIGINS and kept[str(mine)] == 3
