"""Draws the results of targets.py: CPU and wall seconds of every client, on each corpus, http and https.

    python benchmarks/plot.py benchmarks/figures.json benchmarks/figures.png

Needs matplotlib: python -m pip install matplotlib
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
TITLE = "The same files copied by each program; mlhub-async also lists, hashes, records and verifies"
SIZE, DPI = (10.5, 6.2), 75


def main(found: Path, picture: Path) -> int:
    try:
        # Not at the top, so that a missing package is explained.
        from matplotlib.figure import Figure
    except ImportError:
        print(f"{Path(sys.argv[0]).name} needs matplotlib: python -m pip install matplotlib", file=sys.stderr)
        return 2
    measured = results.read(found)
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots(len(KINDS), len(SHAPES), sharey=True, squeeze=False)
    names = ordered(measured.runs)
    for kind, row in zip(KINDS, axes, strict=True):
        for shape, cell in zip(SHAPES.values(), row, strict=True):
            draw(cell, names, [run for run in measured.runs if run.corpus == f"{shape.name}, {kind}"])
            cell.set_title(f"{shape.scaled(measured.scale)}, {kind}", fontsize=9)
    axes[-1][1].set_xlabel("seconds, logarithmic; filled: CPU, hollow: wall; the median of the rounds")
    figure.suptitle(TITLE, fontsize=11)
    figure.supxlabel(measured.machine, fontsize=7, color="#666666")
    figure.savefig(picture, metadata={"Description": measured.command})
    print(f"{picture}: {picture.stat().st_size / 1024:.0f} KiB")
    return 0


def ordered(runs: Sequence[Run]) -> list[str]:
    """The clients: ours first, then by the CPU time for small files."""
    names = dict.fromkeys(run.client for run in runs if run.corpus.startswith(tuple(SHAPES)))
    first = [run for run in runs if run.corpus == f"{next(iter(SHAPES))}, {KINDS[0]}"]
    return sorted(names, key=lambda name: (not name.startswith("ours"), middle(first, name, CPU) or 0.0))


def display_name(name: str) -> str:
    """The name of a client for readers."""
    return {"ours": "mlhub-async", "ours-aiohttp": "mlhub-async on aiohttp"}.get(name, name)


def middle(runs: Sequence[Run], client: str, measure: Measure) -> float | None:
    values = [measure(run.cost) for run in runs if run.client == client and not run.flaw]
    return median(values) if values else None


def draw(axes: Any, names: Sequence[str], runs: Sequence[Run]) -> None:
    """Draw one corpus: a line per client, from its CPU time to its wall time."""
    for height, name in enumerate(names):
        wall, cpu = middle(runs, name, WALL), middle(runs, name, CPU)
        if wall is None or cpu is None:
            continue
        colour = OURS if name == "ours" else OTHERS
        axes.plot([cpu, wall], [height, height], color=colour, linewidth=1, zorder=1)
        axes.scatter([cpu], [height], color=colour, s=26, zorder=2)
        axes.scatter([wall], [height], facecolor="white", edgecolor=colour, s=26, zorder=2)
        if name == "ours":
            axes.axvline(cpu, color=OURS, linewidth=0.6, linestyle=":", zorder=0)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), [display_name(name) for name in names], fontsize=8)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
