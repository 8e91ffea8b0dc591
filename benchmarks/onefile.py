"""Where the time of one small file goes: a profiled run over a local nginx, grouped by part of the program.

    python benchmarks/onefile.py                 20,000 files of 16 KiB
    python benchmarks/onefile.py --scale 0.1     a quick look
    python benchmarks/onefile.py --tls --top 20  over https, and the functions that cost most

The run is made twice. In the first a timer interrupts it a thousand times per second of CPU at most and notes
which part was at work: that costs nothing and says how the time is spread. What C code takes (system calls,
digests, JSON) counts for the Python function that called it. The second run is made with cProfile, which
slows small functions far more than big ones: it says how often anything is called.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib
import json
import pstats
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

import catalogue
import clients
import corpus
import given
import results
import server
from clients import HERE
from corpus import SHAPES
from table import aligned

PARTS = {
    "listing and plan": "sources stac core/urls storage/naming engine/inventory engine/placement",
    "item documents": "stac/write",
    "queue, workers, order of things": "core/concurrency engine transfer",
    "gate and http policy": "http core/secret",
    "transport": "http/transport",
    "checks and digest": "transfer/small_file transfer/receiver core/checksum core/formats http/validators",
    "disk calls": "storage/local",
    "ledger": "storage/ledger",
    "counting and events": "core/telemetry api/progress engine/report",
    "closing and receipt": "engine/finish engine/verify",
}
LOOP, REST, THREADS = "event loop, sockets", "start-up and the rest", "threads of ledger and disk"
PART_OF = {place: part for part, places in PARTS.items() for place in places.split()}
TICK = 0.001
Function = tuple[str, int, str]
Stats = Mapping[Function, tuple[int, int, float, float, Mapping[Function, tuple[int, int, float, float]]]]


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of one run, of the event loop's thread and of all; how often a part was found at work."""

    thread: float
    process: float
    seen: dict[str, int]


def child(out: Path, words: Sequence[str], profiled: bool) -> None:
    """One mirror in this process; what it took is written to `out`."""
    cli = importlib.import_module("mlhub_async.cli")
    profiler, seen = cProfile.Profile(), Counter[str]()
    signal.signal(signal.SIGPROF, lambda _, frame: seen.update([part_of(frame)]))
    thread, process = time.thread_time(), time.process_time()
    if not profiled:
        signal.setitimer(signal.ITIMER_PROF, TICK, TICK)
    try:
        profiler.runcall(cli.main_group.main, words) if profiled else cli.main_group.main(words)
    except SystemExit as end:
        if end.code:
            raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = Spent(time.thread_time() - thread, time.process_time() - process, dict(seen))
    out.with_suffix(".json").write_text(json.dumps(asdict(spent)))
    if profiled:
        profiler.dump_stats(out)


def part_of(frame: FrameType | None) -> str:
    """Of the functions under way, the innermost that belongs to a part."""
    while frame is not None:
        code = frame.f_code
        if (part := own_part((code.co_filename, code.co_firstlineno, code.co_name))) is not None:
            return part
        frame = frame.f_back
    return REST


def measured(url: str, work: Path, ca: Path | None, *, profiled: bool) -> tuple[Spent, Path]:
    """A process of its own for each run: what one has imported would cost the other nothing."""
    out = work / ("profiled" if profiled else "plain")
    words = ["mirror", url, str(out) + ".dest", "-c", catalogue.COLLECTION, "--durability", "process", "-q"]
    words += ["--ca-file", str(ca)] if ca else []
    how = "--profiled" if profiled else "--plain"
    subprocess.run([sys.executable, str(HERE / "onefile.py"), how, str(out), *words], check=True)
    return Spent(**json.loads(out.with_suffix(".json").read_text())), out


def own_part(function: Function) -> str | None:
    """The part a function belongs to; None for what only its callers can tell."""
    path, _, name = function
    if name == "<module>" or "importlib" in path:
        return REST
    if "mlhub_async/" in path:
        module = PurePosixPath(path.rpartition("mlhub_async/")[2]).with_suffix("")
        places = (place.as_posix() for place in (module, *module.parents))
        return next((PART_OF[place] for place in places if place in PART_OF), REST)
    if "/asyncio/" in path or "uvloop" in path or "uvloop" in name or "run_until_complete" in name:
        return LOOP
    return None


def calls_of(stats: Stats) -> dict[str, float]:
    """Calls by part; those of C code count for who called."""
    calls: dict[str, float] = defaultdict(float)
    for function, (_, count, _, _, callers) in stats.items():
        if (part := own_part(function)) is not None:
            calls[part] += count
        else:
            for caller, times in callers.items():
                calls[own_part(caller) or REST] += times[0]
    return calls


def table(spent: Spent, calls: dict[str, float], files: int) -> list[str]:
    """Microseconds of CPU per file, share and calls per file of each part, the dearest first."""
    whole = sum(spent.seen.values())
    parts = {part: count / whole * spent.thread for part, count in spent.seen.items()}
    parts[THREADS] = spent.process - spent.thread
    rows = [["part", "", "us per file", "share", "calls per file"]]
    for part, seconds in sorted(parts.items(), key=lambda row: -row[1]):
        often = f"{calls[part] / files:.1f}" if part in calls else "-"
        rows.append([part, "", f"{seconds / files * 1e6:.1f}", f"{seconds / spent.process:.0%}", often])
    rows.append(["all of it", "", f"{spent.process / files * 1e6:.1f}", "100%", ""])
    return [*aligned(rows), f"{whole:,} looks: a share is right within {100 / whole**0.5:.1f} %"]


def dearest(stats: Stats, files: int, number: int) -> list[str]:
    """The functions that took most by themselves, with the profiler's own cost in it."""
    order = sorted(stats.items(), key=lambda item: -item[1][2])[:number]
    rows = [["function", "", "us per file", "calls per file"]]
    for (path, line, name), (_, count, own, *_) in order:
        place = f"{'/'.join(Path(path).parts[-2:])}:{line}" if line else "C"
        rows.append([name, place, f"{own / files * 1e6:.1f}", f"{count / files:.1f}"])
    return aligned(rows)


def main() -> int:
    args = _arguments()
    nginx = given.nginx()
    clients.compile_ours()
    print(results.machine(server.version(nginx)))
    with tempfile.TemporaryDirectory(prefix="mlhub-onefile-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, tls=args.tls) as serving:
            shape = SHAPES["small"].scaled(args.scale)
            base = f"{serving.base}/small"
            files = corpus.generate(shape, serving.root / "small/files")
            catalogue.write(serving.root / "small", f"{base}/stac", f"{base}/files", files)
            plain, _ = measured(f"{base}/stac", work, serving.ca, profiled=False)
            _, out = measured(f"{base}/stac", work, serving.ca, profiled=True)
        found: Any = pstats.Stats(str(out))
    print(f"{shape}, {'https' if args.tls else 'http'}")
    print("\n".join(table(plain, calls_of(found.stats), len(files))))
    if args.top:
        print("\n" + "\n".join(dearest(found.stats, len(files), args.top)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = given.parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of the files")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="also the N dearest functions")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] in (["--plain"], ["--profiled"]):
        child(Path(sys.argv[2]), sys.argv[3:], sys.argv[1] == "--profiled")
    else:
        sys.exit(main())
