"""Profiles a run of small files over a local nginx: CPU time per file by part of the program.

    python benchmarks/small_file_profile.py                 20,000 files of 16 KiB
    python benchmarks/small_file_profile.py --scale 0.1     a quick look
    python benchmarks/small_file_profile.py --tls --top 20  over https, and the functions that cost most

There are two runs. In the first a timer interrupts the program up to a thousand times per second of CPU time
and records which part is running: this costs nothing and gives the distribution of the time. C code (system
calls, digests, JSON) counts for the Python function that called it. The second run is made with cProfile,
which slows small functions far more than large ones: it gives the number of calls.
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

import arguments
import catalogue
import clients
import corpus
import results
import server
from clients import HERE
from corpus import SHAPES
from table import aligned

PARTS = {
    "listing and plan": "sources stac core/urls storage/naming engine/inventory engine/placement",
    "item documents": "stac/write",
    "queue, workers, transfer": "core/concurrency engine transfer",
    "HTTP policy and limits": "http core/secret",
    "transport": "http/transport",
    "checks and digest": "transfer/small_file transfer/receiver core/checksum core/formats http/validators",
    "disk calls": "storage/local storage/integrity",
    "ledger": "storage/ledger",
    "counting and events": "core/telemetry api/progress engine/report",
    "closing and receipt": "engine/finish engine/verify",
}
LOOP, REST, THREADS = "event loop, sockets", "start-up and the rest", "threads of ledger and disk"
PART_OF = {module: part for part, modules in PARTS.items() for module in modules.split()}
SAMPLE_SECONDS = 0.001
Function = tuple[str, int, str]
Stats = Mapping[Function, tuple[int, int, float, float, Mapping[Function, tuple[int, int, float, float]]]]


@dataclass(frozen=True, slots=True)
class Profile:
    """One run: CPU seconds of the event loop's thread and of the process, and samples by part."""

    thread: float
    process: float
    samples: dict[str, int]


def child(out: Path, arguments: Sequence[str], profiled: bool) -> None:
    """Run one mirror in this process and write its profile to `out`."""
    cli = importlib.import_module("mlhub_async.cli")
    profiler, samples = cProfile.Profile(), Counter[str]()
    signal.signal(signal.SIGPROF, lambda _, frame: samples.update([part_of(frame)]))
    thread, process = time.thread_time(), time.process_time()
    if not profiled:
        signal.setitimer(signal.ITIMER_PROF, SAMPLE_SECONDS, SAMPLE_SECONDS)
    try:
        profiler.runcall(cli.main_group.main, arguments) if profiled else cli.main_group.main(arguments)
    except SystemExit as end:
        if end.code:
            raise
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = Profile(time.thread_time() - thread, time.process_time() - process, dict(samples))
    out.with_suffix(".json").write_text(json.dumps(asdict(spent)))
    if profiled:
        profiler.dump_stats(out)


def part_of(frame: FrameType | None) -> str:
    """The part of the innermost function on the stack that belongs to one."""
    while frame is not None:
        code = frame.f_code
        if (part := own_part((code.co_filename, code.co_firstlineno, code.co_name))) is not None:
            return part
        frame = frame.f_back
    return REST


def measure(url: str, work: Path, ca: Path | None, *, profiled: bool) -> tuple[Profile, Path]:
    """Each run has a process of its own, so that it pays for its own imports."""
    out = work / ("profiled" if profiled else "plain")
    words = ["mirror", url, str(out) + ".dest", "-c", catalogue.COLLECTION, "--durability", "process", "-q"]
    words += ["--ca-file", str(ca)] if ca else []
    how = "--profiled" if profiled else "--plain"
    subprocess.run([sys.executable, str(HERE / "small_file_profile.py"), how, str(out), *words], check=True)
    return Profile(**json.loads(out.with_suffix(".json").read_text())), out


def own_part(function: Function) -> str | None:
    """The part a function belongs to; None if that depends on its callers, as for C code."""
    path, _, name = function
    if name == "<module>" or "importlib" in path:
        return REST
    if "mlhub_async/" in path:
        module = PurePosixPath(path.rpartition("mlhub_async/")[2]).with_suffix("")
        names = (path.as_posix() for path in (module, *module.parents))
        return next((PART_OF[name] for name in names if name in PART_OF), REST)
    if "/asyncio/" in path or "uvloop" in path or "uvloop" in name or "run_until_complete" in name:
        return LOOP
    return None


def calls_of(stats: Stats) -> dict[str, float]:
    """Calls by part; calls of C code count for the caller."""
    calls: dict[str, float] = defaultdict(float)
    for function, (_, count, _, _, callers) in stats.items():
        if (part := own_part(function)) is not None:
            calls[part] += count
        else:
            for caller, times in callers.items():
                calls[own_part(caller) or REST] += times[0]
    return calls


def table(spent: Profile, calls: dict[str, float], files: int) -> list[str]:
    """CPU microseconds per file, share and calls per file of each part, in descending order."""
    whole = sum(spent.samples.values())
    parts = {part: count / whole * spent.thread for part, count in spent.samples.items()}
    parts[THREADS] = spent.process - spent.thread
    rows = [["part", "", "us per file", "share", "calls per file"]]
    for part, seconds in sorted(parts.items(), key=lambda row: -row[1]):
        often = f"{calls[part] / files:.1f}" if part in calls else "-"
        rows.append([part, "", f"{seconds / files * 1e6:.1f}", f"{seconds / spent.process:.0%}", often])
    rows.append(["total", "", f"{spent.process / files * 1e6:.1f}", "100%", ""])
    return [*aligned(rows), f"{whole:,} samples: a share is exact within {100 / whole**0.5:.1f} %"]


def most_expensive(stats: Stats, files: int, number: int) -> list[str]:
    """The functions with the most time of their own, the cost of the profiler included."""
    order = sorted(stats.items(), key=lambda item: -item[1][2])[:number]
    rows = [["function", "", "us per file", "calls per file"]]
    for (path, line, name), (_, count, own, *_) in order:
        location = f"{'/'.join(Path(path).parts[-2:])}:{line}" if line else "C"
        rows.append([name, location, f"{own / files * 1e6:.1f}", f"{count / files:.1f}"])
    return aligned(rows)


def main() -> int:
    args = _arguments()
    nginx = arguments.nginx()
    clients.compile_ours()
    print(results.machine(server.version(nginx)))
    with tempfile.TemporaryDirectory(prefix="mlhub-onefile-", dir=args.tmp) as folder:
        work = Path(folder)
        with server.serving(nginx, work, tls=args.tls) as serving:
            shape = SHAPES["small"].scaled(args.scale)
            base = f"{serving.base}/small"
            files = corpus.generate(shape, serving.root / "small/files")
            catalogue.write(serving.root / "small", f"{base}/stac", f"{base}/files", files)
            plain, _ = measure(f"{base}/stac", work, serving.ca, profiled=False)
            _, out = measure(f"{base}/stac", work, serving.ca, profiled=True)
        found: Any = pstats.Stats(str(out))
    print(f"{shape}, {'https' if args.tls else 'http'}")
    print("\n".join(table(plain, calls_of(found.stats), len(files))))
    if args.top:
        print("\n" + "\n".join(most_expensive(found.stats, len(files), args.top)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = arguments.parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of the files")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--top", type=int, default=0, metavar="N", help="also the N most expensive functions")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] in (["--plain"], ["--profiled"]):
        child(Path(sys.argv[2]), sys.argv[3:], sys.argv[1] == "--profiled")
    else:
        sys.exit(main())
