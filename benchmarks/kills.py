"""Kills the program with SIGKILL at random moments and checks what is on disk, round after round.

    python benchmarks/kills.py                      50 rounds
    python benchmarks/kills.py --rounds 2000 --seed 7
    python benchmarks/kills.py --source tar.gz      objects in an archive: zip, tar, tar.gz or tar.zst
    python benchmarks/kills.py --processes 2 --victim worker    a worker is killed, and the run goes on
    python benchmarks/kills.py --processes 2 --still            no object changes
    python benchmarks/kills.py --old-names          while the files of an old mirror are renamed

Between the rounds objects change; bodies are cut, servers fail, redirects lead to another site; validators
are strong, weak, dates or absent. After every kill and every run that ended: a file under a final name is one
complete version that was offered, what the ledger calls done exists, nothing is outside DEST, exit code 0
means complete, the secret of one site was not sent to the other. After every kill a run completes.

With --still no object ever changes. Then one run after the kill ends with 0, `verify` finds nothing, and
manifest_sha256 is that of one process which nobody disturbed.

With --source the archive is replaced by newer versions, also while it is read, and is cut and refused. It
has a catalogue in it where the seed is even.

With --old-names each round kills, once to three times, the run that gives the files of a mirror of an earlier
version their present names. After every kill and at the end `verify` finds nothing, every asset is there and
none was requested. `--old-tree` is a working tree of that version, which makes the mirror; without it this
version makes one with the names of then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.changing_archive import KINDS
from support.kill_loop import Loop, Processes, looping
from support.renaming_kills import renaming


def main() -> int:
    args = _arguments()
    if args.old_names or args.old_tree:
        return _renaming(args)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-kills-", dir=args.tmp) as folder,
        looping(
            Path(folder),
            args.seed,
            count=args.objects,
            huge=args.huge,
            archive=args.source,
            processes=Processes(args.processes, args.victim),
            still=args.still,
        ) as loop,
    ):
        while loop.tally.rounds < args.rounds:
            loop.round()
            print(f"\r{loop.tally.rounds}/{args.rounds}", end="", file=sys.stderr, flush=True)
    print(_table(loop, args.seed, time.monotonic() - began))
    for violation in loop.tally.violations:
        print(violation)
    return 1 if loop.tally.violations else 0


def _renaming(args: argparse.Namespace) -> int:
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-kills-", dir=args.tmp) as folder,
        renaming(Path(folder), args.seed, old_tree=args.old_tree) as loop,
    ):
        while loop.tally.rounds < args.rounds:
            loop.round()
            print(f"\r{loop.tally.rounds}/{args.rounds}", end="", file=sys.stderr, flush=True)
    tally = loop.tally
    rows = {
        "seed": args.seed,
        "rounds": tally.rounds,
        "kills": tally.kills,
        "kills that left it half-way": tally.half_way,
        "asset requests": tally.asset_requests,
        "violations": len(tally.violations),
        "seconds": round(time.monotonic() - began),
    }
    return told(rows, tally.violations)


def told(rows: Mapping[str, object], violations: Sequence[str]) -> int:
    """Print the figures of a loop, and what went wrong. Returns the exit code."""
    print("\n" + "\n".join(f"{name:<30}{value}" for name, value in rows.items()))
    for violation in violations:
        print(violation)
    return 1 if violations else 0


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
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="runs with N worker processes")
    parser.add_argument("--victim", choices=("coordinator", "worker"), default="coordinator")
    parser.add_argument("--still", action="store_true", help="no object changes; not with --source")
    parser.add_argument("--source", choices=KINDS, default="", help="a kind of archive that has the objects")
    parser.add_argument("--old-names", action="store_true")
    parser.add_argument("--old-tree", type=Path, metavar="DIR", default=None)
    parser.add_argument("--tmp", metavar="DIR", default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
