"""Compares the memory that 100,000 and 1,000,000 items take: listing, ledger, catalogue and receipt.

    python benchmarks/million.py                          100,000, then 1,000,000; some minutes
    python benchmarks/million.py --counts 10000 50000     a quick look
    python benchmarks/million.py --processes 2            the memory of the largest process: the coordinator
    python benchmarks/million.py --plan --counts 1000000 10000000 --page 1000    items that are planned only

The catalogue is a STAC API on loopback that generates its pages (endless_api.py, in a process of its own);
every asset is fetched, hashed and recorded. The files of each item are removed when it is complete
(discarding_mirror.py), so that the disk holds no more than the ledger and the catalogue. Exit code 1 if a
copy was not complete or the difference of the peaks exceeds MAX_GROWTH_BYTES. The last line has the slope:
what a million more items take, of memory and of the ledger, and the seconds of wall and CPU time.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import measure
from clients import HERE

COUNTS = (100_000, 1_000_000)
MAX_GROWTH_BYTES = 20 << 20
MIB = 1 << 20


@contextmanager
def serving(count: int) -> Iterator[str]:
    """The URL of an API with `count` items until the end of the block."""
    argv = [sys.executable, str(HERE / "endless_api.py"), str(count)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took: the peak memory of its largest process and its ledger in bytes."""

    count: int
    peak: int
    ledger: int
    wall: float
    cpu: float


def taken(count: int, args: argparse.Namespace) -> Taken | None:
    """What one run takes; None if its copy was not complete."""
    with tempfile.TemporaryDirectory(prefix="mlhub-million-", dir=args.tmp) as folder, serving(count) as url:
        log, dest = Path(folder) / "log", Path(folder) / "dest"
        argv = [sys.executable, str(HERE / "discarding_mirror.py"), url, str(dest), f"{args.page}"]
        argv.append(f"{args.processes}")
        if args.plan:
            argv = [sys.executable, "-m", "mlhub_async", "plan", url, "--limit", f"{args.page}", "-q"]
        cost = measure.run(argv, log, {}, args.limit)
        output = log.read_text(errors="replace").strip()
        ledger = sum(path.stat().st_size for path in dest.glob(".mlhub/ledger.sqlite*"))
        shutil.rmtree(dest, ignore_errors=True)
    text = f"wall {cost.wall:.0f} s, CPU {cost.cpu:.0f} s, ledger {ledger / MIB:.0f} MiB"
    print(f"{count:,} items: peak {cost.rss / MIB:.1f} MiB, {text}; {output[-500:]}", flush=True)
    done = f"total: {count} items" if args.plan else f" {count} fetched"
    return Taken(count, cost.rss, ledger, cost.wall, cost.cpu) if cost.code == 0 and done in output else None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs=2, default=COUNTS, metavar="N")
    parser.add_argument("--page", type=int, default=100, help="items on a page (100)")
    parser.add_argument("--processes", type=int, default=1, help="worker processes (1: none)")
    parser.add_argument("--plan", action="store_true", help="plan only: nothing is fetched")
    parser.add_argument("--tmp", metavar="DIR", help="where to write; needs about 1 GiB per million")
    parser.add_argument("--limit", type=float, default=7200, help="seconds one run may take")
    args = parser.parse_args()
    few, many = (taken(count, args) for count in args.counts)
    if few is None or many is None:
        return 1
    millions, more = (many.count - few.count) / 1e6, (many.peak - few.peak) / MIB
    print(
        f"{few.peak / MIB:.1f} MiB, then {many.peak / MIB:.1f} MiB: {more:+.1f} MiB "
        f"(allowed: {MAX_GROWTH_BYTES >> 20}); a million more: {more / millions:+.2f} MiB "
        f"of memory, {(many.ledger - few.ledger) / MIB / millions:.0f} MiB of ledger, "
        f"{(many.wall - few.wall) / millions:.0f} s, {(many.cpu - few.cpu) / millions:.0f} s CPU"
    )
    return 0 if many.peak - few.peak <= MAX_GROWTH_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
