"""Runs all checks of the selftest in a directory of their own, which is removed afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ...core.errors import StorageError
from ...core.telemetry import human_size
from . import filesystem
from .checks import AsyncCheck, Check, Row
from .crash_trials import crash_checks
from .loopback import serve

KILLS = 5
MIN_FREE_BYTES = 32 << 20


async def run_checks(directory: Path, kills: int = KILLS) -> AsyncGenerator[Row, None]:
    """The result of each check as soon as it is known. Use `aclosing`: the end cleans `directory` up.

    Raises `StorageError` if nothing can be checked at all.
    """
    async with _own_directory(directory) as own, serve() as site:
        checks: list[Check | AsyncCheck] = [*filesystem.CHECKS, *crash_checks(site, kills)]
        for number, check in enumerate(checks):
            yield await check.row(own / str(number))


@asynccontextmanager
async def _own_directory(directory: Path) -> AsyncIterator[Path]:
    """A new directory below the one to be checked, removed at the end with all its content."""
    try:
        free = shutil.disk_usage(directory).free
        own = Path(tempfile.mkdtemp(prefix=".mlhub-selftest-", dir=directory))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(
            f"{directory}: {reason}; choose a directory that exists and that you may write to"
        ) from None
    try:
        if free < MIN_FREE_BYTES:
            raise StorageError(
                f"{directory}: {human_size(free)} free, the checks need {human_size(MIN_FREE_BYTES)};"
                " free some space or choose another DEST"
            )
        yield own
    finally:
        await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)
