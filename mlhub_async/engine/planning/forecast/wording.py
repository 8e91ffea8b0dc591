"""A forecast in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from ....core.telemetry import human_size
from ....core.urls import term_safe
from .duration import Duration
from .estimate import CONFIDENCE
from .sampling import Forecast


def forecast_lines(found: Forecast) -> Iterator[str]:
    """How many bytes, how that is known, and of which files it is not."""
    total, low, high = map(human_size, found.sizes)
    if not found.unknown_files:
        yield f"forecast: {total}, all of known size"
        return
    range_of = f" ({CONFIDENCE:.0%}: {low} to {high})" if low != high else ""
    asked = f"{found.sampled} of {found.unknown_files} files of unknown size"
    yield f"forecast: {total}{range_of}, from {found.requests} requests for one byte each to {asked}"
    if found.missing:
        reasons = ", ".join(f"{why}: {count}" for why, count in found.missing.most_common())
        count = sum(found.missing.values())
        yield f"forecast: {count} of these gave no size ({reasons}): they are taken to be like the others"
    if found.absent:
        yield f"forecast: {found.absent} of these do not exist: so may others"
    if found.without_ranges:
        yield f"forecast: {found.without_ranges} of these come whole only: their Content-Length is believed"
    for host, count in found.unbelieved.items():
        yield f"forecast: {term_safe(host)} says sizes that its files do not have: {count} files are left out"
    if found.unmeasured:
        yield f"forecast: {found.unmeasured} files are left out, as no file of their kind gave a size"


def duration_line(time: Duration | None, found: Forecast) -> str:
    """How long it may take."""
    if time is None:
        return "time: nothing is known before a first run"
    if time.high is not None:
        return (
            f"time: {span(time.low)} to {span(time.high)}, by the rates of the last run and the limits given"
        )
    rate = (
        f" at {found.requests_per_second:.0f} a second as in the sample" if found.requests_per_second else ""
    )
    return f"time: {span(time.low)} for the requests{rate}; how fast bytes come, a first run into DEST learns"


def span(seconds: float) -> str:
    """A time in a unit that fits: '45 s', '14 min', '3.2 h', '2.5 d'."""
    if seconds < 1:
        return "less than 1 s"
    for unit, length, longest in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < longest:
            return f"{seconds / length:.1f} {unit}" if unit == "h" else f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86_400:.1f} d"
