"""What happens to runs: the connection cut, the process killed, the same command again, two at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import mlhub_async

from ...core.errors import Locked
from ...core.options import Options, RetryPolicy
from ...engine.mirror import mirror
from ...engine.verify import verify
from .checks import Finding, Trial
from .filesystem import ELSEWHERE, opened
from .loopback import Site, flaw

NUMBER = 96
REPORT = "this should not happen on a sound disk; please report it with the table above"

STEP = 0.005
_HOME = str(Path(mlhub_async.__file__).parent.parent)


def trials(site: Site, kills: int) -> list[Trial]:
    """In the order in which they are told. The one that runs again needs what the one before it left."""
    left: list[Path] = []

    async def killing(place: Path) -> Finding:
        left.append(place / "dest")
        return await survives(site, left[0], kills)

    async def again(_: Path) -> Finding:
        return await asks_for_nothing(site, left[0])

    async def resuming(place: Path) -> Finding:
        return await resumes(site, place / "dest")

    async def two(place: Path) -> Finding:
        return await keeps_apart(site, place / "dest")

    return [
        Trial("lock, two processes", locks, ELSEWHERE),
        Trial("connection cut, resumed", resuming, REPORT),
        Trial(f"kill -9, {kills} times", killing, REPORT),
        Trial("the same command again", again, "a second run may fetch files again", matters=False),
        Trial("two runs at once", two, "never start two runs into one DEST here"),
    ]


async def locks(place: Path) -> Finding:
    """A lock that this process has keeps another one out, until it is given back."""
    with opened(place) as store:
        path = store.state / "lock"
        code, said = await _rival(path)
    if code != Locked.exit_code:
        return Finding(said or "another process got the lock that this one has", good=False)
    code, said = await _rival(path)
    return Finding(said or f"exit {code}", good=False) if code else Finding("held, refused to others, freed")


async def _rival(path: Path) -> tuple[int, str]:
    return await ran("mlhub_async.cli.selftest.lock_holder", str(path))


async def resumes(site: Site, dest: Path) -> Finding:
    """The rest of a large file is asked for, not the whole again."""
    quick = Options(retry=RetryPolicy(base=0.05))
    site.ranges.clear()
    report = await mirror(site.catalogue("cut", 2), dest, quick, environ={})
    if wrong := flaw(dest, "cut", 2, whole=True):
        return Finding(wrong, good=False)
    asked = [one for one in site.ranges if one]
    words = f"exit {report.exit_code}, {len(asked)} files went on in the middle"
    return Finding(words, good=report.ok and len(asked) == 2)


async def survives(site: Site, dest: Path, kills: int) -> Finding:
    """Killed at several points, nothing wrong has a final name; the last run completes and proves it."""
    source, step = site.catalogue("many", NUMBER), NUMBER // (kills + 1)
    for number in range(kills):
        async with mirroring(source, dest) as child:
            if not await until(child, _more(site, step)):
                return Finding(f"run {number + 1} ended too soon: {await last_words(child)}", good=False)
            await killed(child)
        if wrong := flaw(dest, "many", NUMBER, whole=False):
            return Finding(f"after kill {number + 1} {wrong}", good=False)
    code, said = await ran("mlhub_async", *mirror_words(source, dest))
    wrong = said if code else flaw(dest, "many", NUMBER, whole=True)
    proven = await verify(dest)
    words = wrong or f"{NUMBER} assets right after each kill; the next run exits 0, verify {proven.exit_code}"
    return Finding(words, good=not wrong and proven.ok)


def _more(site: Site, step: int) -> Callable[[], bool]:
    """True when so many more assets were asked for."""
    goal = site.asked + max(step, 1)
    return lambda: site.asked >= goal


async def asks_for_nothing(site: Site, dest: Path) -> Finding:
    """Size and time of each file are still what they were: none is fetched twice."""
    before = site.asked
    code, said = await ran("mlhub_async", *mirror_words(site.catalogue("many", NUMBER), dest))
    asked = site.asked - before
    return Finding(said or f"exit {code}, {asked} assets fetched again", good=code == 0 and not asked)


async def keeps_apart(site: Site, dest: Path) -> Finding:
    """While a run waits for its asset a second one into the same DEST exits 11, and the first completes."""
    source = site.catalogue("held", 1)
    async with mirroring(source, dest) as first:
        if not await until(first, _more(site, 1)):
            return Finding(f"the first ended too soon: {await last_words(first)}", good=False)
        async with mirroring(source, dest) as second:
            await until(second, _more(site, 1))
            site.release.set()
            await asyncio.gather(first.communicate(), second.communicate())
    words = f"the second exits {second.returncode}, the first {first.returncode}"
    good = (second.returncode, first.returncode) == (Locked.exit_code, 0)
    wrong = flaw(dest, "held", 1, whole=True)
    return Finding(wrong or words, good=good and not wrong)


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
