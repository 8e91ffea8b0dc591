"""Kills a mirror into a bucket with SIGKILL at random moments, and checks what is visible, round after round.

    python benchmarks/bucket_kills.py moto_server                 50 rounds
    python benchmarks/bucket_kills.py rclone --rounds 10          rclone 1.65 or newer has `serve s3`
    python benchmarks/bucket_kills.py node_modules/.bin/azurite-blob
    python benchmarks/bucket_kills.py gcp-storage-emulator
    python benchmarks/bucket_kills.py fake-gcs-server             without files in parts

Between the rounds four of fourteen files change, two of which are uploaded in parts. After every kill each
object is one complete version that was offered, its metadata has its SHA-256, and a receipt is that of the
objects. Then a run completes: the objects are the present ones and no upload is unfinished. Another run has
nothing to do, in every third round without its ledger.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from kills import told

from support.bucket_kills import bucket_loop
from support.store_views import LARGE_FILES, STORES


def main() -> int:
    args = _arguments()
    began = time.monotonic()
    name = Path(args.program).name
    serve, large = STORES[name](args.tmp_folder, args.program), LARGE_FILES.get(name, 2)
    with serve as store, bucket_loop(args.tmp_folder, args.seed, store, large=large) as loop:
        while loop.tally.rounds < args.rounds:
            loop.round()
            print(f"\r{loop.tally.rounds}/{args.rounds}", end="", file=sys.stderr, flush=True)
    tally = loop.tally
    rows = {
        "store": name,
        "seed": args.seed,
        "rounds": tally.rounds,
        "kills": tally.kills,
        "kills with an upload left": tally.with_unfinished,
        "fetched by idle runs": tally.fetched_again,
        "violations": len(tally.violations),
        "seconds": round(time.monotonic() - began),
    }
    return told(rows, tally.violations)


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("program", metavar="PROGRAM", help=f"one of {', '.join(STORES)}")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tmp", metavar="DIR", default=None)
    args = parser.parse_args()
    args.tmp_folder = Path(tempfile.mkdtemp(prefix="mlhub-bucket-kills-", dir=args.tmp))
    return args


if __name__ == "__main__":
    sys.exit(main())
