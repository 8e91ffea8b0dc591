"""Kill the program with SIGKILL at random moments and judge what is on the disk, again and again.

    python benchmarks/kills.py                      50 rounds
    python benchmarks/kills.py --rounds 2000 --seed 7

Between the rounds objects change; bodies are cut, servers fail, redirects lead to another site; validators
are strong, weak, dates or absent. After every kill and every run that ended: whatever has its final name is
one version that was offered in full, what the ledger calls done is there, nothing is outside DEST, exit 0
means complete, the secret bound to one site was not told to the other. After every kill a run completes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.kill_loop import Loop, looping


def main() -> int:
    args = _arguments()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-kills-", dir=args.tmp) as place,
        looping(Path(place), args.seed, count=args.objects, huge=args.huge) as loop,
    ):
        while loop.tally.rounds < args.rounds:
            loop.round()
            print(f"\r{loop.tally.rounds}/{args.rounds}", end="", file=sys.stderr, flush=True)
    print(_table(loop, args.seed, time.monotonic() - began))
    for words in loop.tally.violations:
        print(words)
    return 1 if loop.tally.violations else 0


def _table(loop: Loop, seed: int, seconds: float) -> str:
    tally = loop.tally
    sent, twice = loop.world.bytes_sent()
    whole, again = loop.world.bytes_sent(resumable=True)
    rows = {
        "seed": f"{seed}",
        "rounds": f"{tally.rounds}",
        "runs": f"{tally.runs}",
        "kills that hit mid-run": f"{tally.killed}",
        "bytes sent by the server": f"{sent:,}",
        "bytes sent twice": f"{twice:,} ({twice / max(sent, 1):.1%})",
        "of what can be resumed": f"{again:,} ({again / max(whole, 1):.1%})",
        "violations": f"{len(tally.violations)}",
        "seconds": f"{seconds:.0f}",
    }
    return "\n" + "\n".join(f"{name:<26}{value}" for name, value in rows.items())


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--huge", type=int, default=0, metavar="N", help="and N that come in parts")
    parser.add_argument("--tmp", metavar="DIR", default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
