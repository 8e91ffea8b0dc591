"""The estimate of a forecast: the truth is inside the interval, and the sample is random and small."""

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.model import Asset, Head
from mlhub_async.core.options import Options
from mlhub_async.engine.planning.forecast import frame as frames
from mlhub_async.engine.planning.forecast.duration import duration_of
from mlhub_async.engine.planning.forecast.estimate import (
    Interval,
    Stratum,
    allocate,
    estimate,
    student_quantile,
)
from mlhub_async.engine.planning.forecast.frame import Frame
from mlhub_async.engine.planning.forecast.sampling import MAX_REQUESTS, Forecast, Sampler
from mlhub_async.engine.planning.forecast.sizes import Measured, size_in
from mlhub_async.engine.report.rates import Rates

CATALOGUES = ("uniform", "log_normal", "bimodal", "one_huge_key", "lying")


@pytest.mark.parametrize("name", CATALOGUES)
def test_the_truth_is_inside_the_interval_in_93_of_100_catalogues(bench, name):
    module = bench("forecast")
    found = list(module.outcomes(getattr(module, name), 100))
    assert sum(one.holds for one in found) >= 93
    assert max(one.requests for one in found) <= MAX_REQUESTS
    if name == "uniform":
        assert (
            max(one.requests for one in found) < MAX_REQUESTS / 2
            and max(one.half_width for one in found) <= 0.1
        )


def test_quantiles_are_those_of_the_tables():
    for freedom, expected in ((3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)):
        assert student_quantile(0.975, freedom) == pytest.approx(expected, rel=0.01)
    assert student_quantile(0.975, 1e9) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-6)
    assert student_quantile(0.975, 1.5) >= 4.303


def test_a_stratum_that_was_measured_whole_has_no_doubt():
    whole = Stratum(3, [1.0, 5.0, 100.0])
    assert estimate([whole]) == (106, 106, 106)
    total, low, high = estimate([whole, Stratum(1000, [float(n) for n in range(10, 30)])])
    assert low < total < high and low >= 106


def test_missing_values_are_taken_to_be_like_the_others():
    assert estimate([Stratum(10, [2.0] * 5, missing=5)]).total == 20


strata = st.lists(
    st.builds(
        lambda count, values: Stratum(max(count, len(values)), values),
        st.integers(1, 10**6),
        st.lists(st.floats(0, 1e12), max_size=30),
    ),
    min_size=1,
    max_size=8,
)


@given(strata, st.integers(1, 200))
def test_what_is_drawn_next_keeps_to_the_budget_and_to_what_there_is(found, budget):
    shares = allocate(found, budget)
    assert sum(shares) <= budget
    assert all(0 <= share <= one.left for share, one in zip(shares, found, strict=True))
    assert sum(shares) or not sum(one.left for one in found)


@given(strata)
def test_an_interval_holds_its_estimate_and_what_was_seen(found):
    total, low, high = estimate(found)
    assert all(map(math.isfinite, (total, low, high)))
    seen = sum(map(sum, (one.values for one in found)))
    assert low <= high and high >= total and low >= seen * (1 - 1e-9) - 1


def asset(number, key="data", host="a.example"):
    return Asset(f"https://{host}/{key}/{number}", key, f"i{number}", "c", "image/tiff")


def filled(assets, chance=None):
    made = Frame(chance or random.Random(1).random)
    for one in assets:
        made.add(one.href, "c", one, lambda one=one: one)
    return made


def test_a_url_counts_once_and_known_sizes_are_summed_up():
    made = filled([asset(1), asset(1), asset(2)._replace(size=70), asset(3)])
    assert (made.files, made.unknown_files, made.known_bytes) == (3, 2, 70)


@pytest.mark.parametrize("kinds", [1, 5, 40])
def test_the_files_drawn_first_are_a_random_sample(kinds, monkeypatch):
    """Each file is among the first drawn as often as each other one, also where memory lets few be kept."""
    monkeypatch.setattr(frames, "MAX_UNITS", 60)
    drawn = [0] * 80
    for seed in range(1500):
        assets = [asset(number, f"k{number % kinds}") for number in range(80)]
        made = filled(assets, random.Random(seed).random)
        group = made.groups()[-1]
        drawn[int(group.deck[-1].asset.href.rpartition("/")[2])] += 1
    of_group = [count for count in drawn if count]
    expected = 1500 / len(of_group)
    spread = math.sqrt(expected)
    assert all(abs(count - expected) < 5 * spread for count in of_group)


def test_memory_does_not_grow_with_the_listing(monkeypatch):
    monkeypatch.setattr(frames, "MAX_UNITS", 500)
    monkeypatch.setattr(frames, "MAX_KINDS", 50)
    made = filled(asset(number, f"k{number}") for number in range(3000))
    kept = [unit for kept in made._kinds.values() for unit in kept.heap]
    assert len(made._kinds) <= 51 and len(kept) <= 600
    groups = made.groups()
    assert sum(group.stratum.count for group in groups) == 3000 and len(groups) <= frames.MAX_STRATA


def test_many_kinds_are_put_together_until_they_are_few():
    made = filled(asset(number, f"k{number % 100}", f"h{number % 2}.example") for number in range(1000))
    groups = made.groups()
    assert len(groups) <= frames.MAX_STRATA and sum(one.stratum.count for one in groups) == 1000
    without = made.groups(without={"https://h0.example"})
    assert sum(one.stratum.count for one in without) == 500


async def sampled(sizes, honest=lambda one, size: True):
    """A forecast of files with these answers, by number."""
    made = filled(asset(number) for number in range(len(sizes)))

    async def measure(one):
        return sizes[int(one.href.rpartition("/")[2])]

    async def is_honest(one, size):
        return honest(one, size)

    return await Sampler(made, measure, is_honest).run()


async def test_few_files_are_asked_for_all_and_there_is_no_doubt():
    found = await sampled([Measured(100 * number) for number in range(40)])
    assert found.sizes == (78_000, 78_000, 78_000) and found.sampled == 40


async def test_files_that_are_gone_count_nothing_and_those_without_size_are_told():
    answers = [Measured(0, "not-found"), Measured(None, "encoded"), Measured(10, ranged=False)] * 10
    found = await sampled(answers)
    assert found.absent == 10 and found.missing == {"encoded": 10} and found.without_ranges == 10
    assert found.sizes.total == 150


async def test_a_host_that_lies_is_left_out_and_named():
    found = await sampled([Measured(1000)] * 50, honest=lambda one, size: False)
    assert found.unbelieved == {"https://a.example": 50} and found.sizes.total == 0 and found.requests < 10


async def test_no_answer_at_all_is_no_estimate():
    found = await sampled([Measured(None, "timeout")] * 50)
    assert found.unmeasured == 50 and found.sizes.total == 0


def head(status, **fields):
    return Head(
        status, {name.replace("_", "-"): value for name, value in fields.items()}, "https://a.example/f"
    )


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (head(206, content_range="bytes 1-1/700", content_length="1"), Measured(700)),
        (head(206, content_range="bytes 0-699/700", content_length="700"), Measured(700)),
        (head(200, content_range="bytes 1-1/700", content_length="1"), Measured(700)),
        (head(206, content_range="bytes 1-1/*"), Measured(None, "no-length")),
        (head(206), Measured(None, "no-length")),
        (head(416, content_range="bytes */1"), Measured(1)),
        (head(416, content_range="bytes */0"), Measured(0)),
        (head(416), Measured(None, "no-length")),
        (head(200, content_length="900"), Measured(900, "", False)),
        (head(200), Measured(None, "no-length", False)),
        (head(200, content_length="90", content_encoding="gzip"), Measured(None, "encoded", False)),
        (head(206, content_range="bytes 1-1/90", content_encoding="gzip"), Measured(None, "encoded")),
        (head(200, content_length="-5"), Measured(None, "no-length", False)),
    ],
)
def test_what_the_head_of_an_answer_says_of_the_size(answer, expected):
    assert size_in(answer) == expected


def expecting(files, total, rate=0.0):
    found = Forecast(files, 0, files, Interval(total, total * 0.9, total * 1.1))
    found.requests_per_second = rate
    return found


def test_the_time_is_between_that_of_files_and_that_of_bytes():
    rates = Rates(files=100, bytes=1000, seconds=10.0)
    assert duration_of(expecting(200, 20_000), rates, Options()) == (20, 220)
    assert duration_of(expecting(200, 200), rates, Options()) == pytest.approx((1.8, 20))
    assert duration_of(expecting(200, 200), rates, Options(tpslimit=1))[0] == 200
    low, high = duration_of(expecting(200, 20_000), rates, Options(bwlimit=10))
    assert (low, high) == pytest.approx((1800, 2200))


def test_without_an_earlier_run_the_time_is_that_of_the_requests():
    assert duration_of(expecting(200, 200, rate=4.0), None, Options()) == (50, None)
    assert duration_of(expecting(200, 200), None, Options()) is None
