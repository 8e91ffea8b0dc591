"""Measures every target of the project on this machine: target, figure, reached or not.

    python benchmarks/targets.py                          everything, three rounds; about fifteen minutes
    python benchmarks/targets.py --scale 0.05 --rounds 1  a quick look: start-up dominates the figures
    python benchmarks/targets.py --only http,delay        some parts of it
    python benchmarks/targets.py --json FILE              every run and every row, for plot.py and readme.py

Each ratio is computed within one round of interleaved runs, with all guarantees enabled; the table shows the
median of the rounds with the lowest and the highest. Slow programs take part in the first round only. Every
copy is compared with the original by SHA-256. Programs that are missing are named; their rows are undecided.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import arguments
import clients
import first_assets
import listing
import modes
import results
import server
import target_rows
from bench import Bench
from corpus import SHAPES
from table import Run, aligned

FAST = ("ours", "curl", "curl+sha256sum", "wget2")
PEERS = ("aria2c", "rclone", "parfive", "stac-asset", "aiohttp", "requests", "ours-aiohttp")
SLOW = ("parfive", "stac-asset", "aiohttp", "requests", "ours-aiohttp")
DELAY_SECONDS = 0.05
DELAYED_FILES = 6_000


@dataclass(slots=True)
class Trial:
    """What the parts of the measurement share, and their results."""

    nginx: str
    work: Path
    known: Mapping[str, clients.Client]
    versions: Mapping[str, str]
    args: argparse.Namespace
    runs: list[Run] = field(default_factory=list)
    on_disk: Sequence[int] = ()

    @contextmanager
    def bench(self, names: Sequence[str], *, tls: bool = False, delay: float = 0) -> Iterator[Bench]:
        """A comparison with a server of its own, of those of `names` that are installed."""
        here = [self.known[name] for name in names if name in self.versions]
        with (
            tempfile.TemporaryDirectory(dir=self.work) as folder,
            server.serving(self.nginx, Path(folder), tls=tls, delay=delay) as serving,
        ):
            rounds, limit, scale = self.args.rounds, self.args.limit, self.args.scale
            yield Bench(Path(folder), serving, here, self.versions, rounds, limit, scale, SLOW)


def copies(trial: Trial, *, tls: bool) -> None:
    """Measure the three corpora; all programs on the small files, where they differ most."""
    with trial.bench([*FAST, *PEERS], tls=tls) as bench:
        small, *others = (shape.scaled(bench.scale) for shape in SHAPES.values())
        trial.runs += modes.copies(bench, [small])
        trial.runs += modes.copies(bench if not tls else bench.only(*FAST), others)


def second(trial: Trial) -> None:
    with trial.bench(["ours", "rclone"]) as bench:
        trial.runs += modes.repeats(bench)


def delayed(trial: Trial) -> None:
    if not server.ECHO.exists():
        print(f"the delay needs {server.ECHO.name}: {server.ECHO_HINT}", file=sys.stderr)
        return
    with trial.bench(["ours", "curl"], delay=DELAY_SECONDS) as bench:
        shape = replace(SHAPES["small"], count=DELAYED_FILES).scaled(bench.scale)
        trial.runs += modes.copies(bench, [shape])


def memory(trial: Trial) -> None:
    with trial.bench(["ours"]) as bench:
        trial.runs += modes.memory(bench.only("ours", rounds=1))


def planning(trial: Trial) -> None:
    readers = [reader for reader in listing.readers() if reader.name == "ours"]
    with trial.bench([]) as bench:
        trial.runs += modes.reading(replace(bench, clients=readers))


def first(trial: Trial) -> None:
    trial.on_disk = asyncio.run(first_assets.count_on_disk(str(trial.work)))


Part = tuple[Callable[[Trial], None], Sequence[str]]
PARTS: dict[str, Part] = {
    "http": (lambda trial: copies(trial, tls=False), (*FAST, *PEERS)),
    "https": (lambda trial: copies(trial, tls=True), (*FAST, *PEERS)),
    "second": (second, ("ours", "rclone")),
    "delay": (delayed, ("ours", "curl")),
    "memory": (memory, ("ours",)),
    "listing": (planning, ("ours",)),
    "first": (first, ("ours",)),
}


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    known = clients.known(clients.locate(args.stac_asset_python))
    needed = dict.fromkeys(name for part in args.only for name in PARTS[part][1])
    versions = clients.present([known[name] for name in needed])
    machine = results.machine(server.version(nginx))
    print(machine, flush=True)
    with tempfile.TemporaryDirectory(prefix="mlhub-targets-", dir=args.tmp) as folder:
        trial = Trial(nginx, Path(folder), known, versions, args)
        for part in args.only:
            PARTS[part][0](trial)
    found = target_rows.target_rows(trial.runs, args.scale, trial.on_disk)
    print("\n" + "\n".join(aligned([target_rows.HEAD, *(row.cells() for row in found)])))
    if args.scale < 1:
        print("Too few files for a verdict: half a second of start-up is in every figure of mlhub-async.")
    if args.json:
        figures = [row.as_json() for row in found]
        measured = results.Results(results.command(), machine, versions, trial.runs, figures, args.scale)
        measured.write(Path(args.json))
    return 1 if any(run.flaw for run in trial.runs) else 0


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="0.05: a twentieth of the files or bytes")
    parser.add_argument("--json", metavar="FILE", help="write every run and every row to FILE")
    parser.add_argument("--limit", type=float, default=900, help="seconds one run of one client may take")
    parser.add_argument("--stac-asset-python", metavar="PATH", default=sys.executable)
    return arguments.parse(parser, "part", PARTS)


if __name__ == "__main__":
    sys.exit(main())
