"""What the benchmarks that take nginx ask of their command lines alike."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import server

SHM = "/dev/shm"


def parser(says: str | None) -> argparse.ArgumentParser:
    """One that knows where to work: in memory, where the system offers that. `says`: what it is for."""
    raw = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=says, formatter_class=raw)
    made.add_argument("--tmp", metavar="DIR", default=SHM if Path(SHM).is_dir() else None)
    return made


def parsed(made: argparse.ArgumentParser, what: str, known: Iterable[str]) -> argparse.Namespace:
    """The arguments of one that can be told `--only` some of what it measures."""
    names = list(known)
    made.add_argument("--only", metavar="NAME,NAME", default=",".join(names), help=f"of {', '.join(names)}")
    args = made.parse_args()
    args.only = args.only.split(",")
    if unknown := [name for name in args.only if name not in names]:
        made.error(f"no such {what}: {', '.join(unknown)}; there are {', '.join(names)}")
    return args


def nginx() -> str:
    """Where it is; without it nothing is measured, and the program ends in 2."""
    found = server.find()
    if found is None:
        print(f"Not measured: it takes nginx ({server.HINT}).", file=sys.stderr)
        sys.exit(2)
    return found
