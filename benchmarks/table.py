"""Tables of runs: medians, ratios per round, aligned columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from measure import Cost

Measure = Callable[[Cost], float]
MEASURES: tuple[Measure, Measure] = (lambda cost: cost.wall, lambda cost: cost.cpu)


@dataclass(frozen=True, slots=True)
class Run:
    """One client in one round; `flaw` is what was wrong with its copy, "" if nothing."""

    corpus: str
    client: str
    round: int
    cost: Cost
    flaw: str


def ratios(runs: Sequence[Run], upper: str, lower: Sequence[str], measure: Measure) -> list[float]:
    """`upper` divided by the best of `lower`, for each round in which all copies were right.

    Within a round the state of the machine is the same for all.
    """
    sound = {(run.client, run.round): measure(run.cost) for run in runs if not run.flaw}
    found = []
    for number in sorted({run.round for run in runs}):
        above = sound.get((upper, number))
        below = [sound.get((name, number)) for name in lower]
        if above is not None and all(below):
            found.append(above / min(filter(None, below)))
    return found


def ratio(runs: Sequence[Run], upper: str, lower: str, measure: Measure) -> float | None:
    """The median over the rounds."""
    pairs = ratios(runs, upper, [lower], measure)
    return median(pairs) if pairs else None


def show(runs: Sequence[Run], versions: Mapping[str, str]) -> str:
    """One line per client, fastest first."""
    head = ["client", "version", "wall s", "CPU s", "peak MB", "wall/curl", "CPU/curl", "ours/it wall", "CPU"]
    clients = dict.fromkeys(run.client for run in runs)
    sound = {name: [run.cost for run in runs if run.client == name and not run.flaw] for name in clients}
    order = sorted(clients, key=lambda name: _median(sound[name], MEASURES[0]) or float("inf"))
    rows = [[name, versions[name], *_numbers(runs, name, sound[name])] for name in order]
    flaws = [
        f"INVALID: {run.client}, round {run.round + 1}, exit {run.cost.code}: {run.flaw}"
        for run in runs
        if run.flaw
    ]
    return "\n".join([*aligned([head, *rows]), *flaws])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_pad(cells, widths)).rstrip() for cells in rows]


def _pad(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    sides = ["<", "<", *[">"] * (len(cells) - 2)]
    return [f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)]


def _numbers(runs: Sequence[Run], name: str, sound: Sequence[Cost]) -> list[str]:
    medians = [_text(_median(sound, measure)) for measure in MEASURES]
    peak = max((cost.rss for cost in sound), default=0)
    to_curl = [_text(ratio(runs, name, "curl", measure)) for measure in MEASURES]
    from_ours = [_text(ratio(runs, "ours", name, measure)) for measure in MEASURES]
    return [*medians, f"{peak / 1e6:.0f}" if peak else "-", *to_curl, *from_ours]


def _median(costs: Sequence[Cost], measure: Measure) -> float | None:
    return median(map(measure, costs)) if costs else None


def _text(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"
