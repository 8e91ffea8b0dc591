"""Kills the program with SIGKILL at random moments and checks what is on disk, round after round.

    python benchmarks/kills.py                      50 rounds
    python benchmarks/kills.py --rounds 2000 --seed 7

Between the rounds objects change; bodies are cut, servers fail, redirects lead to another site; validators
are strong, weak, dates or absent. After every kill and every run that ended: a file under a final name is one
complete version that was offered, what the ledger calls done exists, nothing is outside DEST, exit code 0
means complete, the secret of one site was not sent to the other. After every kill a run completes.
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
        tempfile.TemporaryDirectory(prefix="mlhub-kills-", dir=args.tmp) as folder,
        looping(Path(folder), args.seed, count=args.objects, huge=args.huge) as loop,
    ):
        while loop.tally.rounds < args.rounds:
            loop.round()
            print(f"\r{loop.tally.rounds}/{args.rounds}", end="", file=sys.stderr, flush=True)
    print(_table(loop, args.seed, time.monotonic() - began))
    for violation in loop.tally.violations:
        print(violation)
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
    parser.add_argument(
        "--huge", type=int, default=0, metavar="N", help="also N large ones, fetched in segments"
    )
    parser.add_argument("--tmp", metavar="DIR", default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
