"""Measures archives of many small members on nginx: requests, CPU, and memory beside that of few members.

    python benchmarks/archive_members.py                  a ZIP of 100,000 members, a tar.gz of 200,000
    python benchmarks/archive_members.py --scale 0.1      a quick look

Each is beside one of 10,000 members. The exit code is 1 if a run fails or copies another number of files, or
if the memory of the tar.gz is above its target. Members are incompressible.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import arguments
import clients
import measure
import results
import server
from measure import Cost
from table import aligned

LIMIT_SECONDS = 1_800.0
FEW = 10_000
MANY = {"zip": 100_000, "tar.gz": 200_000}
TARGETS = {"tar.gz": 1.1}
"""The most memory that many members may take, as a multiple of that for few."""
MEMBER_BYTES = 1 << 10


def members(count: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes: ten members in each folder."""
    chance = random.Random(count)
    return ((f"s{n // 10:06}/a{n % 10}.bin", chance.randbytes(MEMBER_BYTES)) for n in range(count))


def write_zip(target: Path, count: int) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, body in members(count):
            archive.writestr(name, body)


def write_tar(target: Path, count: int) -> None:
    with gzip.open(target, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, body in members(count):
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


class Bench:
    """The archives on nginx, and a directory for copies."""

    def __init__(self, serving: server.Server, work: Path) -> None:
        self._base, self._root, self._work = serving.base, serving.root, work
        self._log = work / "nginx" / "access.log"

    def run(self, kind: str, count: int) -> tuple[Cost, int]:
        """The cost of a copy of an archive with so many members, and the number of requests."""
        name = f"m{count}.{kind}"
        (write_zip if kind == "zip" else write_tar)(self._root / name, count)
        dest, before = self._work / "dest", self._requests()
        argv = [sys.executable, "-m", "mlhub_async", "mirror", f"{self._base}/{name}", str(dest), "-q"]
        try:
            cost = measure.run(argv, self._work / "log", {}, LIMIT_SECONDS)
            if cost.code:
                raise SystemExit(f"{argv}: exit {cost.code}: {(self._work / 'log').read_text()[-500:]}")
            receipt = json.loads((dest / ".mlhub/receipt.json").read_text())
            if receipt["assets"]["selected"] != count:
                raise SystemExit(f"{argv}: {receipt['assets']} are not {count} files")
            return cost, self._requests() - before
        finally:
            shutil.rmtree(dest, ignore_errors=True)
            (self._root / name).unlink()

    def _requests(self) -> int:
        return self._log.read_bytes().count(b"\n")


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    clients.compile_ours()
    print(results.machine(server.version(nginx)))
    rows, sound = [["archive", "members", "requests", "CPU, s", "MiB", "to few", "target", "reached"]], True
    with tempfile.TemporaryDirectory(prefix="mlhub-members-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, log=True) as serving:
            bench = Bench(serving, work)
            for kind in args.only:
                base = 0
                for count in (int(FEW * args.scale), int(MANY[kind] * args.scale)):
                    cost, requests = bench.run(kind, count)
                    ratio, base = cost.rss / (base or cost.rss), base or cost.rss
                    reached = ratio <= TARGETS.get(kind, float("inf"))
                    sound &= reached
                    line = [kind, f"{count:,}", f"{requests}", f"{cost.cpu:.2f}", f"{cost.rss / 2**20:.1f}"]
                    target = f"<= {TARGETS[kind]}" if kind in TARGETS else ""
                    rows.append(
                        [*line, f"{ratio:.2f}", target, ("yes" if reached else "NO") if target else ""]
                    )
    print("\n".join(aligned(rows)))
    return 0 if sound else 1


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    return arguments.parse(parser, "archive", MANY)


if __name__ == "__main__":
    sys.exit(main())
