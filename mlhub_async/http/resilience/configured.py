"""The limits of a run, as its options say."""

from __future__ import annotations

from ...core.options import Options
from .circuit_breaker import DEFAULT_OUTAGE_POLICY, OutagePolicy
from .concurrency import FIRST_LIMIT, LEAST_SHARED, MAX_LIMIT
from .gate import OriginLimits
from .rate_limit import RateLimiter


def origin_limits(options: Options) -> OriginLimits:
    """The limits of all processes together. How many workers a cluster has is not known."""
    of_all = 0 if options.scheduler else (options.concurrency or 0) * options.processes
    most = options.max_per_host or of_all or MAX_LIMIT
    least = min(LEAST_SHARED, most // 2) if options.processes > 1 else 1
    return OriginLimits(
        most,
        first=max(FIRST_LIMIT, least) if options.concurrency is None else None,
        least=least,
        rate_limiter=RateLimiter(options.tpslimit, options.bwlimit, options.max_transfer),
        outage_policy=outage_policy(options),
    )


def outage_policy(options: Options) -> OutagePolicy:
    """A probe of a host that is away takes the part of a retry: the policy for retries holds for it."""
    retry, pause = options.retry, DEFAULT_OUTAGE_POLICY.max_first_pause
    return OutagePolicy(retry.attempts - 1, options.max_outage, pause * retry.base, retry.base)
