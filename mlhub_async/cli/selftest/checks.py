"""Hides how a check becomes a row of the table: what was found, how bad it is, what to do about it."""

from __future__ import annotations

import asyncio
import enum
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...core.errors import MlhubError


class Verdict(enum.Enum):
    """A warning costs time or space; only what failed keeps a mirror from living here."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(NamedTuple):
    """What a check saw, in a few words."""

    words: str
    good: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one check. `advice` is "" where there is nothing to do."""

    name: str
    verdict: Verdict
    found: str
    advice: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """Something to try in a directory that exists and is its own.

    `look` runs in a thread. `matters`: a mirror cannot do without; else a bad finding is a warning.
    """

    name: str
    look: Callable[[Path], Finding]
    advice: str
    matters: bool = True

    async def row(self, place: Path) -> Row:
        return await judged(self, lambda: self._to_its_end(place))

    async def _to_its_end(self, place: Path) -> Finding:
        """Also when cancelled: while a thread still writes here nothing can be removed."""
        looking = asyncio.ensure_future(asyncio.to_thread(self._look, place))
        try:
            return await asyncio.shield(looking)
        finally:
            await asyncio.wait([looking])
            looking.exception()

    def _look(self, place: Path) -> Finding:
        place.mkdir()
        return self.look(place)


@dataclass(frozen=True, slots=True)
class Trial:
    """The same for what runs in the loop. After `limit` seconds it has failed."""

    name: str
    attempt: Callable[[Path], Awaitable[Finding]]
    advice: str
    matters: bool = True
    limit: float = 60.0

    async def row(self, place: Path) -> Row:
        async def attempt() -> Finding:
            os.mkdir(place)
            async with asyncio.timeout(self.limit):
                return await self.attempt(place)

        return await judged(self, attempt)


async def judged(check: Check | Trial, look: Callable[[], Awaitable[Finding]]) -> Row:
    """Look; an error that the disk or the program tells is a bad finding, a bug stays an exception."""
    began = time.monotonic()
    try:
        finding = await look()
    except MlhubError as error:
        finding = Finding(error.message, good=False)
    except TimeoutError:
        finding = Finding("did not come to an end in time", good=False)
    except OSError as error:
        finding = Finding(error.strerror or type(error).__name__, good=False)
    verdict = Verdict.OK if finding.good else Verdict.FAILED if check.matters else Verdict.WARNING
    advice = "" if finding.good else check.advice
    return Row(check.name, verdict, finding.words, advice, time.monotonic() - began)
