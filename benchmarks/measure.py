"""Measures one command: wall time, CPU time of its process tree, peak memory."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KIB = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run: seconds of wall and CPU time, exit code, and `rss`.

    `rss` is the peak memory of the largest process in bytes; 0 if the run was too short to be sampled.
    """

    wall: float
    cpu: float
    rss: int
    code: int

    def times(self, factor: float, start: Cost) -> Cost:
        """The cost of `factor` times the work, where `start` is the cost of doing none."""
        wall = start.wall + (self.wall - start.wall) * factor
        cpu = start.cpu + (self.cpu - start.cpu) * factor
        return Cost(wall, cpu, self.rss, self.code)


def run(argv: Sequence[str], log: Path, env: Mapping[str, str], limit: float) -> Cost:
    """Run a command to its end, with its output in `log`. It is killed after `limit` seconds."""
    with log.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**_environment(), **env},
            start_new_session=True,
        )
        sampler = _Sampler(process.pid, began + limit)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            sampler.stop()
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    rss = _peak(usage.ru_maxrss * KIB, sampler.peak)
    return Cost(wall, usage.ru_utime + usage.ru_stime, rss, process.returncode)


def _environment() -> dict[str, str]:
    """The environment of this process, but Python programs may write compiled files, as installed ones do."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _peak(reported: int, sampled: int) -> int:
    """A child inherits the peak of its parent: what wait4 reports is its own only if it is larger."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    return reported if reported > own else sampled


class _Sampler:
    """Samples a process fifty times a second: its peak memory, and whether it has exceeded its time."""

    def __init__(self, pid: int, deadline: float) -> None:
        self.peak = 0
        self._pid, self._deadline = pid, deadline
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, _high_water(self._pid))
            if time.perf_counter() > self._deadline:
                os.killpg(self._pid, signal.SIGKILL)
                return


def _high_water(pid: int) -> int:
    """The largest peak of the process and its descendants in bytes; 0 without /proc or if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    marks = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max([0, *marks, *(_high_water(int(child)) for child in children)])
