"""The total of a population from a stratified random sample, with its interval, and what to sample next.

Sizes of files are skewed: the interval is that of Student, with Hall's transformation for the skewness of the
estimator (P. Hall, J. R. Statist. Soc. B 54 (1992) 221) and with the corrections for finite populations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, fmean
from typing import NamedTuple

CONFIDENCE = 0.95
NOMINAL = 0.975
"""Of the quantiles: the variance of a skewed sample is usually too small, and that of a sample which ends as
it looks narrow is so more often. By this the truth was inside in 94 to 99 of 100 (benchmarks/forecast.py)."""
MIN_PER_STRATUM = 8
"""Values of a stratum before its variance is believed. A stratum that has no more is measured as a whole."""
PROPORTIONAL_SHARE = 0.25
MAX_SKEWNESS = 2.0
"""Of the estimator: above that the transformation would go beyond what it is for."""


@dataclass(slots=True)
class Stratum:
    """Values that are alike: `count` in the population, `values` of those that were drawn at random.

    `missing` were drawn and gave no value: they are taken to be like the others.
    """

    count: int
    values: list[float] = field(default_factory=list)
    missing: int = 0
    closed: bool = False
    """none can be drawn any more"""

    @property
    def drawn(self) -> int:
        return len(self.values) + self.missing

    @property
    def left(self) -> int:
        """How many can be drawn."""
        return 0 if self.closed else self.count - self.drawn

    @property
    def mean(self) -> float:
        return fmean(self.values) if self.values else 0.0

    def moment(self, order: int) -> float:
        """The central moment, without bias for orders 2 and 3; 0 where there are too few values."""
        n = len(self.values)
        if n < order:
            return 0.0
        mean = self.mean
        total = sum((value - mean) ** order for value in self.values)
        return total / (n - 1) if order == 2 else total * n / ((n - 1) * (n - 2))


class Interval(NamedTuple):
    """An estimate of a total, and where the truth is with a probability of `CONFIDENCE`."""

    total: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """The longer side of the interval as a part of the estimate; 0 for one without doubt."""
        if self.high <= self.low:
            return 0.0
        return max(self.high - self.total, self.total - self.low) / self.total if self.total else math.inf


def estimate(strata: Sequence[Stratum]) -> Interval:
    """The total of all strata that have values."""
    strata = [one for one in strata if one.values]
    total = sum(one.count * one.mean for one in strata)
    variances = [_variance(one) for one in strata]
    variance = sum(variances)
    least = sum(map(sum, (one.values for one in strata)))
    if variance <= 0:
        return Interval(total, total, total)
    freedom = variance**2 / sum(
        part**2 / (len(one.values) - 1) for one, part in zip(strata, variances, strict=True) if part
    )
    spread = math.sqrt(variance)
    skewness = min(max(sum(map(_third, strata)) / spread**3, -MAX_SKEWNESS), MAX_SKEWNESS)
    quantile = student_quantile((1 + NOMINAL) / 2, freedom)
    low = total - spread * _untransformed(quantile, skewness)
    high = total - spread * _untransformed(-quantile, skewness)
    return Interval(total, max(low, least), max(high, total))


def _variance(stratum: Stratum) -> float:
    """Of the estimated total of a stratum."""
    n, count = len(stratum.values), stratum.count
    if n < 2 or n >= count:
        return 0.0
    return count**2 * (1 - n / count) * stratum.moment(2) / n


def _third(stratum: Stratum) -> float:
    """The third central moment of the estimated total of a stratum."""
    n, count = len(stratum.values), stratum.count
    if n < 3 or n >= count:
        return 0.0
    part = n / count
    return count**3 * (1 - part) * (1 - 2 * part) * stratum.moment(3) / n**2


def _untransformed(quantile: float, skewness: float) -> float:
    """The inverse of Hall's g(x) = x + c x^2 / 3 + c^2 x^3 / 27 + c / 6, c the skewness of the estimator."""
    if abs(skewness) < 1e-6:
        return quantile
    inner = 1 + skewness * (quantile - skewness / 6)
    return 3 / skewness * (math.copysign(abs(inner) ** (1 / 3), inner) - 1)


def student_quantile(probability: float, freedom: float) -> float:
    """Of Student's distribution: G. W. Hill's expansion (Commun. ACM 13 (1970) 619), to 1 % from 2 on."""
    z = NormalDist().inv_cdf(probability)
    if freedom < 2:
        return math.tan(math.pi * (probability - 0.5))  # that of 1: longer
    powers = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom ** (number + 1) for number, term in enumerate(powers))


def allocate(strata: Sequence[Stratum], budget: int) -> list[int]:
    """How many to draw next of each stratum, `budget` in all: first what each needs, then where the variance
    of the total falls most (Neyman's allocation). A part goes by numbers alone: the variance of a stratum
    whose large files have not been met yet is thought too small."""
    wanted = [min(one.left, max(0, MIN_PER_STRATUM - one.drawn)) for one in strata]
    if sum(wanted):
        return _cut(wanted, budget)
    spreads = [one.count * math.sqrt(one.moment(2)) if one.left else 0.0 for one in strata]
    counts = [float(one.count) if one.left else 0.0 for one in strata]
    whole, number = sum(spreads), sum(counts)
    if not number:
        return [0 for _ in strata]
    share = PROPORTIONAL_SHARE if whole else 1.0
    drawn = sum(one.drawn for one in strata if one.left)
    wanted = []
    for one, spread, count in zip(strata, spreads, counts, strict=True):
        part = share * count / number + ((1 - share) * spread / whole if whole else 0.0)
        wanted.append(min(one.left, max(0, math.ceil((drawn + budget) * part) - one.drawn)))
    return _cut(wanted, budget)


def _cut(wanted: list[int], budget: int) -> list[int]:
    """The same shares of a budget that does not do for all."""
    whole = sum(wanted)
    if whole <= budget:
        return wanted
    shares = [one * budget // whole for one in wanted]
    for number in sorted(range(len(wanted)), key=lambda one: wanted[one] * budget % whole, reverse=True):
        if sum(shares) == budget:
            break
        shares[number] += 1
    return shares
