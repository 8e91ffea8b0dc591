"""The tables of the README, from what targets.py and pacing.py wrote; no figure in them is typed by hand.

    python benchmarks/readme.py benchmarks/figures.json benchmarks/pacing.json            prints them
    python benchmarks/readme.py benchmarks/figures.json benchmarks/pacing.json README.md  puts them there

They go between the two comments that name this script.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import results
from corpus import SHAPES
from plot import CPU, KINDS, WALL, middle, ordered, shown
from results import Results
from table import Run

BEGIN, END = "<!-- benchmarks/readme.py -->", "<!-- /benchmarks/readme.py -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)


def tables(found: Results, paced: Results) -> str:
    """All of them, with the machine they are from."""
    met = sum(row["reached"] == "yes" for row in found.figures)
    decided = sum(row["reached"] != "-" for row in found.figures)
    look = "; a quick look: with so few files half a second of start-up decides"
    parts = [
        f"`{found.command}` on {found.machine}; median wall / CPU seconds{look if found.scale < 1 else ''}:",
        seconds(found),
        f"<details><summary>What was aimed at: {met} of {decided} reached</summary>",
        whole(found.figures),
        "</details>",
        f"Files per second, `{paced.command}`:",
        whole(paced.figures),
    ]
    return "\n\n".join(parts)


def seconds(found: Results) -> str:
    labels = [f"{name}, {kind}" for kind in KINDS for name in SHAPES]
    heads = [f"{shape.scaled(found.scale)}, {kind}" for kind in KINDS for shape in SHAPES.values()]
    rows = []
    for client in ordered(found.runs):
        cells = [cell([run for run in found.runs if run.corpus == label], client) for label in labels]
        rows.append([f"{shown(client)} {found.versions[client]}", *cells])
    return grid(rows, ["client", *heads])


def cell(runs: Sequence[Run], client: str) -> str:
    wall, cpu = middle(runs, client, WALL), middle(runs, client, CPU)
    return "" if wall is None or cpu is None else f"{wall:.2f} / {cpu:.2f}"


def whole(rows: Sequence[Mapping[str, Any]]) -> str:
    return grid([list(row.values()) for row in rows], list(rows[0]))


def grid(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main(words: Sequence[str]) -> int:
    text = tables(*(results.read(Path(word)) for word in words[:2]))
    if len(words) == 2:
        print(text)
        return 0
    page = Path(words[2])
    old = page.read_text()
    if not BETWEEN.search(old):
        print(f"{page} has no place for them: {BEGIN} ... {END}", file=sys.stderr)
        return 2
    page.write_text(BETWEEN.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}\n", old))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
