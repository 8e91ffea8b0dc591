"""Puts wrong, odd and other answers at the links of small catalogues, and checks what a mirror makes of them.

    python benchmarks/catalogue_fuzz.py                          1,000 cases
    python benchmarks/catalogue_fuzz.py --cases 20000 --seed 7   more than there are: all of them
    python benchmarks/catalogue_fuzz.py --command 50             50 of them through the command line too
    python benchmarks/catalogue_fuzz.py --case static/item/200/message/always/prune

A case is CATALOGUE/POINT/STATUS/BODY/TIMES/RUN: at one link of a catalogue (item, items, child, next, search,
data, source, parent, ...) or at its root another body or status comes, once or always, in a first run or in a
second one, with --prune or without. What the catalogue really holds is known. Violations:

    less        exit 0, and an item or asset of the catalogue is missing or wrong
    deleted     a file or document is gone that is still in the catalogue
    unnoticed   exit 0, and a document could not be understood
    unlisted    a listing with such a document is called complete, or nothing says why it is not
    stopped     items that come by other links were not fetched
    kept        exit 0 and --prune, and an item that left the catalogue is still there
    bug, hang   exit 1; more than 20 seconds
    refused     everything could be had, and the exit code is not 0
    code        5 for what will never come, 4 for what may come again

`doubtful`: removed because of a valid document that says that nothing is there; counted, no violation.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.catalogue_cases import World, all_cases
from support.catalogue_judge import Case, Violation
from support.command import Program
from support.server import Background


def main() -> int:
    args = _arguments()
    began = time.monotonic()
    cases = [Case.parse(text) for text in args.case] or _sample(args)
    found: list[Violation] = []
    with tempfile.TemporaryDirectory(prefix="mlhub-fuzz-", dir=args.tmp) as folder, Background() as sites:
        place = Path(folder)
        site = sites.site()
        world = World(site, place, _program(place) if args.case and args.command else None)
        found += asyncio.run(_judged(world, cases))
        if args.command and not args.case:
            (place / "commands").mkdir()
            world = World(site, place / "commands", _program(place))
            found += asyncio.run(_judged(world, cases[: args.command]))
    _print(found)
    counts = Counter(one.kind for one in found)
    lasted = time.monotonic() - began
    rows = {"seed": args.seed, "cases": len(cases), **dict(sorted(counts.items())), "seconds": round(lasted)}
    print("\n" + "\n".join(f"{name:<12}{value}" for name, value in rows.items()))
    return 1 if set(counts) - {"doubtful"} else 0


async def _judged(world: World, cases: list[Case]) -> list[Violation]:
    found: list[Violation] = []
    for number, case in enumerate(cases, 1):
        faulthandler.dump_traceback_later(120, exit=True)
        found += await world.violations(case)
        if sys.stderr.isatty():
            print(f"\r{number}/{len(cases)}, {len(found)} violations ", end="", file=sys.stderr, flush=True)
    faulthandler.cancel_dump_traceback_later()
    return found


def _sample(args: argparse.Namespace) -> list[Case]:
    cases = [case for case in all_cases() if args.only in str(case)]
    random.Random(args.seed).shuffle(cases)
    return cases[: args.cases]


def _print(found: list[Violation]) -> None:
    for one in sorted(found, key=lambda one: (one.kind, str(one.case))):
        print(f"{one.kind}: {one.what}\n    python benchmarks/catalogue_fuzz.py --case '{one.case}'")


def _program(place: Path) -> Program:
    (place / "home").mkdir()
    return Program(place / "home")


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--cases", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose name contains this")
    parser.add_argument("--case", action="append", default=[], help="this case; may be repeated")
    parser.add_argument("--command", type=int, default=0, metavar="N", help="so many by the command line too")
    parser.add_argument("--tmp", metavar="DIR", default=None)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
