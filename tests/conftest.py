"""Fixtures: troubled sites in the loop or in a thread, the command line as a process, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from troubled import Background, Troubled
from troubled_tls import Authority

REPOSITORY = Path(__file__).parent.parent
KEPT = (
    "PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "TEMP",
    "TMP",
    "LANG",
    "LD_LIBRARY_PATH",
)
DIRT = ("Traceback (most recent", "was never awaited", "never retrieved", "Exception ignored", "Unclosed ")


def open_files() -> set[str]:
    """The descriptors of this process with what they are; empty where the system does not tell."""
    found = set()
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue
    return found


@contextmanager
def every_file_closed() -> Iterator[None]:
    before = open_files()
    yield
    if open_files() - before:
        gc.collect()
    assert open_files() - before == set(), "descriptors left open"


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test no descriptor is open and no task runs that was not there before."""
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("nothing_left_in_the_loop")
        yield
    else:
        with every_file_closed():
            yield


@pytest.fixture
async def nothing_left_in_the_loop() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    with every_file_closed():
        yield
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        assert left == set(), "tasks left running"


@pytest.fixture
async def troubled() -> AsyncIterator[Troubled]:
    """`site = await troubled.site()`: a scripted server in the loop of the test."""
    async with Troubled() as sites:
        yield sites


@pytest.fixture
def troubled_thread() -> Iterator[Background]:
    """`site = troubled_thread.site()`: the same in a thread, for clients that are other processes."""
    with Background() as sites:
        yield sites


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """For `troubled.site("localhost", authority.context())`; a client trusts it by `authority.pem`."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl program is not here: no certificates to test with")
    return Authority(tmp_path_factory.mktemp("ca"))


class Finished:
    """What a run of the program left: exit code, output, and the files under DEST by name."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        dirt = [word for word in DIRT if word in err]
        assert not dirt or code == 1, f"{dirt} on stderr:\n{err}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A run of the program that has not ended yet."""

    def __init__(self, words: tuple[str, ...], home: Path, env: dict[str, str]) -> None:
        known = {name: os.environ[name] for name in KEPT if name in os.environ}
        clean = {**known, "HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(REPOSITORY), **env}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlhub_async", *words],
            cwd=home,
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """kill -9: no clean-up of any sort runs in the program."""
        self.process.kill()
        self.process.communicate()

    def finish(self, timeout: float = 50) -> Finished:
        out, err = self.process.communicate(timeout=timeout)
        return Finished(self.process.returncode, out, err)


class Program:
    """`mlhub-async` as users run it: another process, a clean environment, an empty home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runs: list[Running] = []

    def start(self, *words: object, env: dict[str, str] | None = None) -> Running:
        running = Running(tuple(str(word) for word in words), self.home, env or {})
        self.runs.append(running)
        return running

    def __call__(self, *words: object, env: dict[str, str] | None = None, timeout: float = 50) -> Finished:
        return self.start(*words, env=env).finish(timeout)

    def close(self) -> None:
        for run in self.runs:
            if run.process.poll() is None:
                run.kill()


@pytest.fixture
def run_cli(tmp_path: Path) -> Iterator[Program]:
    """`run_cli("mirror", url, dest)` gives a Finished; `run_cli.start(…)` a Running that can be killed."""
    home = tmp_path / "home"
    home.mkdir()
    program = Program(home)
    yield program
    program.close()
