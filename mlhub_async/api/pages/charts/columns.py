"""Numbers as the columns of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 1_000, 200
"""Of a chart, in user units."""


class Column(NamedTuple):
    """One column; `label` says what it stands for."""

    x: float
    width: float
    y: float
    height: float
    label: str


def columns(numbers: Sequence[float], labels: Sequence[str]) -> list[Column]:
    """A column for each number, the highest as high as the chart; what is not 0 can be seen."""
    most, step = max(numbers, default=0), WIDTH / max(len(numbers), 1)
    found = []
    for at, (number, label) in enumerate(zip(numbers, labels, strict=True)):
        height = max(HEIGHT * number / most, 2.0) if number else 0.0
        found.append(
            Column(
                round(at * step, 1), round(step * 0.86, 1), round(HEIGHT - height, 1), round(height, 1), label
            )
        )
    return found
