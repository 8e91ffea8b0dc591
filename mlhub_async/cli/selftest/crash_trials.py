"""Checks with whole runs: a cut connection, a killed process, a second run, two runs at the same time."""

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
from ...storage.layout import LOCK_FILE
from .checks import AsyncCheck, Finding
from .filesystem import CHOOSE_ANOTHER, open_store
from .loopback import SelftestSite, find_damage

ASSETS = 96
POLL_SECONDS = 0.005
REPORT_BUG = "this should not happen on a sound disk; please report it with the table above"
_PACKAGE_HOME = str(Path(mlhub_async.__file__).parent.parent)


def crash_checks(site: SelftestSite, kills: int) -> list[AsyncCheck]:
    """In the order in which they are to run: the second run needs the mirror that the killed runs left."""
    mirrors: list[Path] = []

    async def killed(directory: Path) -> Finding:
        mirrors.append(directory / "dest")
        return await check_kills(site, mirrors[0], kills)

    async def rerun(_: Path) -> Finding:
        return await check_rerun(site, mirrors[0])

    async def resumed(directory: Path) -> Finding:
        return await check_resume(site, directory / "dest")

    async def concurrent(directory: Path) -> Finding:
        return await check_two_runs(site, directory / "dest")

    return [
        AsyncCheck("lock, two processes", check_lock, CHOOSE_ANOTHER),
        AsyncCheck("connection cut, resumed", resumed, REPORT_BUG),
        AsyncCheck(f"kill -9, {kills} times", killed, REPORT_BUG),
        AsyncCheck("the same command again", rerun, "a second run may fetch files again", required=False),
        AsyncCheck("two runs at once", concurrent, "never start two runs into one DEST here"),
    ]


async def check_lock(directory: Path) -> Finding:
    """While this process holds the lock of a mirror another process cannot take it; afterwards it can."""
    with open_store(directory) as store:
        path = store.state / LOCK_FILE
        code, message = await _try_lock_in_process(path)
        if code != Locked.exit_code:
            return Finding(message or "another process got the lock that this one holds", ok=False)
    code, message = await _try_lock_in_process(path)
    if code:
        return Finding(message or f"exit {code}", ok=False)
    return Finding("held, refused to others, released")


async def _try_lock_in_process(path: Path) -> tuple[int, str]:
    return await run_module("mlhub_async.cli.selftest.lock_holder", str(path))


async def check_resume(site: SelftestSite, dest: Path) -> Finding:
    """After a cut the rest of a large file is requested, not the whole file."""
    options = Options(retry=RetryPolicy(base=0.05))
    site.ranges.clear()
    report = await mirror(site.catalogue("cut", 2), dest, options, environ={})
    if damage := find_damage(dest, "cut", 2, complete=True):
        return Finding(damage, ok=False)
    resumed = sum(1 for one in site.ranges if one)
    return Finding(f"exit {report.exit_code}, {resumed} files resumed", ok=report.ok and resumed == 2)


async def check_kills(site: SelftestSite, dest: Path, kills: int) -> Finding:
    """Kill runs at several points: no wrong file has a final name, and the next run completes the mirror."""
    source, step = site.catalogue("many", ASSETS), ASSETS // (kills + 1)
    for number in range(kills):
        async with start_mirror(source, dest) as child:
            if not await wait_until(child, _more_requests(site, step)):
                message = await last_stderr_line(child)
                return Finding(f"run {number + 1} ended too soon: {message}", ok=False)
            await kill(child)
        if damage := find_damage(dest, "many", ASSETS, complete=False):
            return Finding(f"after kill {number + 1} {damage}", ok=False)
    code, message = await run_module("mlhub_async", *mirror_arguments(source, dest))
    damage = message if code else find_damage(dest, "many", ASSETS, complete=True)
    proof = await verify(dest)
    text = f"{ASSETS} assets right after each kill; the next run exits 0, verify {proof.exit_code}"
    return Finding(damage or text, ok=not damage and proof.ok)


def _more_requests(site: SelftestSite, number: int) -> Callable[[], bool]:
    """A condition: so many more assets have been requested."""
    goal = site.asset_requests + max(number, 1)
    return lambda: site.asset_requests >= goal


async def check_rerun(site: SelftestSite, dest: Path) -> Finding:
    """A second run finds size and time of every file unchanged and fetches nothing."""
    before = site.asset_requests
    code, message = await run_module("mlhub_async", *mirror_arguments(site.catalogue("many", ASSETS), dest))
    fetched = site.asset_requests - before
    return Finding(message or f"exit {code}, {fetched} assets fetched again", ok=code == 0 and not fetched)


async def check_two_runs(site: SelftestSite, dest: Path) -> Finding:
    """A second run into the DEST of a running one exits 11, and the first completes."""
    source = site.catalogue("held", 1)
    async with start_mirror(source, dest) as first:
        if not await wait_until(first, _more_requests(site, 1)):
            return Finding(f"the first ended too soon: {await last_stderr_line(first)}", ok=False)
        async with start_mirror(source, dest) as second:
            await wait_until(second, _more_requests(site, 1))
            site.release.set()
            await asyncio.gather(first.communicate(), second.communicate())
    text = f"the second exits {second.returncode}, the first {first.returncode}"
    ok = (second.returncode, first.returncode) == (Locked.exit_code, 0)
    damage = find_damage(dest, "held", 1, complete=True)
    return Finding(damage or text, ok=ok and not damage)


@contextlib.asynccontextmanager
async def start_module(module: str, *arguments: str) -> AsyncIterator[Process]:
    """`python -m MODULE ARGUMENTS` as a child process, killed at the end of the block if it still runs."""
    path = os.pathsep.join(filter(None, [_PACKAGE_HOME, os.environ.get("PYTHONPATH")]))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
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


async def run_module(module: str, *arguments: str) -> tuple[int, str]:
    """Run `python -m MODULE ARGUMENTS` to its end; returns its exit code and its last line on stderr."""
    async with start_module(module, *arguments) as child:
        message = await last_stderr_line(child)
        return child.returncode or 0, message


async def last_stderr_line(child: Process) -> str:
    """Waits for the end of the child; "" if it printed nothing."""
    _, text = await child.communicate()
    return next((line for line in reversed(text.decode(errors="replace").split("\n")) if line), "")


def start_mirror(source: str, dest: Path) -> contextlib.AbstractAsyncContextManager[Process]:
    return start_module("mlhub_async", *mirror_arguments(source, dest))


def mirror_arguments(source: str, dest: Path) -> list[str]:
    return ["mirror", source, str(dest), "-q", "-j", "8"]


async def wait_until(child: Process, condition: Callable[[], bool]) -> bool:
    """Wait until the condition holds; False if the child ends before."""
    while not condition():
        if child.returncode is not None:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


async def kill(child: Process) -> None:
    """kill -9: no clean-up code runs in the child."""
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
