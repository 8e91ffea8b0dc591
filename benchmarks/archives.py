"""Compares archives with what they save or replace: interleaved rounds, CPU seconds, memory.

    python benchmarks/archives.py                       20,000 members of 16 KiB, two minutes
    python benchmarks/archives.py --count 2000 --rounds 2      a quick look
    python benchmarks/archives.py --one-by-one DIR      the files one by one with the program of another tree

    zip       a ZIP on nginx, read by ranges        against the same files of nginx, fetched one by one
    tar.gz    a tar.gz of nginx, read as a stream   against `tar xzf` of a local copy, then `sha256sum` of all

Every copy is compared with the originals. The exit code is 1 if one is wrong or a ratio is above its target.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import arguments
import catalogue
import clients
import corpus
import measure
import results
import server
from corpus import File, Shape
from measure import Cost
from table import aligned

LIMIT_SECONDS = 600.0
TARGETS = {"zip": 0.5, "tar.gz": 1.3}
"""The most CPU that the first of a pair may take, as a multiple of the second."""


class Bench:
    """The files on nginx, one by one and in archives, and a directory for copies."""

    def __init__(self, serving: server.Server, work: Path, shape: Shape, other: Path | None) -> None:
        self._base, self._root, self._work, self._other = serving.base, serving.root / "set", work, other
        self._files = corpus.generate(shape, self._root / "files")
        catalogue.write(self._root, f"{self._base}/set/stac", f"{self._base}/set/files", self._files)
        self._dest = work / "dest"
        write_zip(self._root / "data.zip", self._root / "files", self._files)
        write_tar(self._root / "data.tar.gz", self._root / "files", self._files)
        (work / "tools.sh").write_text(
            f"mkdir {self._dest} && tar xzf {self._root}/data.tar.gz -C {self._dest}"
            f" && find {self._dest} -type f -print0 | xargs -0 sha256sum\n"
        )

    def pair(self, kind: str) -> tuple[Cost, Cost]:
        """An archive of this kind, and what it is compared with."""
        ours = self._run(self._argv(f"{self._base}/set/data.{kind}"))
        if kind == "zip":
            return ours, self._run(self._argv(f"{self._base}/set/stac"), self._other)
        return ours, self._run(["sh", str(self._work / "tools.sh")])

    def _argv(self, url: str) -> list[str]:
        return [sys.executable, "-m", "mlhub_async", "mirror", url, str(self._dest), "-q", "-j", "64"]

    def _run(self, argv: Sequence[str], tree: Path | None = None) -> Cost:
        env = {} if tree is None else {"PYTHONPATH": str(tree)}
        try:
            cost = measure.run(argv, self._work / "log", env, LIMIT_SECONDS)
            if cost.code:
                raise SystemExit(f"{argv}: exit {cost.code}: {(self._work / 'log').read_text()[-500:]}")
            if digests(self._dest) != sorted(file.sha256 for file in self._files):
                raise SystemExit(f"{argv}: the copy is wrong")
            return cost
        finally:
            shutil.rmtree(self._dest, ignore_errors=True)


def digests(folder: Path) -> list[str]:
    """The SHA-256 of all data files below it, sorted."""
    paths = [path for path in folder.rglob("a*.bin") if path.is_file()]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)


def write_zip(target: Path, below: Path, files: Sequence[File]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(below / file.path, file.path)


def write_tar(target: Path, below: Path, files: Sequence[File]) -> None:
    with gzip.open(target, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            archive.add(below / file.path, file.path)


def row(kind: str, pairs: Sequence[tuple[Cost, Cost]]) -> tuple[list[str], bool]:
    """A row of the table, and whether the target is reached."""
    ratios = [ours.cpu / other.cpu for ours, other in pairs]
    walls = [ours.wall / other.wall for ours, other in pairs]
    middle, reached = median(ratios), median(ratios) <= TARGETS[kind]
    cells = [kind, *(f"{median(cost.cpu for cost in side):.2f}" for side in zip(*pairs, strict=True))]
    cells += [f"{middle:.2f}", f"{min(ratios):.2f} .. {max(ratios):.2f}", f"<= {TARGETS[kind]}"]
    peak = max(ours.rss for ours, _ in pairs) / 2**20
    return [*cells, "yes" if reached else "NO", f"{median(walls):.2f}", f"{peak:.0f}"], reached


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    clients.compile_ours()
    print(results.machine(server.version(nginx)))
    head = ["archive", "CPU, s", "other, s", "ratio", "of the rounds", "target", "reached", "wall", "MiB"]
    rows, sound = [head], True
    shape = Shape("small", args.count, args.size, 10)
    found: dict[str, list[tuple[Cost, Cost]]] = {kind: [] for kind in args.only}
    with tempfile.TemporaryDirectory(prefix="mlhub-archives-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work) as serving:
            bench = Bench(serving, work, shape, args.one_by_one)
            for number in range(args.rounds + 1):
                for kind in args.only:
                    pair = bench.pair(kind)
                    if number:  # the first round warms up
                        found[kind].append(pair)
    for kind in args.only:
        line, reached = row(kind, found[kind])
        rows.append(line)
        sound &= reached
    print(f"\n{shape}\n" + "\n".join(aligned(rows)))
    return 0 if sound else 1


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=16 << 10, help="of each file, in bytes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one-by-one", type=Path, metavar="DIR", default=None)
    return arguments.parse(parser, "archive", TARGETS)


if __name__ == "__main__":
    sys.exit(main())
