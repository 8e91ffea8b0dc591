"""Measures every figure of benchmarks/README.md; about twenty minutes on a quiet machine.

    python benchmarks/all.py                                            writes the files in benchmarks/
    python benchmarks/all.py --scale 0.02 --rounds 1 --into /tmp/look   a quick look, writes to /tmp/look

Writes figures.json, pacing.json and figures.png, and the tables of README.md if they belong to benchmarks/.

stac-asset, parfive and matplotlib are installed into an environment of their own, VENV, unless it exists.
Other programs (curl, wget2, aria2c, rclone, nginx with its echo module) are used if they are installed, and
named if they are not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from clients import HERE

PACKAGES = ("stac-asset[cli]", "parfive", "matplotlib")


def python_of(venv: Path) -> Path:
    """The Python of the environment with the packages, which is created if it does not exist."""
    python = venv / "bin/python"
    if not python.exists():
        print(f"installing {', '.join(PACKAGES)} into {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def steps(args: argparse.Namespace, peers: str) -> list[list[str]]:
    """The command line of each step, in their order."""
    figures, pacing, picture = (str(args.into / n) for n in ("figures.json", "pacing.json", "figures.png"))
    rounds = ["--rounds", str(args.rounds)]
    targets = ["targets.py", "--scale", f"{args.scale:g}", *rounds, "--stac-asset-python", peers]
    seconds = f"{min(1.5, max(0.2, 1.5 * args.scale)):g}"
    page = [str(HERE / "README.md")] if args.into == HERE else []
    return [
        [sys.executable, *targets, "--json", figures],
        [sys.executable, "pacing.py", "--seconds", seconds, *rounds, "--json", pacing],
        [sys.executable, "small_file_profile.py", "--scale", f"{args.scale:g}"],
        [peers, "plot.py", figures, picture],
        [sys.executable, "readme.py", figures, pacing, *page],
    ]


def run(words: Sequence[str]) -> int:
    """Run one step and print the time it took."""
    began = time.monotonic()
    python, script, *others = words
    print(f"\n== {script}", flush=True)
    code = subprocess.run([python, str(HERE / script), *others], check=False).returncode
    print(f"== {script}: {time.monotonic() - began:.0f} s, exit {code}", flush=True)
    return code


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--into", type=Path, default=HERE, metavar="DIR", help="where to write the files")
    default = Path(tempfile.gettempdir()) / "mlhub-benchmark-peers"
    parser.add_argument("--venv", type=Path, default=default, help=f"default: {default}")
    args = parser.parse_args()
    args.into.mkdir(parents=True, exist_ok=True)
    peers = str(python_of(args.venv))
    return max(run(words) for words in steps(args, peers))


if __name__ == "__main__":
    sys.exit(main())
