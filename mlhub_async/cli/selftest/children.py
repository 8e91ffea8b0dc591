"""Hides how this program is started as another process, killed, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import mlhub_async

STEP = 0.005
_HOME = str(Path(mlhub_async.__file__).parent.parent)


@contextlib.asynccontextmanager
async def started(module: str, *words: str) -> AsyncIterator[Process]:
    """`python -m MODULE WORDS`, killed at the end of the block if it has not ended."""
    path = os.pathsep.join(filter(None, [_HOME, os.environ.get("PYTHONPATH")]))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *words,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.communicate()


async def ran(module: str, *words: str) -> tuple[int, str]:
    """Exit code and last words of a run that is let go to its end."""
    async with started(module, *words) as child:
        said = await last_words(child)
        return child.returncode or 0, said


async def last_words(child: Process) -> str:
    """The last line of stderr, once the child has ended."""
    _, said = await child.communicate()
    return next((line for line in reversed(said.decode(errors="replace").split("\n")) if line), "")


def mirroring(source: str, dest: Path) -> contextlib.AbstractAsyncContextManager[Process]:
    return started("mlhub_async", *mirror_words(source, dest))


def mirror_words(source: str, dest: Path) -> list[str]:
    return ["mirror", source, str(dest), "-q", "-j", "8"]


async def until(child: Process, true: Callable[[], bool]) -> bool:
    """Wait until something is true; false if the child ended before it was."""
    while not true():
        if child.returncode is not None:
            return False
        await asyncio.sleep(STEP)
    return True


async def killed(child: Process) -> None:
    """kill -9: no clean-up of any sort runs in the program."""
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
