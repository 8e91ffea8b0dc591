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

from support.fork_server import ForkServer, is_possible

REPOSITORY = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent
PYTHON_PATH: list[str] = []
"""Directories that come first in the PYTHONPATH of a run."""
FEWER_CAPABILITIES = "-dac_override,-dac_read_search"
AS_A_USER = ["setpriv", f"--bounding-set={FEWER_CAPABILITIES}", f"--inh-caps={FEWER_CAPABILITIES}"]
"""Runs a command as root without the right to write to read-only files."""
INHERITED_VARIABLES = (
    "PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "TEMP",
    "TMP",
    "LANG",
    "LD_LIBRARY_PATH",
)
TRANSFERRING = {"mirror", "plan", "ls"}
WITHOUT_ORJSON = str(REPOSITORY / "tests/support/without_orjson")
"""In front of the module path it hides orjson, also from the programs that tests start."""
HANG_SECONDS = 200.0
"""A run that takes longer hangs, on whatever machine."""
ERROR_SIGNS = (
    "Traceback (most recent",
    "was never awaited",
    "never retrieved",
    "Exception ignored",
    "Unclosed ",
)

PEAK = [
    sys.executable,
    "-c",
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:]).returncode\n"
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10\n"
    "sys.exit(print('peak', peak, file=sys.stderr) or code)",
]
"""For `under`: the last line on stderr is "peak" and the peak memory of the run in MiB."""


class Finished:
    """Exit code and output of a run of the program."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        signs = [word for word in ERROR_SIGNS if word in err]
        assert not signs or code == 1, f"{signs} on stderr:\n{err}"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def clean_environment(home: Path, env: dict[str, str]) -> dict[str, str]:
    """The variables of a run: few of this process, and those of `env`."""
    known = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    paths = [*PYTHON_PATH, *(path for path in sys.path if path == WITHOUT_ORJSON), str(REPOSITORY)]
    home_variables = {"HOME": str(home), "USERPROFILE": str(home)}
    return {**known, **home_variables, "PYTHONPATH": os.pathsep.join(paths), **env}


class Running:
    """A run of the program in another process."""

    def __init__(self, words: list[str], home: Path, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            words,
            cwd=home,
            env=clean_environment(home, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """kill -9: nothing is cleaned up by the program."""
        self.process.kill()
        self.process.communicate()

    def finish(self, timeout: float = HANG_SECONDS) -> Finished:
        out, err = self.process.communicate(timeout=timeout)
        return Finished(self.process.returncode, out, err)


class Program:
    """`mlhub-async` as users run it: another process, a clean environment, an empty home directory.

    `default_words` are added to every command that transfers and does not choose a transport.
    """

    default_words: tuple[str, ...] = ()

    def __init__(self, home: Path, forks: ForkServer | None = None) -> None:
        """`forks` runs what runs to its end (`__call__`); without it, and for `start`, a new interpreter."""
        self.home = home
        self._forks = forks
        self.runs: list[Running] = []

    def start(self, *words: object, env: dict[str, str] | None = None, under: Sequence[str] = ()) -> Running:
        """`under`: the command line of another program that runs this one, such as `sh -c … sh`."""
        return self.start_raw(*under, sys.executable, "-m", "mlhub_async", *self._complete(words), env=env)

    def _complete(self, words: tuple[object, ...]) -> tuple[object, ...]:
        if words[:1] and words[0] in TRANSFERRING and not {"--transport", "--proxy"} & set(map(str, words)):
            return (*words, *self.default_words)
        return words

    def start_raw(self, *words: object, env: dict[str, str] | None = None) -> Running:
        running = Running([str(word) for word in words], self.home, env or {})
        self.runs.append(running)
        return running

    def __call__(
        self,
        *words: object,
        env: dict[str, str] | None = None,
        under: Sequence[str] = (),
        timeout: float = HANG_SECONDS,
    ) -> Finished:
        if under or self._forks is None or not is_possible(env or {}):
            return self.start(*words, env=env, under=under).finish(timeout)
        complete, clean = self._complete(words), clean_environment(self.home, env or {})
        return Finished(*self._forks.run([str(word) for word in complete], str(self.home), clean, timeout))

    def close(self) -> None:
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
            with run.process:  # closes its pipes and waits
                pass
