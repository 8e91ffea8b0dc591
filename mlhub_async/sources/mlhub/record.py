"""The record of the datasets that Radiant MLHub had: where their data is since it closed in 2023.

`recorded.json` holds it. Every statement there has the address that it was taken from, and the day of that.
It is not complete: the list of MLHub itself is gone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from ...core import urls
from ...core.errors import MlhubError, SourceError, UsageError
from ...core.json_text import loads
from ...core.model import JsonObject
from ...core.options import Selection
from ..access import unknown_id
from .moved import Moved

CLOSED = "Radiant MLHub closed in 2023"
ADVICE = "the environment variable MLHUB_ROOT_URL names another server with its API"


class RecordedPlace(NamedTuple):
    """Where the data of a dataset is: a SOURCE. `source` is the URL that said so on the day `date`."""

    address: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class RecordedDataset:
    """One dataset: what MLHub called it, and the places of its data, the best one first."""

    id: str
    title: str | None
    doi: str | None
    places: tuple[RecordedPlace, ...]
    size: int | None = None
    """bytes that the dataset had on MLHub"""
    note: str = ""

    def mentions(self, phrase: str) -> bool:
        """Whether its id, title or DOI has the phrase; case does not matter."""
        texts = (one for one in (self.id, self.title, self.doi) if one)
        return any(phrase.casefold() in one.casefold() for one in texts)

    def as_document(self) -> JsonObject:
        """Its row for Python programs, as a dict like those of the API, with `places`."""
        rows = [place._asdict() for place in self.places]
        return {"id": self.id, "title": self.title, "doi": self.doi, "size": self.size, "places": rows}


@dataclass(frozen=True, slots=True)
class Record:
    """All recorded datasets, and the day of the record."""

    date: str
    datasets: tuple[RecordedDataset, ...]

    @property
    def caveat(self) -> str:
        return f"{CLOSED}: this is where its data is, recorded {self.date}, not complete"

    def dataset(self, name: str) -> RecordedDataset:
        """The dataset with this id or DOI. Raises `SourceError` if it is not recorded."""
        wanted = name.casefold().removeprefix("https://doi.org/")
        for one in self.datasets:
            if wanted in (one.id.casefold(), (one.doi or "").casefold()):
                return one
        raise unknown_id(f"{CLOSED}, and the record of {self.date} has no dataset", name, self._ids())

    def matching(self, tags: Sequence[str], text: Sequence[str]) -> list[RecordedDataset]:
        """The datasets that mention all phrases. Raises `UsageError` for tags, which were not recorded."""
        if tags:
            raise UsageError(f"{CLOSED}, and the tags of its datasets are not recorded: use --text; {ADVICE}")
        return [one for one in self.datasets if all(map(one.mentions, text))]

    def _ids(self) -> list[str]:
        return [one.id for one in self.datasets]


@cache
def the_record() -> Record:
    """The record that comes with the program."""
    return record_of(loads(files(__package__).joinpath("recorded.json").read_bytes()))


def record_of(body: JsonObject) -> Record:
    """The record in a document. Raises `KeyError` where a statement has no source or no date."""
    return Record(body["recorded"], tuple(map(_dataset, body["datasets"])))


def _dataset(row: JsonObject) -> RecordedDataset:
    for statement in (row, row.get("size", row), *row["places"]):
        if not (statement["source"] and statement["date"]):
            raise KeyError("source")
    places = tuple(RecordedPlace(one["address"], one["source"], one["date"]) for one in row["places"])
    size = row["size"]["bytes"] if "size" in row else None
    return RecordedDataset(row["id"], row["title"], row.get("doi"), places, size, row.get("note", ""))


def moved_to(selection: Selection) -> Moved | None:
    """Where the dataset of a selection is now; None if it names neither a dataset nor collections.

    A warning tells where that is. Raises `SourceError` for a dataset or a collection whose place is not
    recorded.
    """
    record = the_record()
    if selection.dataset is None:
        if selection.collections:
            raise closed(f"name the dataset of {urls.term_safe(selection.collections[0])} with --dataset")
        return None
    found = record.dataset(selection.dataset)
    if not found.places:
        raise closed(f"where the data of {found.id} is was not known on {record.date}")
    first, *others = found.places
    also = [one.address for one in others]
    moved = Moved(found.id, first.address, first.source, first.date, also, found.note)
    warnings.warn(moved.line, stacklevel=3)
    return moved


def closed(what: str) -> MlhubError:
    """The error for what only the service could have answered; `what` says what to do instead."""
    message = f"{CLOSED}: {what}; 'mlhub-async ls mlhub' lists what is recorded; {ADVICE}"
    return SourceError(message, kind="closed")
