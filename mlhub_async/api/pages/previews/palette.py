"""The colour of each class: that of the catalogue, else of the file's own palette, else one of a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ....stac.fields.classification import Colour, LabelClass

NO_DATA_NAMES = frozenset(
    {"no data", "nodata", "no_data", "no-data", "unlabeled", "unlabelled", "unknown", "background"}
)
NO_DATA: Colour = (205, 205, 205)
DISTINCT: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
    (102, 51, 153),
    (140, 86, 75),
    (23, 190, 207),
    (188, 189, 34),
    (255, 152, 150),
    (44, 90, 40),
    (120, 120, 120),
    (174, 199, 232),
    (122, 31, 31),
)
"""Colours that stay apart for most people with colour blindness (the first are those of Okabe and Ito)."""


class Swatch(NamedTuple):
    """A row of the legend."""

    value: int | str
    name: str
    colour: Colour

    @property
    def hex(self) -> str:
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


def swatches(classes: Iterable[LabelClass], file_palette: Mapping[int, Colour]) -> list[Swatch]:
    """The legend of these classes, each value once."""
    found: dict[int | str, Swatch] = {}
    for place, one in enumerate(classes):
        own = file_palette.get(one.value) if isinstance(one.value, int) else None
        colour = one.colour or own or _default(one, place)
        found.setdefault(one.value, Swatch(one.value, one.name, colour))
    return list(found.values())


def _default(one: LabelClass, place: int) -> Colour:
    if one.name.casefold() in NO_DATA_NAMES:
        return NO_DATA
    return colour_at(one.value if isinstance(one.value, int) else place)


def colour_at(value: int) -> Colour:
    """The colour of a value without a class: the same in every picture."""
    return DISTINCT[value % len(DISTINCT)]
