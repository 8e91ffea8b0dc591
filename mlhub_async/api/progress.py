"""How a run is seen while it runs: workers add to plain numbers, one timer looks at them and draws.

The only module that knows tqdm.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from ..core.telemetry import Meter, human

if TYPE_CHECKING:
    from tqdm import tqdm


class Display(Protocol):
    """Something that shows a meter: `draw` by one timer, `say` for a line of its own, `close` at the end."""

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
    """Draw the meter every so many seconds until cancelled, or until there is nobody left to see it."""
    while True:
        await sleep(every)
        try:
            draw(meter)
        except OSError:  # the terminal is gone: no reason to stop the run
            return


def status_line(meter: Meter, seconds: float, held: int = 0) -> str:
    """One plain line that says how far the run is."""
    parts = [
        f"{meter.done}/{meter.selected} assets",
        f"{human(meter.bytes)} stored",
        f"{human(meter.received / seconds if seconds > 0 else 0)}/s",
        f"{meter.listed} items listed",
    ]
    counts = ((meter.failed, "failed"), (meter.retries, "retries"), (meter.restarts, "restarts"))
    return ", ".join(parts + [f"{n} {what}" for n, what in (*counts, (held, "hosts waiting")) if n])


def _held(meter: Meter, now: float) -> int:
    return sum(until > now for until in meter.held.values())


class Lines:
    """A line now and then, for logs and pipes."""

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
        """Nothing to tidy up: the summary follows."""


@cache
def _tqdm() -> type[tqdm[NoReturn]]:
    from tqdm import tqdm  # noqa: PLC0415 -- what draws no bar starts sooner without it

    class Unwatched(tqdm):  # type: ignore[type-arg]  # generic only in its stubs
        monitor_interval = 0  # we have a timer: no thread that looks after the bar

    return Unwatched


class Bar:
    """A tqdm bar on a terminal: assets done of those selected so far, which grow while the listing runs."""

    every = 0.1

    def __init__(
        self, out: TextIO, *, colour: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._colour, self._clock = out, colour, clock
        self._rate = _Rate(clock())
        self._bar: tqdm[NoReturn] | None = None

    def _shown(self) -> tqdm[NoReturn]:
        """Made when first drawn, so that what ends at once shows none."""
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
        now, bar = self._clock(), self._shown()
        bar.total, bar.n = meter.selected, meter.done
        bar.set_postfix_str(self._postfix(meter, now), refresh=False)
        bar.refresh()

    def _postfix(self, meter: Meter, now: float) -> str:
        parts = [f"{human(self._rate.at(now, meter.received))}/s", human(meter.bytes)]
        counts = ((meter.failed, "failed"), (meter.retries, "retries"), (_held(meter, now), "waiting"))
        return ", ".join(parts + [f"{n} {what}" for n, what in counts if n])

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
    """Bytes per second over the last seconds: what is older counts half as much every `halving` seconds."""

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


class Silence:
    """Shows nothing of what goes well."""

    every = 3600.0

    def draw(self, meter: Meter) -> None: ...

    def say(self, line: str) -> None: ...

    def close(self) -> None: ...


def display(out: TextIO, environ: Mapping[str, str], *, quiet: bool = False) -> Display:
    """The display that suits `out`: a bar on a terminal, lines elsewhere, nothing when told to be quiet."""
    if quiet:
        return Silence()
    if out.isatty() and environ.get("TERM") != "dumb" and not environ.get("TQDM_DISABLE"):
        return Bar(out, colour=not environ.get("NO_COLOR"))
    return Lines(out)
