"""Hides how the cost of one command is taken: wall, CPU of its process tree, peak memory."""

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
    """What one run took. `rss` is the peak of the largest process, in bytes; `code` the exit status.

    `rss` is 0 where the run was over before anybody could look.
    """

    wall: float
    cpu: float
    rss: int
    code: int

    def times(self, factor: float, start: Cost) -> Cost:
        """What `factor` times the work would have taken, `start` being what it takes to do none."""
        wall = start.wall + (self.wall - start.wall) * factor
        cpu = start.cpu + (self.cpu - start.cpu) * factor
        return Cost(wall, cpu, self.rss, self.code)


def run(argv: Sequence[str], log: Path, env: Mapping[str, str], limit: float) -> Cost:
    """Run to the end, output into `log`. After `limit` seconds it is ended, and its code tells."""
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
        watch = _Watch(process.pid, began + limit)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            watch.stop()
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    rss = _peak(usage.ru_maxrss * KIB, watch.peak)
    return Cost(wall, usage.ru_utime + usage.ru_stime, rss, process.returncode)


def _environment() -> dict[str, str]:
    """Ours, but that a Python program may keep what it compiled, as an installed one does."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _peak(told: int, seen: int) -> int:
    """A child begins with the peak of its parent, so what wait4 tells is its own only when larger."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    return told if told > own else seen


class _Watch:
    """Looks at a process fifty times a second: its high-water mark so far, and whether it is overdue."""

    def __init__(self, pid: int, deadline: float) -> None:
        self.peak = 0
        self._pid, self._deadline = pid, deadline
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, _high_water(self._pid))
            if time.perf_counter() > self._deadline:
                os.killpg(self._pid, signal.SIGKILL)
                return


def _high_water(pid: int) -> int:
    """Of the process and its descendants, the largest; 0 where there is no /proc or it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    marks = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
    return max([0, *marks, *(_high_water(int(child)) for child in children)])
