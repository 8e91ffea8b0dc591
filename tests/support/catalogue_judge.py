"""The judge of the catalogue fuzz: what is wrong with a run in which one answer was another one.

It knows what each catalogue holds, and which of it can be had in spite of that answer. It shares no code
with the program: it looks at the exit code, the files in DEST, errors.jsonl and the receipt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.catalogue_bodies import BODIES, PLAIN_BODIES, STATUSES, Meaning
from support.catalogue_sites import GONE, NOT_FOLLOWED, Catalogue, asset_bytes
from support.mirrored import Mirrored

NOT_FOLLOWED_AT_SOURCES = ("catalog", "collection", "landing", "list-of-collections")
"""Bodies that are no item, and not followed from a label: all of a catalogue may be far too much."""
SOURCE_UNUSABLE, LASTING, TEMPORARY, NOTHING_SELECTED = 3, 4, 5, 9


@dataclass(frozen=True)
class Case:
    """`body` is the name of a body, or that of a link in another media type: "twin:html:first"."""

    catalogue: str
    point: str
    status: str
    body: str
    times: str
    run: str

    def __str__(self) -> str:
        return "/".join((self.catalogue, self.point, self.status, self.body, self.times, self.run))

    @classmethod
    def parse(cls, text: str) -> Case:
        return cls(*text.split("/"))


@dataclass(frozen=True)
class Violation:
    case: Case
    kind: str
    what: str


@dataclass
class Ended:
    """How a run of one case ended."""

    code: int
    said: str = ""
    """why the listing or the run ended early, if it did"""
    reported: bool = True
    """it wrote a receipt of its own"""


class Judge:
    """What is wrong with a run of one case."""

    def __init__(self, catalogue: Catalogue, case: Case, dest: Path, ended: Ended) -> None:
        self.catalogue, self.case, self.ended = catalogue, case, ended
        self.point = catalogue.points[case.point]
        self.mirrored = Mirrored(dest)
        self.meaning = self._meaning()
        self.held = {name: self._is_held(name) for name in catalogue.items}

    def violations(self) -> Iterator[Violation]:
        for kind, what in (*self._files(), *self._exit_code(), *self._told()):
            yield Violation(self.case, kind, f"exit {self.ended.code}: {what} | {self.ended.said[:160]}")

    def _meaning(self) -> Meaning:
        """What the answer says of the items behind the point. Right the second time: it may be read so."""
        case, point = self.case, self.point
        if case.body.startswith("twin:"):
            return Meaning.WHOLE if "untyped" in case.body else Meaning.SURE
        if point.rel in NOT_FOLLOWED:
            return Meaning.SURE
        if point.rel == "collection":
            return Meaning.WHOLE
        means = STATUSES[case.status].means or BODIES[case.body].means
        found = means(point)
        if case.status == "404" and case.body == "not-found-features" and point.rel == "search":
            found = Meaning.EMPTY
        if case.status == "206" and found is Meaning.SURE:
            found = Meaning.WHOLE
        if case.times == "once" and found is Meaning.DAMAGED:
            return Meaning.SURE
        again = found is Meaning.UNREADABLE and case.times == "once"
        return Meaning.WHOLE if again else found

    @property
    def _is_refused_source(self) -> bool:
        """A source link that leads to no item, for good: that is told, and does not count."""
        if self.point.rel != "source" or self.case.body not in BODIES:
            return False
        final = self.meaning in (Meaning.UNREADABLE, Meaning.WHOLE)
        refused = STATUSES[self.case.status].means is not None or self.case.status == "206"
        return final and (refused or BODIES[self.case.body].is_data)

    @property
    def _may_be_missing(self) -> set[str]:
        behind = set(self.point.behind)
        if self.meaning is Meaning.EMPTY or self._is_refused_source:
            return behind
        if self.point.rel == "source" and self.case.body in NOT_FOLLOWED_AT_SOURCES:
            return behind
        if self.case.body == "bare-item" and "bbox" in self.catalogue.selection:  # it is in no place
            return behind
        return behind if self.meaning is Meaning.PART else set()

    def _files(self) -> Iterator[tuple[str, str]]:
        absent = [name for name, held in self.held.items() if held != "held"]
        if self.ended.code == 0 and (less := [one for one in absent if one not in self._may_be_missing]):
            yield "less", f"{self._shown(less)} of the catalogue"
        if self.case.run != "fresh" and absent:
            unsure = self.meaning in (Meaning.EMPTY, Meaning.PART) and set(absent) <= set(self.point.behind)
            later = self.point.later and not self.catalogue.totals
            strange = later or self.case.body.startswith("empty-") or self.meaning is Meaning.PART
            kind = "doubtful" if unsure and strange else "deleted"
            yield kind, f"{self._shown(absent)}, which an earlier run had"
        if self.ended.code == 0 and self._must_be_pruned:
            yield "kept", f"{GONE} is not in the catalogue any more"
        others = [one for one in absent if one not in self.point.behind]
        if self._stops_nothing and self.case.run == "fresh" and others:
            yield "stopped", f"{self._shown(others)}, though it came by other links"

    @property
    def _must_be_pruned(self) -> bool:
        """`GONE` is still there. What another SOURCE listed is kept, as that may be by a redirect."""
        plain = self.case.body in PLAIN_BODIES or self.case.body.startswith("twin:")
        sure = plain and self.meaning is Meaning.SURE and self.point.rel != "SOURCE"
        return self.case.run == "prune" and sure and self.has_gone

    @property
    def has_gone(self) -> bool:
        """The item that left the catalogue is there."""
        return (self.mirrored.dest / "c1" / GONE / "data.tif").exists()

    @property
    def _stops_nothing(self) -> bool:
        links = self.point.rel in ("item", "items", "child") and self.catalogue.name in (
            "static",
            "mixed",
            "labels",
        )
        return links and self.case.status not in ("401", "403") and self.ended.code in (LASTING, TEMPORARY)

    def _shown(self, names: list[str]) -> str:
        return ", ".join(f"{name} is {self.held[name]}" for name in names[:4])

    def _is_held(self, name: str) -> str:
        collection = self.catalogue.items[name]["collection"]
        folder = self.mirrored.dest / collection / name
        asset, document = folder / "data.tif", folder / f"{name}.json"
        if not asset.is_file():
            return "missing"
        if asset.read_bytes() != asset_bytes(self.catalogue.name, name):
            return "wrong"
        if not document.is_file() or json.loads(document.read_bytes())["id"] != name:
            return "without a document"
        return "held"

    def _exit_code(self) -> Iterator[tuple[str, str]]:
        code, meaning = self.ended.code, self.meaning
        if code in (-1, 1):
            yield ("hang" if code == -1 else "bug"), "the run"
        elif code == 0 and meaning in (Meaning.UNREADABLE, Meaning.DAMAGED) and not self._is_refused_source:
            yield "unnoticed", "nothing is told of what could not be understood"
        elif meaning is Meaning.SURE and code != 0 and not self._is_refused_prune:
            yield "refused", "though everything could be had"
        elif meaning is Meaning.UNREADABLE and code == TEMPORARY and not self._ends_short:
            yield "code", "what will never come is called temporary"
        elif meaning is Meaning.DAMAGED and code not in (0, TEMPORARY):
            yield "code", "what may come again is called lasting"
        elif code not in (0, SOURCE_UNUSABLE, LASTING, TEMPORARY, NOTHING_SELECTED):
            yield "code", "no code for this"

    @property
    def _is_refused_prune(self) -> bool:
        """A list of items does not say what a collection has, and a text in place of a source item may be a
        fault of the server: --prune is refused, with exit code 4."""
        refused = self.catalogue.name == "list" or self.point.rel == "source"
        return refused and self.case.run == "prune" and self.ended.code == LASTING

    @property
    def _ends_short(self) -> bool:
        """Fewer items than announced came: another run may get them."""
        return self.catalogue.totals and self.point.later

    def _told(self) -> Iterator[tuple[str, str]]:
        told = self.ended.reported and self.ended.code in (LASTING, TEMPORARY)
        if not told or self.case.times == "once" or self.point.rel == "SOURCE":
            return
        if self.meaning not in (Meaning.UNREADABLE, Meaning.DAMAGED) or self._is_refused_source:
            return
        listing = self.mirrored.receipt["listing"]
        if listing["complete"]:
            yield "unlisted", "the receipt calls the listing complete"
        elif not self.mirrored.errors and not listing["reasons"]:
            yield "unlisted", "neither errors.jsonl nor the receipt says why"
