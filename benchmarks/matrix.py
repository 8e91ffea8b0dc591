"""The fault matrix: what each program does when one file of three meets a fault.

    python benchmarks/matrix.py                                    every row, whatever is installed
    python benchmarks/matrix.py --clients ours,curl --rows "cut"   some of it
    python benchmarks/matrix.py --stac-asset-python PEERS/bin/python

A scripted server on loopback serves each program with the same faults. The programs are called with
retries, resume, a short idle timeout and the published digests as far as they have options for them. The
verdict depends on the bytes under the final names and the exit code, not on what was printed:

    ok            all bytes right and exit 0; or, if the right bytes cannot be had, a failure is reported,
                  nothing wrong has a final name, and the other files are right
    false alarm   all bytes right, and the exit code reports a failure
    gives up      a failure is reported where the right bytes could be had
    bad file      a failure is reported, and wrong bytes are left under the final name
    SILENT LOSS   exit 0, and a file is missing
    WRONG BYTES   exit 0, and a file is not the one that was published
    hangs         the program has not ended after --limit seconds

Exit code 1 if any row of mlhub-async is not ok.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import clients
from matrix_clients import Attempt, MatrixClient, matrix_clients
from matrix_rows import FAULTY, HALF, ROWS, SOUND, Row, Scene, stage
from table import aligned

from support.server import Background, Site

HANGS = "hangs"
SILENT = LOSS, WRONG = "SILENT LOSS", "WRONG BYTES"
SIGNAL_DELAY_SECONDS = 1.0
"""From the request for the file to the signal: half of the file has arrived by then."""


def attempt(one: MatrixClient, site: Site, row: Row, limit: float) -> str:
    """The verdict on one program in one row."""
    prefix = f"{one.client.name}-{ROWS.index(row)}"
    with tempfile.TemporaryDirectory(prefix="mlhub-matrix-") as folder:
        scene, dest = stage(site, row, prefix), Path(folder) / "dest"
        dest.mkdir()
        argv = one.argv(Attempt(scene, dest, Path(folder)))
        if row.stop is not None:
            _run_and_stop(argv, site, f"/{prefix}/{FAULTY}/data.tif", row.stop, limit)
        code = _run(argv, limit)
        return verdict(dest / one.below, scene, code)


def _run_and_stop(argv: Sequence[str], site: Site, path: str, number: signal.Signals, limit: float) -> None:
    """Start the program, and send the signal while it waits in the middle of the file."""
    with _start(argv) as process:
        until = time.monotonic() + limit
        while not site.count(path) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(SIGNAL_DELAY_SECONDS)
        if process.poll() is None:
            os.killpg(process.pid, number)
        _wait(process, limit)


def _run(argv: Sequence[str], limit: float) -> int | None:
    """The exit code; None if the program had to be killed."""
    with _start(argv) as process:
        return _wait(process, limit)


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    nothing = subprocess.DEVNULL
    return subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def _wait(process: subprocess.Popen[bytes], limit: float) -> int | None:
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None


def verdict(dest: Path, scene: Scene, code: int | None) -> str:
    """See the list in the docstring of the module."""
    if code is None:
        return HANGS
    found = {item: _bytes(dest / item / "data.tif") for item in scene.urls}
    right = {**SOUND, FAULTY: scene.row.right}
    if any(found[item] not in (None, right[item]) for item in found):
        return WRONG if code == 0 else "bad file"
    if code == 0:
        return LOSS if None in found.values() else "ok"
    if found == right:
        return "ok" if scene.row.right is None else "false alarm"
    return "gives up"


def _bytes(path: Path) -> bytes | None:
    """None for a missing file, and for one that aria2 has marked as unfinished."""
    marked = path.with_name(f"{path.name}.aria2").exists()
    return path.read_bytes() if path.is_file() and not marked else None


def table_of(names: Sequence[str], results: Sequence[tuple[str, Sequence[str]]]) -> str:
    columns = list(zip(*(line for _, line in results), strict=True))
    right = [f"{column.count('ok')}/{len(column)}" for column in columns]
    silent = [str(sum(word in SILENT for word in column)) for column in columns]
    counts = [["ok", *right], ["exit 0, not right", *silent]]
    return "\n".join(aligned([["", *names], *([name, *line] for name, line in results), *counts]))


def main() -> int:
    args = _arguments()
    python = clients.locate(args.stac_asset_python)
    wanted = [one for one in matrix_clients(clients.known(python), python) if one.client.name in args.clients]
    versions = clients.present([one.client for one in wanted])
    here = [one for one in wanted if one.client.name in versions]
    rows = [row for row in ROWS if args.rows in row.name]
    results = []
    with Background() as sites:
        site = sites.site()
        for row in rows:
            line = [attempt(one, site, row, args.limit) for one in here]
            results.append((row.name, line))
            print(f"{row.name}: {', '.join(line)}", file=sys.stderr, flush=True)
    print(
        f"4 MB, broken at {HALF:,} bytes; "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
    )
    print(table_of([one.client.name for one in here], results))
    if args.json:
        table = [{"row": name, **dict(zip(versions, line, strict=True))} for name, line in results]
        Path(args.json).write_text(json.dumps({"versions": versions, "rows": table}, indent=1))
    ours = [line[index] for _, line in results for index, one in enumerate(here) if one.client.name == "ours"]
    return 0 if set(ours) <= {"ok"} else 1


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--clients", default="ours,stac-asset,parfive,aria2c,curl,wget", metavar="A,B")
    parser.add_argument("--rows", default="", metavar="WORD", help="only rows whose name contains WORD")
    parser.add_argument("--limit", type=float, default=45, help="seconds after which a program hangs (45)")
    parser.add_argument("--json", metavar="FILE", help="write the verdicts to FILE")
    parser.add_argument("--stac-asset-python", metavar="PATH", default=sys.executable)
    args = parser.parse_args()
    args.clients = args.clients.split(",")
    return args


if __name__ == "__main__":
    sys.exit(main())
