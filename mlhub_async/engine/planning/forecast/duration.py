"""How long a mirror may take: from the rates of an earlier run, or of the requests of the sample."""

from __future__ import annotations

from typing import NamedTuple

from ....core.options import Options
from ...report.rates import Rates
from .sampling import Forecast


class Duration(NamedTuple):
    """Seconds. `high` None: `low` is for the requests alone, as nothing is known of the rate of bytes."""

    low: float
    high: float | None


def duration_of(found: Forecast, rates: Rates | None, options: Options) -> Duration | None:
    """None where nothing is known.

    An earlier run had a rate of files and one of bytes. Of files that are larger than its files fewer come in
    a second and more bytes, so the truth is between both. The limits of the user hold in any case.
    """
    _, low_bytes, high_bytes = found.sizes
    by_limits = [low_bytes / options.bwlimit] if options.bwlimit else []
    by_limits += [found.files / options.tpslimit] if options.tpslimit else []
    limited = max(by_limits, default=0.0)
    if rates is not None:
        by_files = found.files / rates.files * rates.seconds
        low = min(by_files, low_bytes / rates.bytes * rates.seconds)
        high = max(by_files, high_bytes / rates.bytes * rates.seconds)
        by_bytes = high_bytes / options.bwlimit if options.bwlimit else 0.0
        return Duration(max(low, limited), max(high, limited, by_bytes))
    if found.requests_per_second:
        return Duration(max(found.files / found.requests_per_second, limited), None)
    return Duration(limited, None) if limited else None
