"""Every figure that the README shows, made anew by one command on a quiet machine; about twenty minutes.

    python benchmarks/all.py                             figures.json, pacing.json, figures.png, README.md
    python benchmarks/all.py --scale 0.02 --rounds 1 --into /tmp/look   a quick look that changes no file here

What the peers and the picture take (stac-asset, parfive, matplotlib) is installed into an environment of
its own, VENV, unless there is one. The programs beside it (curl, wget2, aria2c, rclone, nginx with its echo
module) are used where they are and named where they are not.
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

NEEDS = ("stac-asset[cli]", "parfive", "matplotlib")


def python_of(venv: Path) -> Path:
    """The Python of the environment for the peers, which is made if it is not there."""
    python = venv / "bin/python"
    if not python.exists():
        print(f"installing {', '.join(NEEDS)} into {venv}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *NEEDS], check=True)
    return python


def steps(args: argparse.Namespace, peers: str) -> list[list[str]]:
    """Script and words of each step, in their order."""
    figures, paced, picture = (str(args.into / n) for n in ("figures.json", "pacing.json", "figures.png"))
    rounds = ["--rounds", str(args.rounds)]
    compared = ["targets.py", "--scale", f"{args.scale:g}", *rounds, "--stac-asset-python", peers]
    seconds = f"{min(1.5, max(0.2, 1.5 * args.scale)):g}"
    page = [str(HERE.parent / "README.md")] if args.into == HERE else []
    return [
        [sys.executable, *compared, "--json", figures],
        [sys.executable, "pacing.py", "--seconds", seconds, *rounds, "--json", paced],
        [sys.executable, "onefile.py", "--scale", f"{args.scale:g}"],
        [peers, "plot.py", figures, picture],
        [sys.executable, "readme.py", figures, paced, *page],
    ]


def run(words: Sequence[str]) -> int:
    """One step, with the time it took."""
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
    parser.add_argument("--into", type=Path, default=HERE, metavar="DIR", help="where the files are put")
    default = Path(tempfile.gettempdir()) / "mlhub-benchmark-peers"
    parser.add_argument("--venv", type=Path, default=default, help=f"default: {default}")
    args = parser.parse_args()
    args.into.mkdir(parents=True, exist_ok=True)
    peers = str(python_of(args.venv))
    return max(run(words) for words in steps(args, peers))


if __name__ == "__main__":
    sys.exit(main())
