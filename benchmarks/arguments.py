"""The command-line options that the benchmarks with nginx share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import server

MEMORY_DIR = "/dev/shm"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with --tmp: a directory to work in, by default one in memory where the system has it."""
    raw = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(description=description, formatter_class=raw)
    made.add_argument("--tmp", metavar="DIR", default=MEMORY_DIR if Path(MEMORY_DIR).is_dir() else None)
    return made


def parse(made: argparse.ArgumentParser, what: str, known: Iterable[str]) -> argparse.Namespace:
    """The parsed arguments, with --only added: the names of what is to be measured, of those in `known`."""
    names = list(known)
    made.add_argument("--only", metavar="NAME,NAME", default=",".join(names), help=f"of {', '.join(names)}")
    args = made.parse_args()
    args.only = args.only.split(",")
    if unknown := [name for name in args.only if name not in names]:
        made.error(f"no such {what}: {', '.join(unknown)}; there are {', '.join(names)}")
    return args


def nginx() -> str:
    """The path of nginx; without it the program ends with exit code 2."""
    found = server.find()
    if found is None:
        print(f"Not measured: nginx is needed ({server.HINT}).", file=sys.stderr)
        sys.exit(2)
    return found
