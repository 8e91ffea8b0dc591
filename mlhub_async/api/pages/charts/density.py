"""How many items lie in each cell of a map, in five classes, each drawn as one path."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from typing import NamedTuple

from ....stac.conditions.boxes import Flat
from .projection import WIDTH, Window

CLASSES = 5


class DensityClass(NamedTuple):
    """Cells with from `first` to `last` items, as the path of an SVG."""

    number: int
    first: int
    last: int
    path: str


class Grid:
    """Counts, for each cell of a map, the boxes that touch it. A wide box costs no more than others."""

    def __init__(self, window: Window, columns: int) -> None:
        self._window = window
        self._size = WIDTH // columns
        self._columns = columns
        self._rows = max(math.ceil(window.height / self._size), 1)
        self._steps = [[0] * (columns + 1) for _ in range(self._rows + 1)]

    def add(self, boxes: Iterable[Flat]) -> None:
        """Count boxes; those beside the map, not at all."""
        for west, south, east, north in boxes:
            x0, y0 = self._window.point(west, north)
            x1, y1 = x0 + round((east - west) * self._window.x_scale), self._window.point(west, south)[1]
            self._count(x0 // self._size, y0 // self._size, x1 // self._size, y1 // self._size)

    def _count(self, left: int, top: int, right: int, bottom: int) -> None:
        """Count one box: at its corners, of which `_counts` makes sums."""
        if right < 0 or bottom < 0:
            return
        left, top = min(max(left, 0), self._columns - 1), min(max(top, 0), self._rows - 1)
        right, bottom = min(right, self._columns - 1), min(bottom, self._rows - 1)
        self._steps[top][left] += 1
        self._steps[top][right + 1] -= 1
        self._steps[bottom + 1][left] -= 1
        self._steps[bottom + 1][right + 1] += 1

    def _counts(self) -> Iterator[list[int]]:
        above = [0] * (self._columns + 1)
        for steps in self._steps[:-1]:
            above = [count + more for count, more in zip(above, steps, strict=True)]
            yield list(accumulate(above))[:-1]

    def classes(self) -> list[DensityClass]:
        """The classes with cells, the thinnest first. They divide the logarithm of the highest count."""
        rows = list(self._counts())
        most = max(map(max, rows))
        bounds = _bounds(most)
        paths: list[list[str]] = [[] for _ in range(CLASSES)]
        for y, row in enumerate(rows):
            x = 0
            for number, cells in groupby(row, lambda count: _class_of(count, bounds)):
                length = len(list(cells))
                if number >= 0:
                    paths[number].append(self._bar(x, y, length))
                x += length
        return [
            DensityClass(number + 1, bounds[number], bounds[number + 1] - 1, "".join(path))
            for number, path in enumerate(paths)
            if path
        ]

    def _bar(self, x: int, y: int, length: int) -> str:
        size = self._size
        return f"M{x * size} {y * size}h{length * size}v{size}h-{length * size}z"


def _bounds(most: int) -> list[int]:
    """The least count of each class, and one more than the highest count."""
    bounds = [1]
    for number in range(1, CLASSES):
        bounds.append(max(bounds[-1] + 1, round(most ** (number / CLASSES))))
    return [*bounds, max(most, bounds[-1]) + 1]


def _class_of(count: int, bounds: list[int]) -> int:
    return -1 if count == 0 else sum(count >= bound for bound in bounds[1:CLASSES])
