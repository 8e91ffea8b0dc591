"""The comparisons: copies of each corpus, second runs, peak memory, listing a catalogue."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import corpus
import listing
from bench import Bench
from corpus import SHAPES, Shape
from table import MEASURES, Run, ratio, show

COPY = "ours,curl,curl+sha256sum,wget2,aria2c,rclone,aiohttp,stac-asset"
NOOP = "ours,rclone,aria2c"
TINY = b"One file, served under many names, to measure what a name costs.".ljust(100, b".")
TINY_COUNTS = {"few names": 10_000, "many names": 200_000}
NOOP_TARGET = 0.25
MEMORY_TARGET = 1.1

Mode = Callable[[Bench, Sequence[Shape]], list[Run]]


def copies(bench: Bench, shapes: Sequence[Shape]) -> list[Run]:
    """Copies of each corpus, with a table for each."""
    runs = []
    for shape in shapes:
        _check_space(bench.work, 2.2 * shape.bytes)
        files = corpus.generate(shape, bench.server.root / shape.name / "files")
        part = bench.copies(bench.label(shape.name), bench.task(shape.name, files))
        shutil.rmtree(bench.server.root / shape.name)
        print(f"\n{shape}, {bench.kind}\n{show(part, bench.versions)}", flush=True)
        runs += part
    return runs


def repeats(bench: Bench, _: Sequence[Shape] = ()) -> list[Run]:
    """A second run on a finished copy."""
    shape = SHAPES["small"].scaled(bench.scale)
    _check_space(bench.work, (1.2 + len(bench.clients)) * shape.bytes)
    files = corpus.generate(shape, bench.server.root / shape.name / "files")
    runs = bench.repeats(bench.label("second run"), bench.task(shape.name, files))
    shutil.rmtree(bench.server.root / shape.name)
    print(f"\nsecond run on a finished copy of {shape}\n{show(runs, bench.versions)}")
    wall, cpu = (ratio(runs, "ours", "rclone", measure) for measure in MEASURES)
    if wall is not None and cpu is not None:
        print(f"ours / rclone: wall {wall:.2f}, CPU {cpu:.2f} (target: {NOOP_TARGET})")
    return runs


def memory(bench: Bench, _: Sequence[Shape] = ()) -> list[Run]:
    """Peak memory at 10,000 and at 200,000 assets."""
    (bench.server.root / "tiny.bin").write_bytes(TINY)
    runs = []
    for label, full in TINY_COUNTS.items():
        count = max(1, int(full * bench.scale))
        part = bench.copies(bench.label(label), bench.task(f"tiny{count}", corpus.tiny(count, TINY)))
        print(f"\n{count:,} assets of {len(TINY)} bytes\n{show(part, bench.versions)}", flush=True)
        runs += part
    for client in bench.clients:
        few, many = (peak(runs, client.name, bench.label(label)) for label in TINY_COUNTS)
        if few and many:
            text = f"{few / 1e6:.1f} MB, then {many / 1e6:.1f} MB, ratio {many / few:.2f}"
            print(f"{client.name}: peak memory {text} (target: {MEMORY_TARGET})")
    return runs


def peak(runs: Sequence[Run], client: str, label: str) -> float:
    """The median over the rounds of the peak memory in bytes; 0 if none was measured."""
    seen = [run.cost.rss for run in runs if (run.client, run.corpus) == (client, label) and not run.flaw]
    return median(seen) if seen else 0


def reading(bench: Bench, _: Sequence[Shape] = ()) -> list[Run]:
    """Listing and planning a catalogue, without fetching."""
    count = listing.count_at(bench.scale)
    runs = listing.readings(bench, listing.LABEL, count)
    print(f"\nreading a catalogue of {count:,} assets\n{show(runs, bench.versions)}")
    for client in bench.clients:
        if walls := [run.cost.wall for run in runs if run.client == client.name and not run.flaw]:
            print(f"{client.name}: {count / median(walls):,.0f} assets per second, start-up included")
    return runs


MODES: dict[str, tuple[Mode, str]] = {
    "copies": (copies, COPY),
    "noop": (repeats, NOOP),
    "memory": (memory, "ours"),
    "listing": (reading, "ours,pystac-client"),
}


def _check_space(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        have, need = free >> 20, int(needed) >> 20
        raise SystemExit(f"{folder} has {have:,} MiB free and {need:,} are needed: use --tmp or --scale.")
