"""`--every`: one run after the other in one process, until a signal. SIGHUP reads the configuration again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import click

from ...core.errors import MlhubError, UsageError
from .console import Console

T = TypeVar("T")
JITTER = 0.1
"""The longest random delay of a start, as a part of the interval: mirrors that were started together would
ask a host together, for ever."""


def until_next(interval: float, taken: float, chance: float) -> float:
    """Seconds from the end of a run, which took so many, to the start of the next one; 0: it is late already.

    The interval is from start to start. `chance` is from 0 to 1.
    """
    return max(0.0, interval * (1 + JITTER * chance) - taken)


class Repetition(Generic[T]):
    """Repeats a run with settings of type T: the ones that the command began with, or those read since.

    `reread` gives interval and settings as the configuration says them now; an interval of None leaves it.
    """

    def __init__(
        self,
        console: Console,
        interval: float,
        settings: T,
        reread: Callable[[], tuple[float | None, T]],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._console = console
        self._interval = interval
        self._settings = settings
        self._reread = reread
        self._chance = chance
        self._hung_up = asyncio.Event()
        self._terminal = _is_terminal()

    async def run(self, work: Callable[[T], Awaitable[int]]) -> int:
        """Repeat until a signal cancels it. Returns 2 if the first run says that the command is wrong."""
        clock, first = asyncio.get_running_loop().time, True
        self._console.stop.on_hangup = self._on_hangup
        while True:
            began = clock()
            code = await self._once(work)
            if first and code == UsageError.exit_code:
                return code
            first = False
            self._console.rest()
            await self._wait(began, clock, code)

    def _on_hangup(self) -> bool:
        """Ask for the configuration to be read. False if the terminal has gone: then the run ends by it."""
        if self._terminal and not _is_terminal():
            return False
        self._hung_up.set()
        return True

    async def _once(self, work: Callable[[T], Awaitable[int]]) -> int:
        try:
            return await work(self._settings)
        except MlhubError as failure:
            return self._console.fail(failure)
        except Exception as bug:
            sys.excepthook(type(bug), bug, bug.__traceback__)
            return self._console.fail_by_bug(bug)

    async def _wait(self, began: float, clock: Callable[[], float], code: int) -> None:
        """Wait for the time of the next run; SIGHUP meanwhile, or during the run, changes the settings."""
        chance = self._chance()

        def left() -> float:
            return until_next(self._interval, clock() - began, chance)

        if self._hung_up.is_set():
            self._take_settings()
        self._say_next(left(), code)
        while (seconds := left()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hung_up.wait()
                self._take_settings()
                self._say_next(left(), 0)

    def _take_settings(self) -> None:
        self._hung_up.clear()
        try:
            interval, self._settings = self._reread()
        except click.ClickException as wrong:
            self._console.warn(f"SIGHUP: {wrong.format_message()}; the former configuration stays")
        except MlhubError as wrong:
            self._console.warn(f"SIGHUP: {wrong.message}; the former configuration stays")
        else:
            self._interval = interval or self._interval
            self._console.say("SIGHUP: configuration read again")

    def _say_next(self, seconds: float, code: int) -> None:
        when = f"the next run begins in {_duration(seconds)}" if seconds else "the next run begins"
        if not code:
            self._console.say(when)
        else:
            self._console.warn(f"this run ended with exit code {code}; {when}")


def _duration(seconds: float) -> str:
    """A time for people: '45 s', '14 min', '3.2 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _is_terminal() -> bool:
    """Whether stderr is a terminal that is there: of one that was closed the system says that it is none."""
    try:
        return os.isatty(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
