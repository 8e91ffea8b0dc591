"""Compares the memory that 100,000 and 1,000,000 items take: listing, ledger, catalogue and receipt.

    python benchmarks/million.py                          100,000, then 1,000,000; some minutes
    python benchmarks/million.py --counts 10000 50000     a quick look

The catalogue is a STAC API on loopback that generates its pages (endless_api.py, in a process of its own);
every asset is fetched, hashed and recorded. The files of each item are removed when it is complete
(discarding_mirror.py), so that the disk holds no more than the ledger and the catalogue. Exit code 1 if a
copy was not complete or the difference of the peaks exceeds MAX_GROWTH_BYTES.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def peak(count: int, args: argparse.Namespace) -> int | None:
    """The peak memory of one run in bytes; None if its copy was not complete."""
    with tempfile.TemporaryDirectory(prefix="mlhub-million-", dir=args.tmp) as folder, serving(count) as url:
        log, dest = Path(folder) / "log", Path(folder) / "dest"
        argv = [sys.executable, str(HERE / "discarding_mirror.py"), url, str(dest), str(args.page)]
        cost = measure.run(argv, log, {}, args.limit)
        output = log.read_text(errors="replace").strip()
        ledger = sum(path.stat().st_size for path in dest.glob(".mlhub/ledger.sqlite*"))
        shutil.rmtree(dest, ignore_errors=True)
    text = f"wall {cost.wall:.0f} s, CPU {cost.cpu:.0f} s, ledger {ledger / MIB:.0f} MiB"
    print(f"{count:,} items: peak {cost.rss / MIB:.1f} MiB, {text}; {output[-500:]}", flush=True)
    return cost.rss if cost.code == 0 and f" {count} fetched" in output else None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs=2, default=COUNTS, metavar="N")
    parser.add_argument("--page", type=int, default=100, help="items on a page (100)")
    parser.add_argument("--tmp", metavar="DIR", help="where to write; needs about 1 GiB per million")
    parser.add_argument("--limit", type=float, default=7200, help="seconds one run may take")
    args = parser.parse_args()
    few, many = (peak(count, args) for count in args.counts)
    if few is None or many is None:
        return 1
    more = (many - few) / MIB
    print(
        f"{few / MIB:.1f} MiB, then {many / MIB:.1f} MiB: {more:+.1f} MiB (allowed: {MAX_GROWTH_BYTES >> 20})"
    )
    return 0 if many - few <= MAX_GROWTH_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
