"""The program as users run it: another process with a clean environment, which can also be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
FEW = "-dac_override,-dac_read_search"
AS_A_USER = ["setpriv", f"--bounding-set={FEW}", f"--inh-caps={FEW}"]
"""Root without the right to write to files that are read-only."""
KEPT = (
    "PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "TEMP",
    "TMP",
    "LANG",
    "LD_LIBRARY_PATH",
)
TRANSFERRING = {"mirror", "plan", "ls"}
HANGS = 200.0
"""Seconds after which a run is not slow but hangs, on whatever machine."""
DIRT = ("Traceback (most recent", "was never awaited", "never retrieved", "Exception ignored", "Unclosed ")

PEAK = [
    sys.executable,
    "-c",
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:]).returncode\n"
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10\n"
    "sys.exit(print('peak', peak, file=sys.stderr) or code)",
]
"""For `under`: the last words on stderr are the memory that the run took at most, in MiB."""


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

    def __init__(self, words: list[str], home: Path, env: dict[str, str]) -> None:
        known = {name: os.environ[name] for name in KEPT if name in os.environ}
        clean = {**known, "HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(REPOSITORY), **env}
        self.process = subprocess.Popen(
            words,
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

    def finish(self, timeout: float = HANGS) -> Finished:
        out, err = self.process.communicate(timeout=timeout)
        return Finished(self.process.returncode, out, err)


class Program:
    """`mlhub-async` as users run it: another process, a clean environment, an empty home directory.

    `usual`: words for every run of a command that transfers and does not say otherwise.
    """

    usual: tuple[str, ...] = ()

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runs: list[Running] = []

    def start(self, *words: object, env: dict[str, str] | None = None, under: Sequence[str] = ()) -> Running:
        """`under`: the words of another program that runs this one, like `sh -c … sh`."""
        if words[:1] and words[0] in TRANSFERRING and not {"--transport", "--proxy"} & set(map(str, words)):
            words = (*words, *self.usual)
        return self.start_raw(*under, sys.executable, "-m", "mlhub_async", *words, env=env)

    def start_raw(self, *words: object, env: dict[str, str] | None = None) -> Running:
        running = Running([str(word) for word in words], self.home, env or {})
        self.runs.append(running)
        return running

    def __call__(
        self,
        *words: object,
        env: dict[str, str] | None = None,
        under: Sequence[str] = (),
        timeout: float = HANGS,
    ) -> Finished:
        return self.start(*words, env=env, under=under).finish(timeout)

    def close(self) -> None:
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
            with run.process:  # closes its pipes and waits
                pass
