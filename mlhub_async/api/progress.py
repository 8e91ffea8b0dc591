"""Displays of a running mirror: a tqdm bar, log lines, or nothing. A timer reads the counters and draws them.

The only module that uses tqdm.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from ..core.telemetry import Meter, human_size
from ..core.urls import term_safe

if TYPE_CHECKING:
    from tqdm import tqdm

HALVING_SECONDS = 20.0
"""A file counts half as much in the rate that the ETA is computed from after so long."""
MAX_NAME_CHARS = 24
MAX_PATH_CHARS = 60
SHOWN_PATHS = 3
WIDE_COLUMNS = 100
"""A terminal that is less wide has no room for the name of the collection."""


class Display(Protocol):
    """Shows a meter. `draw` is called every `every` seconds, `say` prints a line, `close` ends it."""

    every: float

    def draw(self, meter: Meter) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


async def watch(
    meter: Meter,
    draw: Callable[[Meter], None],
    every: float,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Draw the meter every so many seconds, until cancelled or until the terminal is gone."""
    while True:
        await sleep(every)
        try:
            draw(meter)
        except OSError:  # no reason to stop the run
            return


class Pace:
    """Rates of a run, and when it may end. `at` takes the counters of a moment (seconds)."""

    def __init__(self, now: float) -> None:
        self._files, self._bytes = _Rate(now, halving=HALVING_SECONDS), _Rate(now)
        self.files = self.bytes = 0.0
        """per second"""

    def at(self, now: float, meter: Meter) -> None:
        # What was there already is confirmed a hundred times as fast as the rest is fetched.
        handled = meter.fetched + meter.failed
        self.files = self._files.at(now, handled or meter.skipped)
        self.bytes = self._bytes.at(now, meter.received or meter.bytes)

    def seconds_left(self, meter: Meter) -> float | None:
        """Until the assets that are expected have an outcome; None: unknown."""
        left = meter.expected - meter.done
        return left / self.files if self.files > 0 and is_known(meter) else None


def is_known(meter: Meter) -> bool:
    """Whether the number of assets is known, or can be estimated from what the listings announced."""
    return meter.listing_ended or meter.announced > meter.listed


def share(meter: Meter) -> str:
    """How much is done: exact once the listing has ended, until then marked as an estimate."""
    sign = "" if meter.listing_ended else "\N{GREATER-THAN OR EQUAL TO}"
    percent = f" ({meter.done / meter.expected:.0%})" if is_known(meter) and meter.expected else ""
    return f"{meter.done}/{sign}{meter.expected} assets{percent}"


def status_line(meter: Meter, pace: Pace, held: int = 0) -> str:
    """One line of text: how far the run is. `held` hosts have asked for a pause."""
    counters = [share(meter), *_rates(meter, pace), f"{human_size(meter.bytes)} stored"]
    if not meter.listing_ended:
        counters.append(f"{meter.listed} items listed")
    if meter.collection:
        counters.append(term_safe(meter.collection, MAX_NAME_CHARS))
    return ", ".join(counters + _troubles(meter, held) + _under_way(meter))


def _under_way(meter: Meter) -> list[str]:
    """The files that have been transferred for the longest time, and the number of the others."""
    paths = list(meter.under_way)
    if not paths:
        return []
    shown = " ".join(term_safe(path, MAX_PATH_CHARS) for path in paths[:SHOWN_PATHS])
    others = f" and {len(paths) - SHOWN_PATHS} more" if len(paths) > SHOWN_PATHS else ""
    return [f"under way: {shown}{others}"]


def _rates(meter: Meter, pace: Pace) -> list[str]:
    left = pace.seconds_left(meter)
    rates = [f"{human_size(pace.bytes)}/s", f"{pace.files:.{0 if pace.files >= 10 else 1}f} files/s"]
    return rates + ([f"ETA {timedelta(seconds=round(left))}"] if left is not None else [])


def _troubles(meter: Meter, held: int) -> list[str]:
    counts = ((meter.failed, "failed"), (meter.retries, "retries"), (meter.restarts, "restarts"))
    return [f"{n} {what}" for n, what in (*counts, (held, "hosts waiting")) if n]


def _held(meter: Meter, now: float) -> int:
    return sum(until > now for until in meter.held.values())


class LogLines:
    """Prints a status line every 30 seconds: for logs and pipes."""

    def __init__(
        self, out: TextIO, *, every: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every = every
        self._out, self._clock, self._pace = out, clock, Pace(clock())

    def draw(self, meter: Meter) -> None:
        now = self._clock()
        self._pace.at(now, meter)
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.say(f"{stamp} {status_line(meter, self._pace, _held(meter, now))}")

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def close(self) -> None:
        """Nothing to close."""


@cache
def _tqdm() -> type[tqdm[NoReturn]]:
    # A run without a bar starts sooner without it.
    if "ipykernel" in sys.modules:  # a notebook: a widget, where there are some
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm  # type: ignore[assignment]

    class UnmonitoredBar(tqdm):  # type: ignore[type-arg]  # generic only in its stubs
        monitor_interval = 0  # no thread of tqdm's that refreshes the bar: `watch` does

    return UnmonitoredBar


class ProgressBar:
    """A tqdm bar on a terminal: assets done of those selected so far, which grow during the listing."""

    every = 0.1

    def __init__(
        self, out: TextIO, *, colour: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._colour, self._clock = out, colour, clock
        self._pace = Pace(clock())
        self._bar: tqdm[NoReturn] | None = None

    def _open_bar(self) -> tqdm[NoReturn]:
        """The bar, made when first drawn: a run that ends at once shows none."""
        if self._bar is None:
            self._bar = _tqdm()(
                desc="0/0 assets ",
                total=0,
                unit="asset",
                file=self._out,
                leave=False,
                dynamic_ncols=True,
                mininterval=0,
                miniters=0,
                colour="green" if self._colour else None,
                bar_format="{desc}|{bar}| {elapsed}{postfix}",
            )
        return self._bar

    def draw(self, meter: Meter) -> None:
        now, bar = self._clock(), self._open_bar()
        self._pace.at(now, meter)
        # Without a known total there is no share to draw: the bar stays empty.
        bar.total, bar.n = (meter.expected, meter.done) if is_known(meter) else (None, 0)
        bar.set_description_str(f"{share(meter)} ", refresh=False)
        wide = self._columns() >= WIDE_COLUMNS
        name = [term_safe(meter.collection, MAX_NAME_CHARS)] if meter.collection and wide else []
        troubles, paths = _troubles(meter, _held(meter, now)), _under_way(meter) if wide else []
        counters = [*_rates(meter, self._pace), *troubles, *name, *paths]
        bar.set_postfix_str(", ".join(counters), refresh=False)
        bar.refresh()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns
        except (OSError, ValueError):  # no terminal after all
            return 0

    def say(self, line: str) -> None:
        if self._bar is None:
            print(line, file=self._out, flush=True)
        else:
            self._bar.write(line, file=self._out)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.close()
        self._bar = None


class _Rate:
    """A count per second, as a moving average: one counts half as much after `halving` seconds."""

    def __init__(self, now: float, *, halving: float = 2.0) -> None:
        self._then, self._halving = now, halving
        self._count, self._bytes, self._seconds = 0, 0.0, 0.0

    def at(self, now: float, count: int) -> float:
        passed = now - self._then
        weight = 0.5 ** (passed / self._halving)
        self._bytes = weight * self._bytes + count - self._count
        self._seconds = weight * self._seconds + passed
        self._then, self._count = now, count
        return self._bytes / self._seconds if self._seconds > 0 else 0.0


class NoDisplay:
    """Shows nothing."""

    every = 3600.0

    def draw(self, meter: Meter) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


def choose_display(out: TextIO, environ: Mapping[str, str], *, quiet: bool = False) -> Display:
    """The display for `out`: a bar on a terminal, lines elsewhere, nothing if `quiet`.

    TERM=dumb and TQDM_DISABLE choose lines, NO_COLOR a bar without colour.
    """
    if quiet:
        return NoDisplay()
    if out.isatty() and environ.get("TERM") != "dumb" and not environ.get("TQDM_DISABLE"):
        return ProgressBar(out, colour=not environ.get("NO_COLOR"))
    return LogLines(out)
