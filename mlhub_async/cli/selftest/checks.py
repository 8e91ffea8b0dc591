"""A check of the selftest and its result: what was found, how serious it is, what to do about it."""

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
    """WARNING: a mirror works but costs more time or space. FAILED: a mirror is not safe here."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(NamedTuple):
    """What a check found, in a few words. `harm`: a bad finding is only a warning, with this in place of the
    advice."""

    text: str
    ok: bool = True
    harm: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one check. `advice` is "" if there is nothing to do."""

    name: str
    verdict: Verdict
    found: str
    advice: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """A check that runs in a thread, in a directory of its own.

    `required`: a mirror cannot do without it; otherwise a bad finding is only a warning.
    """

    name: str
    probe: Callable[[Path], Finding]
    advice: str
    required: bool = True

    async def row(self, directory: Path) -> Row:
        """Create `directory`, run the check in it and return the result."""
        return await _judge(self, lambda: self._run_to_completion(directory))

    async def _run_to_completion(self, directory: Path) -> Finding:
        """Waits for the thread also when cancelled: until then the directory cannot be removed."""
        running = asyncio.ensure_future(asyncio.to_thread(self._probe, directory))
        try:
            return await asyncio.shield(running)
        finally:
            await asyncio.wait([running])
            running.exception()

    def _probe(self, directory: Path) -> Finding:
        directory.mkdir()
        return self.probe(directory)


@dataclass(frozen=True, slots=True)
class AsyncCheck:
    """A check that runs in the event loop, in a directory of its own. It fails after `timeout` seconds."""

    name: str
    probe: Callable[[Path], Awaitable[Finding]]
    advice: str
    required: bool = True
    timeout: float = 60.0

    async def row(self, directory: Path) -> Row:
        """Create `directory`, run the check in it and return the result."""

        async def probe() -> Finding:
            os.mkdir(directory)
            async with asyncio.timeout(self.timeout):
                return await self.probe(directory)

        return await _judge(self, probe)


async def _judge(check: Check | AsyncCheck, probe: Callable[[], Awaitable[Finding]]) -> Row:
    """Run `probe`. Errors of the disk and of the program are bad findings; any other exception is raised."""
    started = time.monotonic()
    try:
        finding = await probe()
    except MlhubError as error:
        finding = Finding(error.message, ok=False)
    except TimeoutError:
        finding = Finding("did not finish in time", ok=False)
    except OSError as error:
        finding = Finding(error.strerror or type(error).__name__, ok=False)
    required = check.required and not finding.harm
    verdict = Verdict.OK if finding.ok else Verdict.FAILED if required else Verdict.WARNING
    advice = "" if finding.ok else finding.harm or check.advice
    return Row(check.name, verdict, finding.text, advice, time.monotonic() - started)
