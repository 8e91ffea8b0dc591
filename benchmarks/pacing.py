"""Compares `-j auto` with fixed numbers of concurrent transfers on five servers, in files per second.

    python benchmarks/pacing.py                      all five; about six minutes
    python benchmarks/pacing.py --only four,knee     some of them
    python benchmarks/pacing.py --seconds 1 --rounds 1   a quick look

    near   nginx on loopback
    far    50 ms to the first byte, for any number of requests
    four   serves four requests at a time in 20 ms each, and answers others with 429 without Retry-After
    knee   20 ms up to sixteen at a time, beyond that growing with the square of their number
    hundred   as far away as `far` for a hundred requests at a time, and answers others with 429

Each fixed number is first measured with enough files for --seconds. The two best of them and auto then copy
the same files in interleaved rounds. Files per second are those of the run, from its receipt, without the
start of the program. Every copy is compared with the original.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

import arguments
import catalogue
import check
import corpus
import limited_servers
import measure
import results
import server
from clients import HERE
from corpus import File
from table import aligned

FIXED = (1, 2, 4, 8, 16, 32, 64, 128)
KINDS = ("near", *limited_servers.KINDS)
FILES = 12_000
MIN_FILES = 60
TARGET = 0.9
PER_ITEM = 10
HEAD = ["server", "", *(f"-j {jobs}" for jobs in FIXED), "auto", "auto/best", f">= {TARGET}"]


@dataclass(frozen=True, slots=True)
class Site:
    """One server with its catalogue, and the destination of copies."""

    kind: str
    stac: str
    files: Sequence[File]
    dest: Path
    limit: float

    def rate(self, jobs: str, count: int) -> float:
        """Files per second of one copy of the first `count` files; 0 if it was not complete in time."""
        items = max(1, count // PER_ITEM)
        command = ["mirror", self.stac, str(self.dest), "-c", catalogue.COLLECTION, "-q", "-j", jobs]
        argv = [sys.executable, "-m", "mlhub_async", *command, "--max-items", str(items)]
        cost = measure.run(argv, self.dest.with_suffix(".log"), {}, self.limit)
        files = self.files[: items * PER_ITEM]
        flaw = check.flaw(self.dest / catalogue.COLLECTION, files) if cost.code == 0 else f"exit {cost.code}"
        rate = 0.0 if flaw else len(files) / _seconds(self.dest)
        shutil.rmtree(self.dest, ignore_errors=True)
        text = flaw and f"; counts as 0: {flaw}"
        print(f"{self.kind}, -j {jobs}: {len(files):,} files, {rate:,.0f} per second{text}", file=sys.stderr)
        return rate


def _seconds(dest: Path) -> float:
    receipt = json.loads((dest / ".mlhub/receipt.json").read_text())
    began, ended = (datetime.fromisoformat(receipt[name]) for name in ("started", "finished"))
    return max((ended - began).total_seconds(), 1e-3)


@contextmanager
def serving(kind: str, nginx: str, tmp: str | None, limit: float) -> Iterator[Site]:
    """The catalogue is served by nginx; the files too for `near`, else by limited_servers.py."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlhub-pacing-", dir=tmp)))
        serving = stack.enter_context(server.serving(nginx, work))
        root, base = serving.root / kind, f"{serving.base}/{kind}"
        if kind == "near":
            shape = corpus.Shape(kind, FILES, len(limited_servers.BODY), PER_ITEM)
            files, origin = corpus.generate(shape, root / "files"), f"{base}/files"
        else:
            files, origin = (
                corpus.tiny(FILES, limited_servers.BODY),
                stack.enter_context(_limited_server(kind)),
            )
        catalogue.write(root, f"{base}/stac", origin, files)
        yield Site(kind, f"{base}/stac", files, work / "dest", limit)


@contextmanager
def _limited_server(kind: str) -> Iterator[str]:
    argv = [sys.executable, str(HERE / "limited_servers.py"), kind]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def fixed(site: Site, seconds: float) -> dict[int, float]:
    """Files per second of each fixed number; each copies twice the files that the one before would manage."""
    rates: dict[int, float] = {}
    count = MIN_FILES
    for jobs in FIXED:
        rates[jobs] = site.rate(str(jobs), count)
        count = _file_count(2 * rates[jobs] * seconds) if rates[jobs] else count
    return rates


def compare_auto(site: Site, rates: dict[int, float], seconds: float, rounds: int) -> tuple[float, float]:
    """Auto on longer runs: its files per second, and that divided by the rate of the best fixed number.

    Updates the rates of the two best fixed numbers by these runs.
    """
    best = sorted(rates, key=lambda jobs: -rates[jobs])[:2]
    count = _file_count(2 * rates[best[0]] * seconds)
    modes = [*map(str, best), "auto"]
    measured: dict[str, list[float]] = {jobs: [] for jobs in modes}
    for number in range(rounds):
        start = number % len(modes)
        for jobs in [*modes[start:], *modes[:start]]:
            measured[jobs].append(site.rate(jobs, count))
    rates.update({jobs: median(measured[str(jobs)]) for jobs in best})
    autos = measured.pop("auto")
    fixed = [max(pair) for pair in zip(*measured.values(), strict=True)]
    shares = [auto / most if most else 0.0 for auto, most in zip(autos, fixed, strict=True)]
    return median(autos), median(shares)


def _file_count(count: float) -> int:
    return int(min(FILES, max(MIN_FILES, count)))


def row(site: Site, args: argparse.Namespace) -> list[str]:
    rates = fixed(site, args.seconds)
    auto, share = compare_auto(site, rates, args.seconds, args.rounds)
    cells = [f"{rates[jobs]:,.0f}" if rates[jobs] else "fails" for jobs in FIXED]
    return [site.kind, "files/s", *cells, f"{auto:,.0f}", f"{share:.2f}", "yes" if share >= TARGET else "NO"]


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    machine = results.machine(server.version(nginx))
    print(machine, flush=True)
    found = []
    for kind in args.only:
        with serving(kind, nginx, args.tmp, args.limit) as site:
            found.append(row(site, args))
    print("\n".join(aligned([HEAD, *found])))
    if args.json:
        figures = [dict(zip(HEAD, cells, strict=True)) for cells in found]
        results.Results(results.command(), machine, {}, [], figures).write(Path(args.json))
    return 0


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=1.5, help="duration of the run of a fixed number")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="write the table to FILE as well")
    parser.add_argument("--limit", type=float, default=30, help="seconds one run may take")
    return arguments.parse(parser, "server", KINDS)


if __name__ == "__main__":
    sys.exit(main())
