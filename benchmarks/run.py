"""Compares this program with others: the same files, one nginx, interleaved rounds.

    python benchmarks/run.py                          small, chips and large, three rounds
    python benchmarks/run.py --corpus small --tls     20,000 x 16 KiB over https
    python benchmarks/run.py --scale 0.05 --rounds 1  a quick look
    python benchmarks/run.py --corpus small --scale 0.3 --delay 50   6,000 files, with a delay of 50 ms each
    python benchmarks/run.py --noop                   the second run on a finished copy
    python benchmarks/run.py --memory                 peak memory at 10,000 and at 200,000 assets
    python benchmarks/run.py --listing                listing and planning 200,000 assets

Every copy is compared with the original by SHA-256; a wrong one is marked INVALID and not counted. Nothing is
installed: a client that is missing is named, with how to get it. Ratios within one call can be compared,
seconds of two calls cannot.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

import arguments
import clients
import listing
import results
import server
from bench import Bench
from clients import Client
from corpus import SHAPES, Shape
from modes import MODES


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    nginx = arguments.nginx()
    wanted = _wanted(args)
    versions = clients.present(wanted)
    here = [client for client in wanted if client.name in versions]
    if not here or not _can_delay(args):
        print("Not measured: at least one client is needed.", file=sys.stderr)
        return 2
    machine = results.machine(server.version(nginx))
    print(machine)
    with tempfile.TemporaryDirectory(prefix="mlhub-benchmark-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, tls=args.tls, delay=args.delay / 1000) as serving:
            bench = Bench(work, serving, here, versions, args.rounds, args.limit, args.scale)
            runs = MODES[args.mode][0](bench, _shapes(args))
    if args.json:
        measured = results.Results(results.command(), machine, versions, runs, scale=args.scale)
        measured.write(Path(args.json))
    return 1 if any(run.flaw for run in runs) else 0


def _can_delay(args: argparse.Namespace) -> bool:
    if not args.delay or server.ECHO.exists():
        return True
    print(f"--delay needs {server.ECHO.name}: {server.ECHO_HINT}", file=sys.stderr)
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


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    mode = parser.add_mutually_exclusive_group()
    for name, (what, _) in MODES.items():
        mode.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=what.__doc__)
    parser.set_defaults(mode="copies")
    parser.add_argument("--corpus", choices=[*SHAPES, "all"], default="all")
    parser.add_argument("--clients", metavar="A,B", help="default: those of the mode; more: see clients.py")
    parser.add_argument("--rounds", type=int, help="default: 3, with --memory 1")
    parser.add_argument("--scale", type=float, default=1.0, help="0.05: a twentieth of the files or bytes")
    parser.add_argument("--tls", action="store_true", help="https, with a certificate made for the run")
    parser.add_argument("--delay", type=float, default=0, metavar="MS", help="to the first byte of each file")
    parser.add_argument("--json", metavar="FILE", help="write every single run to FILE")
    parser.add_argument("--limit", type=float, default=900, help="seconds one run of one client may take")
    parser.add_argument("--stac-asset-python", metavar="PATH", default=sys.executable)
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.mode == "memory" else 3)
    return args


if __name__ == "__main__":
    sys.exit(main())
