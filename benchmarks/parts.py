"""Compares `--parts auto` with `--parts off` for one large file, in interleaved rounds.

    python benchmarks/parts.py                                      two servers, about two minutes
    python benchmarks/parts.py --size 64M --free-size 512M --rounds 1   a quick look

    limited   nginx that gives each connection 16 MiB/s: more streams bring more
    free      the same nginx without a limit: one stream is as fast as several, and nothing may be lost

Wall seconds are those of the whole command. Every copy is compared with the original. The exit code is 1 if a
copy is wrong, if the gain on the first server is below 1.5, or the loss on the second above a tenth.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import arguments
import clients
import corpus
import measure
import results
import server
from corpus import File, Shape
from cuts import item
from table import aligned

RATE = "16m"
MODES = ("off", "auto")
LIMIT_SECONDS = 600.0
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
MIN_RATIO = {"limited": 1.5, "free": 0.9}
"""The least ratio of the time of `off` to that of `auto`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One file on one server, and the directory for its copies."""

    kind: str
    url: str
    file: File
    work: Path

    def fetch(self, parts: str) -> float:
        """Copy it once; returns the seconds it took. Ends the program if the copy is not the original."""
        source, dest = self.work / f"{self.kind}.ndjson", self.work / "dest"
        source.write_text(item(self.url))
        argv = [sys.executable, "-m", "mlhub_async", "mirror", str(source), str(dest)]
        cost = measure.run(
            [*argv, "--parts", parts, "--allow-private", "-q"], self.work / "log", {}, LIMIT_SECONDS
        )
        try:
            if cost.code or _digest_of(dest) != self.file.sha256:
                raise SystemExit(f"{self.kind}, --parts {parts}: exit {cost.code}, or the copy is wrong")
        finally:
            shutil.rmtree(dest, ignore_errors=True)
        return cost.wall


def _digest_of(dest: Path) -> str:
    """The SHA-256 of the one file that was mirrored."""
    [copy] = (path for path in dest.rglob("data*") if ".mlhub" not in path.parts)
    with copy.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compare(case: Case, rounds: int) -> dict[str, list[float]]:
    """Seconds by mode; the order alternates by round."""
    found: dict[str, list[float]] = {mode: [] for mode in MODES}
    for number in range(rounds):
        for mode in MODES if number % 2 == 0 else reversed(MODES):
            found[mode].append(case.fetch(mode))
    return found


def row(case: Case, found: dict[str, list[float]]) -> tuple[list[str], bool]:
    """A row of the table, and whether the ratio is high enough."""
    ratios = [off / auto for off, auto in zip(found["off"], found["auto"], strict=True)]
    middle = median(ratios)
    seconds = [f"{median(found[mode]):.2f}" for mode in MODES]
    spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
    reached = middle >= MIN_RATIO[case.kind]
    size = f"{case.file.size >> 20:,} MiB"
    cells = [case.kind, size, *seconds, f"{middle:.2f}", spread, f">= {MIN_RATIO[case.kind]}"]
    return [*cells, "yes" if reached else "NO"], reached


def cases(args: argparse.Namespace, base: str, root: Path, work: Path) -> list[Case]:
    found = []
    for kind, size, query in (("limited", args.size, f"?rate={RATE}"), ("free", args.free_size, "")):
        [file] = corpus.generate(Shape(kind, 1, size, 1), root / f"{kind}/files")
        found.append(Case(kind, f"{base}/{kind}/files/{file.path}{query}", file, work))
    return found


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    clients.compile_ours()
    print(results.machine(server.version(nginx)))
    rows, sound = (
        [["server", "", "off, s", "auto, s", "off/auto", "of the rounds", "target", "reached"]],
        True,
    )
    with tempfile.TemporaryDirectory(prefix="mlhub-parts-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work) as serving:
            for case in cases(args, serving.base, serving.root, work):
                line, reached = row(case, compare(case, args.rounds))
                rows.append(line)
                sound &= reached
    print("\n".join(aligned(rows)))
    return 0 if sound else 1


def _size(text: str) -> int:
    unit = UNITS.get(text[-1:].upper(), 1)
    return int(text.rstrip("KMGkmg")) * unit


def _arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--size", type=_size, default=256 << 20, help="of the file of the limited server")
    parser.add_argument("--free-size", type=_size, default=2 << 30, help="of the file of the free server")
    parser.add_argument("--rounds", type=int, default=4)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
