"""Which items a request selects, and in which order they are paged: nothing is held but a position."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from . import sample, shapes
from .sample import LABELS, Box, Place, Sample

# Counting what meets a box means looking at every chip: past this many, no total is told.
_COUNTED = 20_000
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. Empty: no restriction; `since` and `until` are inclusive."""

    collections: tuple[str, ...] = sample.COLLECTIONS
    ids: tuple[str, ...] = ()
    box: Box | None = None
    shape: tuple[shapes.Part, ...] = ()
    since: datetime = EARLIEST
    until: datetime = LATEST


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a page begins: behind (or, going back, before) this place."""

    place: Place
    back: bool = False


def page(content: Sample, query: Query, turn: Turn | None, limit: int) -> tuple[list[Place], bool]:
    """The places of one page in listing order, and whether more follow in the direction of the turn."""
    found = list(itertools.islice(_from(content, query, turn), limit + 1))
    more, found = len(found) > limit, found[:limit]
    return (found[::-1] if turn and turn.back else found), more


def matched(content: Sample, query: Query) -> int | None:
    """How many items match in all, where that can be told cheaply."""
    if query.ids:
        return len(_named(content, query))
    if query.box is None:
        return content.chips * sum(len(_dates(content, query, name)) for name in query.collections)
    return sum(1 for _ in _from(content, query, None)) if content.chips <= _COUNTED else None


def _from(content: Sample, query: Query, turn: Turn | None) -> Iterator[Place]:
    back = turn is not None and turn.back
    if query.ids:
        places = _named(content, query)
        beyond = [p for p in places if turn is None or _is_beyond(p, turn)]
        return iter(beyond[::-1] if back else beyond)
    names = [name for name in sample.COLLECTIONS if name in query.collections]
    if turn is not None:
        at = sample.COLLECTIONS.index(turn.place.collection)
        rest = sample.COLLECTIONS[: at + 1] if back else sample.COLLECTIONS[at:]
        names = [name for name in names if name in rest]
    return itertools.chain.from_iterable(
        _walk(content, query, name, turn if turn and turn.place.collection == name else None, back)
        for name in (names[::-1] if back else names)
    )


def _walk(content: Sample, query: Query, name: str, turn: Turn | None, back: bool) -> Iterator[Place]:
    """The matching places of one collection behind the turn, or before it and backwards."""
    dates, last = _dates(content, query, name), content.chips - 1
    if back:
        numbers, dates = range(turn.place.chip if turn else last, -1, -1), dates[::-1]
    else:
        numbers = range(turn.place.chip if turn else 0, content.chips)
    for number in _chips(content, query, numbers):
        for date in dates:
            if turn is None or _is_beyond(Place(number, date), turn):
                yield Place(number, date)


def _dates(content: Sample, query: Query, name: str) -> range:
    """The date numbers of a collection within the time asked for; labels have the single number -1."""
    if name == LABELS:
        return range(-1, 0) if query.since <= sample.LABELLED <= query.until else range(0)
    inside = [date for date in range(content.dates) if query.since <= content.moment(date) <= query.until]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def _named(content: Sample, query: Query) -> list[Place]:
    found = {place for name in query.ids if (place := content.find(name)) is not None}
    return sorted((p for p in found if _admitted(content, query, p)), key=_rank)


def _admitted(content: Sample, query: Query, place: Place) -> bool:
    if place.collection not in query.collections or place.date not in _dates(
        content, query, place.collection
    ):
        return False
    return any(True for _ in _chips(content, query, range(place.chip, place.chip + 1)))


def _chips(content: Sample, query: Query, numbers: range) -> Iterator[int]:
    for number in content.chips_in(query.box, numbers):
        if not query.shape or shapes.meets(query.shape, sample.chip(number).ring()):
            yield number


def _rank(place: Place) -> tuple[bool, int, int]:
    return place.date >= 0, place.chip, place.date


def _is_beyond(place: Place, turn: Turn) -> bool:
    return _rank(place) < _rank(turn.place) if turn.back else _rank(place) > _rank(turn.place)
