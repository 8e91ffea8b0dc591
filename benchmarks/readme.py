"""Writes the tables of benchmarks/README.md from the results of targets.py and pacing.py.

    python benchmarks/readme.py benchmarks/figures.json benchmarks/pacing.json          prints the tables
    python benchmarks/readme.py benchmarks/figures.json benchmarks/pacing.json FILE     writes them into FILE

They are written between the two comments that name this script.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import results
from corpus import SHAPES
from plot import CPU, KINDS, WALL, display_name, middle, ordered
from results import Results
from table import MEASURES, Run, ratio

BEGIN, END = "<!-- benchmarks/readme.py -->", "<!-- /benchmarks/readme.py -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)


def tables(found: Results, pacing: Results) -> str:
    """All tables, with the machine they were measured on."""
    reached = sum(row["reached"] == "yes" for row in found.figures)
    decided = sum(row["reached"] != "-" for row in found.figures)
    note = "; a quick look: with so few files the start of the programs decides"
    parts = [
        f"`{found.command}` on {found.machine}; median wall / CPU seconds{note if found.scale < 1 else ''}:",
        seconds_table(found),
        "As ratios, wall / CPU: mlhub-async divided by the other program; below 1 mlhub-async is faster:",
        ratio_table(found),
        f"<details><summary>All ratios, and the targets set ({reached} of {decided} reached)</summary>",
        whole(found.figures),
        "</details>",
        f"Files per second, `{pacing.command}`:",
        whole(pacing.figures),
    ]
    return "\n\n".join(parts)


def seconds_table(found: Results) -> str:
    """Median wall and CPU seconds by client and corpus."""
    heads = [f"{shape.scaled(found.scale)}, {kind}" for kind in KINDS for shape in SHAPES.values()]
    rows = []
    for client in ordered(found.runs):
        cells = [pair(middle(runs, client, WALL), middle(runs, client, CPU)) for runs in by_corpus(found)]
        rows.append([f"{display_name(client)} {found.versions[client]}", *cells])
    return grid(rows, ["client", *heads])


def ratio_table(found: Results) -> str:
    """The median over the rounds of our seconds divided by those of each other client."""
    rows = []
    for client in ordered(found.runs):
        if not client.startswith("ours"):
            cells = [pair(*(ratio(runs, "ours", client, m) for m in MEASURES)) for runs in by_corpus(found)]
            rows.append([display_name(client), *cells])
    return grid(rows, ["divided by", *(f"{name}, {kind}" for kind in KINDS for name in SHAPES)])


def by_corpus(found: Results) -> list[list[Run]]:
    """The runs of each corpus, in the order of the columns."""
    labels = [f"{name}, {kind}" for kind in KINDS for name in SHAPES]
    return [[run for run in found.runs if run.corpus == label] for label in labels]


def pair(wall: float | None, cpu: float | None) -> str:
    return "" if wall is None or cpu is None else f"{wall:.2f} / {cpu:.2f}"


def whole(rows: Sequence[Mapping[str, Any]]) -> str:
    return grid([list(row.values()) for row in rows], list(rows[0]))


def grid(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(arguments: Sequence[str]) -> int:
    text = tables(*(results.read(Path(word)) for word in arguments[:2]))
    if len(arguments) == 2:
        print(text)
        return 0
    page = Path(arguments[2])
    old = page.read_text()
    if not BETWEEN.search(old):
        print(f"{page} has no place for the tables: {BEGIN} ... {END}", file=sys.stderr)
        return 2
    page.write_text(BETWEEN.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}\n", old))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
