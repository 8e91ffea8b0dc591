"""Measures worker processes: CPU per file beside one process, and files per second of a far host.

    python benchmarks/processes.py                        both; about ten minutes
    python benchmarks/processes.py --only cpu --rounds 5  CPU of --processes 2 by that of one process
    python benchmarks/processes.py --only far --seconds 10

    cpu    20,000 files of 16 KiB from nginx on loopback, in interleaved rounds; CPU of all processes together
    far    a host that answers each request after 50 ms, -j 4, --max-per-host 4 x processes: 1, 2, 4, 8, 16

A target of `cpu` is the ratio MAX_CPU, one of `far` is MIN_LINEAR times what one process gets, times their
number. `far` is counted twice: `run` from the receipt, with the start of all processes; `steady` between the
files at a fifth and at nine tenths of all, by the times at which they were written. The load average of the
machine stands beside each figure. Exit code 1 if a copy was not complete.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import arguments
import catalogue
import corpus
import measure
import server
from clients import HERE
from table import aligned

MAX_CPU = 1.15
MIN_LINEAR = 0.85
NUMBERS = (1, 2, 4, 8, 16)
SLOTS = 4
FILES = 20_000
FEW = 10
"""Files of a run whose cost is that of a start."""
DELAY_SECONDS = 0.05
LIMIT_SECONDS = 600
FIRST, LAST = 0.2, 0.9
"""The part of the files that `steady` looks at."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One run: seconds and CPU, and the times at which its files were written."""

    cpu: float
    seconds: float
    written: list[float]
    load: float

    @property
    def rate(self) -> float:
        return len(self.written) / self.seconds

    @property
    def steady_rate(self) -> float:
        first, last = int(FIRST * len(self.written)), int(LAST * len(self.written))
        return (last - first) / max(self.written[last] - self.written[first], 1e-6)


def copy(url: str, work: Path, count: int, *words: object) -> Copied:
    """Mirror `url`. Ends the program if the copy is not complete."""
    dest = work / "copy"
    shutil.rmtree(dest, ignore_errors=True)
    argv = [sys.executable, "-m", "mlhub_async", "mirror", url, str(dest), "-q", *map(str, words)]
    cost = measure.run(argv, work / "log", {"PYTHONPATH": str(HERE.parent)}, LIMIT_SECONDS)
    written = sorted(path.stat().st_mtime for path in dest.glob("*/*/*.bin"))
    if cost.code or len(written) != count:
        print((work / "log").read_text(errors="replace")[-2000:], file=sys.stderr)
        raise SystemExit(f"{' '.join(argv)}: exit code {cost.code}, {len(written)} of {count} files")
    receipt = json.loads((dest / ".mlhub/receipt.json").read_bytes())
    began, ended = (datetime.fromisoformat(receipt[name]) for name in ("started", "finished"))
    return Copied(cost.cpu, (ended - began).total_seconds(), written, os.getloadavg()[0])


def measure_cpu(work: Path, rounds: int, count: int) -> None:
    found: dict[int, list[Copied]] = {1: [], 2: []}
    starts: dict[int, list[float]] = {1: [], 2: []}
    with server.serving(arguments.nginx(), work) as serving:
        few, all_of_them = (_served(serving, name, number) for name, number in (("few", FEW), ("all", count)))
        for _ in range(rounds):
            for processes, runs in found.items():
                words = ("--processes", processes)
                starts[processes].append(copy(few, work, FEW, *words).cpu)
                runs.append(copy(all_of_them, work, count, *words))
    start = {processes: median(cpu) for processes, cpu in starts.items()}
    rows = [["processes", "CPU s", "of these start", "us per file", "without start", "files/s", "load"]]
    for processes, runs in found.items():
        cpu, begun = median(one.cpu for one in runs), start[processes]
        rate, load = median(one.rate for one in runs), median(one.load for one in runs)
        each = [f"{seconds / count * 1e6:.0f}" for seconds in (cpu, cpu - begun)]
        rows.append([f"{processes}", f"{cpu:.2f}", f"{begun:.2f}", *each, f"{rate:,.0f}", f"{load:.1f}"])
    print("\n".join(aligned(rows)))
    pairs = list(zip(*found.values(), strict=True))
    _verdict("CPU of 2 by that of 1", [two.cpu / one.cpu for one, two in pairs])
    without = [(two.cpu - start[2]) / (one.cpu - start[1]) for one, two in pairs]
    _verdict("per file, without the start", without)


def _served(serving: server.Server, name: str, count: int) -> str:
    """The path of a document with items of ten files each, which are served."""
    files = corpus.generate(corpus.Shape("small", count, 16 << 10, 10), serving.root / name / "files")
    base = f"{serving.base}/{name}"
    return str(catalogue.write(serving.root / name, f"{base}/stac", f"{base}/files", files))


def _verdict(what: str, ratios: list[float]) -> None:
    verdict = "yes" if median(ratios) <= MAX_CPU else "NO"
    span = f"{min(ratios):.2f} .. {max(ratios):.2f}"
    print(f"{what}: {median(ratios):.2f} ({span}); <= {MAX_CPU}: {verdict}", flush=True)


@contextmanager
def far_host() -> Iterator[str]:
    """The origin of a server that answers after 50 ms, in a process of its own."""
    argv = [sys.executable, str(HERE / "limited_servers.py"), "far"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def measure_far(work: Path, seconds: float, rounds: int) -> None:
    found: dict[int, list[Copied]] = {number: [] for number in NUMBERS}
    with far_host() as origin:
        for _ in range(rounds):
            for processes, runs in found.items():
                count = int(processes * SLOTS / DELAY_SECONDS * seconds)
                items = _items(work / f"items-{count}.json", f"{origin}/files", count)
                limits = ("-j", SLOTS, "--max-per-host", SLOTS * processes, "--processes", processes)
                runs.append(copy(str(items), work, count, *limits))
    one_run = median(one.rate for one in found[1])
    one_steady = median(one.steady_rate for one in found[1])
    rows = [
        ["processes", "run, files/s", "by linear", "steady, files/s", "by linear", f">= {MIN_LINEAR}", "load"]
    ]
    for processes, runs in found.items():
        run = median(one.rate for one in runs)
        steady = median(one.steady_rate for one in runs)
        linear = steady / one_steady / processes
        rows.append(
            [
                f"{processes}",
                f"{run:,.0f}",
                f"{run / one_run / processes:.2f}",
                f"{steady:,.0f}",
                f"{linear:.2f}",
                "yes" if linear >= MIN_LINEAR else "NO",
                f"{median(one.load for one in runs):.1f}",
            ]
        )
    print("\n".join(aligned(rows)), flush=True)


def _items(path: Path, base: str, count: int) -> Path:
    """A file with items of ten files each."""
    names = [(f"item-{number:06d}", f"{base}/{number}") for number in range(0, count, 10)]
    items = [
        catalogue.item_of("", name, [(f"a{n}.bin", f"{url}-{n}.bin") for n in range(10)])
        for name, url in names
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def main() -> int:
    made = arguments.parser(__doc__)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--files", type=int, default=FILES, help=f"of cpu ({FILES:,})")
    made.add_argument(
        "--seconds", type=float, default=10, help="of a run of far that is as fast as it can be (10)"
    )
    args: argparse.Namespace = arguments.parse(made, "measurement", ("cpu", "far"))
    print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory(prefix="mlhub-processes-", dir=args.tmp) as folder:
        if "cpu" in args.only:
            measure_cpu(Path(folder), args.rounds, args.files)
        if "far" in args.only:
            measure_far(Path(folder), args.seconds, args.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
