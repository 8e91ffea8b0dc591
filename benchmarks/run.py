"""Measure this program beside its peers: the same files, one nginx, rounds that interleave the clients.

    python benchmarks/run.py                          small, chips and large, three rounds
    python benchmarks/run.py --corpus small --tls     20,000 x 16 KiB over https
    python benchmarks/run.py --scale 0.05 --rounds 1  a quick look
    python benchmarks/run.py --corpus small --scale 0.3 --delay 50   6,000 files, each 50 ms away
    python benchmarks/run.py --noop                   the second run on a finished copy
    python benchmarks/run.py --memory                 peak memory at 10,000 and at 100,000 assets
    python benchmarks/run.py --listing                reading and planning 200,000 assets

Every copy is compared with the original, byte for byte by SHA-256; a wrong one is marked INVALID and
counts nowhere. Nothing is installed: a client that is not there is named, with the way to get it.
Seconds of two calls do not compare, the ratios of one do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median

import clients
import corpus
import listing
import server
from bench import Bench
from clients import Client
from corpus import SHAPES, Shape
from table import MEASURES, Run, ratio, show

COPY = "ours,curl,curl+sha256sum,wget2,aria2c,rclone,aiohttp,stac-asset"
NOOP = "ours,rclone,aria2c"
TINY = b"One file, served under many names, to see what a name costs.".ljust(100, b".")
TINY_COUNTS = (10_000, 100_000)
NOOP_TARGET = 0.25
MEMORY_TARGET = 1.2
SHM = "/dev/shm"

Mode = Callable[[Bench, argparse.Namespace, Mapping[str, str]], list[Run]]


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    nginx = server.find()
    wanted = _wanted(args)
    versions = clients.present(wanted)
    here = [client for client in wanted if client.name in versions]
    if nginx is None or not here or not _can_delay(args):
        print(f"Not measured: it takes nginx ({server.HINT}) and a client at least.", file=sys.stderr)
        return 2
    print(_machine(server.version(nginx), args))
    with tempfile.TemporaryDirectory(prefix="mlhub-benchmark-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, tls=args.tls, delay=args.delay / 1000) as serving:
            bench = Bench(work, serving, here, args.rounds, args.limit)
            runs = MODES[args.mode][0](bench, args, versions)
    if args.json:
        rows = [asdict(run) for run in runs]
        Path(args.json).write_text(json.dumps({"versions": versions, "runs": rows}, indent=1))
    return 1 if any(run.flaw for run in runs) else 0


def copies(bench: Bench, args: argparse.Namespace, versions: Mapping[str, str]) -> list[Run]:
    """The comparison itself: each corpus in turn, one table each."""
    runs = []
    for shape in _shapes(args):
        _room(bench.work, 2.2 * shape.bytes)
        files = corpus.generate(shape, bench.server.root / shape.name / "files")
        part = bench.copies(shape.name, bench.task(shape.name, files))
        shutil.rmtree(bench.server.root / shape.name)
        print(f"\n{shape}\n{show(part, versions)}", flush=True)
        runs += part
    return runs


def repeats(bench: Bench, args: argparse.Namespace, versions: Mapping[str, str]) -> list[Run]:
    """What a second run costs when the first has left nothing to do."""
    shape = SHAPES["small"].scaled(args.scale)
    _room(bench.work, (1.2 + len(bench.clients)) * shape.bytes)
    files = corpus.generate(shape, bench.server.root / shape.name / "files")
    runs = bench.repeats("second run", bench.task(shape.name, files))
    print(f"\nsecond run on a finished copy of {shape}\n{show(runs, versions)}")
    wall, cpu = (ratio(runs, "ours", "rclone", measure) for measure in MEASURES)
    if wall is not None and cpu is not None:
        print(f"ours / rclone: wall {wall:.2f}, CPU {cpu:.2f} (target: {NOOP_TARGET})")
    return runs


def memory(bench: Bench, args: argparse.Namespace, versions: Mapping[str, str]) -> list[Run]:
    """Whether ten times the assets take more memory."""
    (bench.server.root / "tiny.bin").write_bytes(TINY)
    runs, peaks = [], []
    for count in (max(1, int(count * args.scale)) for count in TINY_COUNTS):
        task = bench.task(f"tiny{count}", corpus.tiny(count, TINY))
        part = bench.copies(f"{count:,} assets", task)
        peaks.append({run.client: run.cost.rss for run in part if not run.flaw and run.cost.rss})
        print(f"\n{count:,} assets of {len(TINY)} bytes\n{show(part, versions)}", flush=True)
        runs += part
    for name in peaks[0].keys() & peaks[1].keys():
        few, many = (peak[name] for peak in peaks)
        told = f"{few / 1e6:.1f} MB, then {many / 1e6:.1f} MB, ratio {many / few:.2f}"
        print(f"{name}: peak memory {told} (target: {MEMORY_TARGET})")
    return runs


def reading(bench: Bench, args: argparse.Namespace, versions: Mapping[str, str]) -> list[Run]:
    """How fast a catalogue is read and planned, nothing fetched."""
    count = max(1, int(listing.COUNT * args.scale))
    runs = listing.readings(bench, count, bench.clients)
    print(f"\nreading a catalogue of {count:,} assets\n{show(runs, versions)}")
    for name in versions:
        if walls := [run.cost.wall for run in runs if run.client == name and not run.flaw]:
            print(f"{name}: {count / median(walls):,.0f} assets per second, start-up included")
    return runs


MODES: dict[str, tuple[Mode, str]] = {
    "copies": (copies, COPY),
    "noop": (repeats, NOOP),
    "memory": (memory, "ours"),
    "listing": (reading, "ours,pystac-client"),
}


def _can_delay(args: argparse.Namespace) -> bool:
    if not args.delay or server.ECHO.exists():
        return True
    print(f"--delay takes {server.ECHO.name} as well: {server.ECHO_HINT}", file=sys.stderr)
    return False


def _wanted(args: argparse.Namespace) -> list[Client]:
    if args.mode == "listing":
        known = {client.name: client for client in listing.readers()}
    else:
        known = clients.known(clients.locate(args.stac_asset_python))
    names = (args.clients or MODES[args.mode][1]).split(",")
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"No such client: {', '.join(unknown)}. There are: {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names)]


def _shapes(args: argparse.Namespace) -> list[Shape]:
    names = SHAPES if args.corpus == "all" else [args.corpus]
    return [SHAPES[name].scaled(args.scale) for name in names]


def _room(place: Path, needed: float) -> None:
    free = shutil.disk_usage(place).free
    if free < needed:
        have, need = free >> 20, int(needed) >> 20
        raise SystemExit(f"{place} has {have:,} MiB free and {need:,} are needed: use --tmp or --scale.")


def _machine(nginx: str, args: argparse.Namespace) -> str:
    python = f"Python {platform.python_version()}"
    scheme = "https" if args.tls else "http"
    return (
        f"{os.cpu_count()} CPUs, {platform.system()} {platform.release()}, {python}, nginx {nginx}, {scheme}"
    )


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    mode = parser.add_mutually_exclusive_group()
    for name, (what, _) in MODES.items():
        mode.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=what.__doc__)
    parser.set_defaults(mode="copies")
    parser.add_argument("--corpus", choices=[*SHAPES, "all"], default="all")
    parser.add_argument("--clients", metavar="A,B", help="default: those of the mode; also: parfive, cp")
    parser.add_argument("--rounds", type=int, help="default: 3, with --memory 1")
    parser.add_argument("--scale", type=float, default=1.0, help="0.05: a twentieth of the files or bytes")
    parser.add_argument("--tls", action="store_true", help="https, with a certificate made for the run")
    parser.add_argument("--delay", type=float, default=0, metavar="MS", help="to the first byte of each file")
    parser.add_argument("--tmp", metavar="DIR", default=SHM if Path(SHM).is_dir() else None)
    parser.add_argument("--json", metavar="FILE", help="write every single run to FILE")
    parser.add_argument("--limit", type=float, default=900, help="seconds one run of one client may take")
    parser.add_argument("--stac-asset-python", metavar="PATH", default=sys.executable)
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.mode == "memory" else 3)
    return args


if __name__ == "__main__":
    sys.exit(main())
