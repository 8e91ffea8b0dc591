"""Displays of a running mirror: a tqdm bar, log lines, or nothing. A timer reads the counters and draws them.

The only module that uses tqdm.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from ..core.telemetry import Meter, human_size

if TYPE_CHECKING:
    from tqdm import tqdm


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


def status_line(meter: Meter, seconds: float, held: int = 0) -> str:
    """One line of text: how far the run is. `held` hosts have asked for a pause."""
    counters = [
        f"{meter.done}/{meter.selected} assets",
        f"{human_size(meter.bytes)} stored",
        f"{human_size(meter.received / seconds if seconds > 0 else 0)}/s",
        f"{meter.listed} items listed",
    ]
    counts = ((meter.failed, "failed"), (meter.retries, "retries"), (meter.restarts, "restarts"))
    return ", ".join(counters + [f"{n} {what}" for n, what in (*counts, (held, "hosts waiting")) if n])


def _held(meter: Meter, now: float) -> int:
    return sum(until > now for until in meter.held.values())


class LogLines:
    """Prints a status line every 30 seconds: for logs and pipes."""

    def __init__(
        self, out: TextIO, *, every: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every = every
        self._out, self._clock, self._began = out, clock, clock()

    def draw(self, meter: Meter) -> None:
        now = self._clock()
        self.say(status_line(meter, now - self._began, _held(meter, now)))

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def close(self) -> None:
        """Nothing to close."""


@cache
def _tqdm() -> type[tqdm[NoReturn]]:
    from tqdm import tqdm  # a run without a bar starts sooner without it

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
        self._rate = _Rate(clock())
        self._bar: tqdm[NoReturn] | None = None

    def _open_bar(self) -> tqdm[NoReturn]:
        """The bar, made when first drawn: a run that ends at once shows none."""
        if self._bar is None:
            self._bar = _tqdm()(
                total=0,
                unit="asset",
                file=self._out,
                leave=False,
                dynamic_ncols=True,
                mininterval=0,
                miniters=0,
                colour="green" if self._colour else None,
                bar_format="{n_fmt}/{total_fmt} assets |{bar}| {elapsed}{postfix}",
            )
        return self._bar

    def draw(self, meter: Meter) -> None:
        now, bar = self._clock(), self._open_bar()
        bar.total, bar.n = meter.selected, meter.done
        bar.set_postfix_str(self._postfix(meter, now), refresh=False)
        bar.refresh()

    def _postfix(self, meter: Meter, now: float) -> str:
        counters = [f"{human_size(self._rate.at(now, meter.received))}/s", human_size(meter.bytes)]
        counts = ((meter.failed, "failed"), (meter.retries, "retries"), (_held(meter, now), "waiting"))
        return ", ".join(counters + [f"{n} {what}" for n, what in counts if n])

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
    """Bytes per second, as a moving average: a byte counts half as much after `halving` seconds."""

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
