"""Fixtures: scripted sites, the command line as a process, and checks that tests leave nothing open."""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from support import command, engine
from support.command import Program, clean_environment
from support.fork_server import ForkServer
from support.server import Background, Site, Troubled
from support.small_files import FORCE
from support.tls import Authority


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "the transport of all runs that do not choose one themselves"
    parser.addoption("--transport", choices=["auto", "fast", "aiohttp"], default="auto", help=text)
    text = "force the small-file path on or off in all runs"
    parser.addoption("--small-files", choices=["auto", "on", "off"], default="auto", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Try properties on the same examples on every machine, without a limit of time."""
    usual = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("usual", derandomize=True, **usual)
    settings.register_profile("long", max_examples=5000, **usual)
    settings.load_profile("long" if os.environ.get("MLHUB_PROOF") == "long" else "usual")
    if (transport := config.getoption("--transport")) != "auto":
        engine.DEFAULTS["transport"] = transport
        Program.default_words = ("--transport", transport)
    if (small_files := config.getoption("--small-files")) != "auto":
        FORCE[small_files]()
        command.PYTHON_PATH[:] = [f"{command.SUPPORT}/small_files_{small_files}", str(command.SUPPORT.parent)]
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if (number := getattr(signal, name, None)) and signal.getsignal(number) is signal.SIG_IGN:
            # Under nohup or behind `&`: a program that a test starts would inherit that and ignore it too.
            signal.signal(number, lambda *_: None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Workers for `-n auto`: three for two cores, since many tests wait for a server or a process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + cores // 2, 8)


def open_files() -> set[str]:
    """The open descriptors of this process, each with its target (Linux); empty elsewhere."""
    found = set()
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue
    return found


@contextmanager
def check_descriptors() -> Iterator[None]:
    before = open_files()
    yield
    if open_files() - before:
        gc.collect()
    assert open_files() - before == set(), "descriptors left open"


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test no descriptor is open and no task is running that was not before."""
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("nothing_left_in_the_loop")
        yield
    else:
        with check_descriptors():
            yield


@pytest.fixture
async def nothing_left_in_the_loop() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    with check_descriptors():
        yield
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        assert left == set(), "tasks left running"


@pytest.fixture
async def troubled() -> AsyncIterator[Troubled]:
    """`site = await troubled.site()`: a scripted server in the event loop of the test."""
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


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer | None]:
    """Starts the program for `run_cli` where a fork can; MLHUB_EXEC=1: a new interpreter always does."""
    if sys.platform != "linux" or os.environ.get("MLHUB_EXEC"):
        yield None
        return
    server = ForkServer(clean_environment(tmp_path_factory.mktemp("home"), {}))
    yield server
    server.close()


@pytest.fixture
def run_cli(tmp_path: Path, fork_server: ForkServer | None) -> Iterator[Program]:
    """`run_cli("mirror", url, dest)` returns a Finished; `run_cli.start(…)` a Running that can be killed."""
    home = tmp_path / "home"
    home.mkdir()
    program = Program(home, fork_server)
    yield program
    program.close()


@pytest.fixture
def site(troubled_thread: Background) -> Site:
    """One site in a thread."""
    return troubled_thread.site()


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"


@pytest.fixture
def landed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the files that have come by the small-file path."""
    from mlhub_async.transfer.small_file.small_files import SmallFiles

    found: list[str] = []
    land = SmallFiles.landed

    def note(self: SmallFiles, order: Any, record: Any, *rest: Any) -> None:
        found.append(record.path)
        land(self, order, record, *rest)

    monkeypatch.setattr(SmallFiles, "landed", note)
    return found


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of benchmarks/, which is no package; after the test none of them is imported."""
    folder = str(Path(__file__).parent.parent / "benchmarks")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if folder in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
