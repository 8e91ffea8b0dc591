"""Measures `mlhub-async report` on a mirror of many items: CPU and wall seconds, bytes of the page, memory.

    python benchmarks/report.py                     100,000 items, of which 5,000 lack an asset
    python benchmarks/report.py --items 1000000

The mirror is made as a run would leave it, without its assets, in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from mlhub_async import report_page
from support.large_mirror import make_mirror


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--failed", type=int, default=5_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dest = Path(folder) / "mirror"
        make_mirror(dest, given.items, failed=min(given.failed, given.items))
        wall, cpu = time.monotonic(), time.process_time()
        page = report_page(dest)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{given.items} items: {wall:.1f} s, {cpu:.1f} s CPU, {len(page.encode()) / 1e6:.2f} MB, "
        f"peak {peak} MiB; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
