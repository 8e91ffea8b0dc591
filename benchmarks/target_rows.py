"""The rows of the target table: target, figure and spread, computed from the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from corpus import SHAPES
from listing import LABEL, count_at
from modes import TINY_COUNTS, peak
from table import MEASURES, Run, ratios

HEAD = ["what", "against", "measure", "target", "figure", "of the rounds", "reached"]
WALL, CPU = MEASURES
NAMES = {"curl": "curl -Z", "curl+sha256sum": "curl -Z, then sha256sum"}
CURL_TARGETS = {
    "small, http": 1.9,
    "small, https": 1.7,
    "chips, http": 1.7,
    "chips, https": 1.7,
    "large, http": 1.45,
    "large, https": 1.5,
}
"""CPU divided by that of `curl -Z`, which computes no digest and keeps no record: at most so much."""
PEER_TARGETS = {"aria2c": 0.5, "rclone": 0.5, "parfive": 0.1, "stac-asset": 0.15}


@dataclass(frozen=True, slots=True)
class Row:
    """One target, and the figure of each round in which it could be measured."""

    what: str
    against: str
    measure: str
    limit: float
    figures: Sequence[float]
    at_least: bool = False

    @property
    def figure(self) -> float | None:
        return median(self.figures) if self.figures else None

    @property
    def reached(self) -> bool | None:
        """None if it was not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def cells(self) -> list[str]:
        target = f"{'>=' if self.at_least else '<='} {_number(self.limit)}"
        spread = f"{_number(min(self.figures))} .. {_number(max(self.figures))}" if self.figures else ""
        figure = "not measured" if self.figure is None else _number(self.figure)
        reached = {True: "yes", False: "NO", None: "-"}[self.reached]
        return [self.what, self.against, self.measure, target, figure, spread, reached]

    def as_json(self) -> dict[str, Any]:
        return dict(zip(HEAD, self.cells(), strict=True))


def target_rows(runs: Sequence[Run], scale: float, on_disk: Sequence[int]) -> list[Row]:
    """Every row of the table. `on_disk`: the result of first_assets.py."""
    rows = []
    for kind in ("http", "https"):
        for name in SHAPES:
            rows += _copies(f"{name}, {kind}", runs)
    return [
        *rows,
        *_peers("small, http", runs),
        *_second_run(runs),
        *_delayed(runs),
        *_memory(runs),
        *_planning(runs, scale),
        *_first(on_disk),
    ]


def _copies(label: str, runs: Sequence[Run]) -> list[Row]:
    hashing = 1.0 if label.startswith("small") else 0.6
    return [
        _against(label, runs, "curl", "CPU", CURL_TARGETS[label]),
        _against(label, runs, "curl+sha256sum", "wall", hashing),
        _against(label, runs, "curl+sha256sum", "CPU", hashing),
    ]


def _peers(label: str, runs: Sequence[Run]) -> list[Row]:
    return [_against(label, runs, name, "CPU", limit) for name, limit in PEER_TARGETS.items()]


def _against(label: str, runs: Sequence[Run], other: str, measure: str, limit: float) -> Row:
    selected = [run for run in runs if run.corpus == label]
    figures = ratios(selected, "ours", (other,), WALL if measure == "wall" else CPU)
    return Row(label, NAMES.get(other, other), measure, limit, figures)


def _second_run(runs: Sequence[Run]) -> list[Row]:
    return [_against("second run, http", runs, "rclone", "CPU", 0.33)]


def _delayed(runs: Sequence[Run]) -> list[Row]:
    """Files per second: the inverse ratio of the wall times."""
    label = "small, http, 50 ms"
    figures = ratios([run for run in runs if run.corpus == label], "curl", ["ours"], WALL)
    return [Row(label, "curl -Z, 64 at a time", "files/s", 1.0, figures, at_least=True)]


def _memory(runs: Sequence[Run]) -> list[Row]:
    few, many = (peak(runs, "ours", f"{label}, http") for label in TINY_COUNTS)
    figures = [many / few] if few and many else []
    return [Row("peak memory", "200,000 against 10,000 assets", "RSS", 1.02, figures)]


def _planning(runs: Sequence[Run], scale: float) -> list[Row]:
    walls = [run.cost.wall for run in runs if run.corpus == LABEL and not run.flaw]
    figures = [count_at(scale) / wall for wall in walls]
    return [Row("assets planned", "pages of 100, with start-up", "per s", 200_000, figures, at_least=True)]


def _first(on_disk: Sequence[int]) -> list[Row]:
    return [
        Row("assets on disk", f"as page {number} is requested", "count", 1, [count], at_least=True)
        for number, count in enumerate(on_disk[:2], 2)
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) > 1 else f"{value:.2f}"
