"""Draw what targets.py found: seconds of CPU and wall of every client, on each corpus, over http and https.

    python benchmarks/plot.py benchmarks/figures.json benchmarks/figures.png

It takes matplotlib, which nothing else here does: python -m pip install matplotlib
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import results
from corpus import SHAPES
from table import MEASURES, Measure, Run

KINDS = ("http", "https")
OURS, OTHERS = "#c1440e", "#3b5b78"
WALL, CPU = MEASURES
TITLE = "The same files by each program; ours with listing, digests, ledger, item documents and receipt"
SIZE, DPI = (10.5, 6.2), 75


def main(found: Path, picture: Path) -> int:
    try:
        # Here, so that its absence can be explained.
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        print(f"{Path(sys.argv[0]).name} takes matplotlib: python -m pip install matplotlib", file=sys.stderr)
        return 2
    told = results.read(found)
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots(len(KINDS), len(SHAPES), sharey=True, squeeze=False)
    names = ordered(told.runs)
    for kind, row in zip(KINDS, axes, strict=True):
        for shape, place in zip(SHAPES.values(), row, strict=True):
            draw(place, names, [run for run in told.runs if run.corpus == f"{shape.name}, {kind}"])
            place.set_title(f"{shape.scaled(told.scale)}, {kind}", fontsize=9)
    axes[-1][1].set_xlabel("seconds, logarithmic; filled: CPU, hollow: wall; the median of the rounds")
    figure.suptitle(TITLE, fontsize=11)
    figure.supxlabel(told.machine, fontsize=7, color="#666666")
    figure.savefig(picture, metadata={"Description": told.command})
    print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")
    return 0


def ordered(runs: Sequence[Run]) -> list[str]:
    """The clients, ours on top, then by what they take for small files."""
    names = dict.fromkeys(run.client for run in runs if run.corpus.startswith(tuple(SHAPES)))
    first = [run for run in runs if run.corpus == f"{next(iter(SHAPES))}, {KINDS[0]}"]
    return sorted(names, key=lambda name: (not name.startswith("ours"), middle(first, name, CPU) or 0.0))


def shown(name: str) -> str:
    """A client by the name that readers know."""
    return {"ours": "mlhub-async", "ours-aiohttp": "mlhub-async on aiohttp"}.get(name, name)


def middle(runs: Sequence[Run], client: str, measure: Measure) -> float | None:
    seen = [measure(run.cost) for run in runs if run.client == client and not run.flaw]
    return median(seen) if seen else None


def draw(place: Any, names: Sequence[str], runs: Sequence[Run]) -> None:
    """One corpus: a line per client, from its CPU to its wall."""
    for height, name in enumerate(names):
        wall, cpu = middle(runs, name, WALL), middle(runs, name, CPU)
        if wall is None or cpu is None:
            continue
        colour = OURS if name == "ours" else OTHERS
        place.plot([cpu, wall], [height, height], color=colour, linewidth=1, zorder=1)
        place.scatter([cpu], [height], color=colour, s=26, zorder=2)
        place.scatter([wall], [height], facecolor="white", edgecolor=colour, s=26, zorder=2)
        if name == "ours":
            place.axvline(cpu, color=OURS, linewidth=0.6, linestyle=":", zorder=0)
    place.set_xscale("log")
    place.set_yticks(range(len(names)), [shown(name) for name in names], fontsize=8)
    place.set_ylim(len(names) - 0.5, -0.5)
    place.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    place.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    place.tick_params(axis="x", which="both", labelsize=7)
    place.grid(axis="x", color="#dddddd", linewidth=0.5)
    place.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
