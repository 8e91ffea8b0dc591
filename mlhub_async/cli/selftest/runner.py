"""The selftest in one place: a directory of its own, every check in turn, nothing left behind."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ...core.errors import StorageError
from ...core.telemetry import human
from . import filesystem
from .checks import Check, Row, Trial
from .crash_trials import trials
from .loopback import serving

KILLS = 5
NEEDED = 32 << 20


async def examine(directory: Path, kills: int = KILLS) -> AsyncGenerator[Row, None]:
    """Each check's row as soon as it is known. Close it (`aclosing`): then the directory is as it was.

    Raises `StorageError` where nothing can be tried at all.
    """
    async with _own(directory) as place, serving() as site:
        checks: list[Check | Trial] = [*filesystem.CHECKS, *filesystem.NAMING_CHECKS, *trials(site, kills)]
        for number, check in enumerate(checks):
            yield await check.row(place / str(number))


@asynccontextmanager
async def _own(directory: Path) -> AsyncIterator[Path]:
    """A directory of ours below the one to be examined, removed with all that is in it."""
    try:
        free = shutil.disk_usage(directory).free
        place = Path(tempfile.mkdtemp(prefix=".mlhub-selftest-", dir=directory))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{directory}: {reason}; choose a directory that exists and is yours") from None
    try:
        if free < NEEDED:
            raise StorageError(
                f"{directory}: {human(free)} free, and {human(NEEDED)} are needed to try anything;"
                " free some space or choose another DEST"
            )
        yield place
    finally:
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
