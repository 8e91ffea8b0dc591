"""The file with the results of a comparison: command, machine, versions, every run, every figure."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from measure import Cost
from table import Run

PATH_OPTIONS = {"--json", "--stac-asset-python", "--tmp"}


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one command. `figures` are the rows that it derives from several runs and prints."""

    command: str
    machine: str
    versions: Mapping[str, str]
    runs: Sequence[Run]
    figures: Sequence[Mapping[str, Any]] = field(default_factory=list)
    scale: float = 1.0

    def write(self, path: Path) -> None:
        rows = [json.dumps(row) for row in map(asdict, self.runs)]
        names = ("command", "machine", "scale", "versions")
        head = json.dumps({name: getattr(self, name) for name in names})
        figures = [json.dumps(row) for row in self.figures]
        path.write_text(f'{head[:-1]},\n"figures": {_lines(figures)},\n"runs": {_lines(rows)}}}\n')


def read(path: Path) -> Results:
    found = json.loads(path.read_text())
    runs = [Run(**{**row, "cost": Cost(**row["cost"])}) for row in found["runs"]]
    return Results(**{**found, "runs": runs})


def _lines(rows: Sequence[str]) -> str:
    return "[" + ",".join(f"\n {row}" for row in rows) + "]"


def command() -> str:
    """The command line to repeat, without the options that are paths on this machine."""
    script, *given = sys.argv
    pairs = zip([script, *given], given, strict=False)
    kept = [word for before, word in pairs if not {word, before} & PATH_OPTIONS]
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *kept])


def machine(nginx: str) -> str:
    python = f"Python {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} CPUs ({_processor()}), {system}, {python}, nginx {nginx}, {_commit()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    argv = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    if shutil.which(argv[0]) is None:
        return "no commit"
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    return f"commit {result.stdout.strip()}" if result.returncode == 0 else "no commit"
