"""The pages of the server as HTML: all collections, the items of one, one item with its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .....core.json_text import loads
from .....core.model import JsonObject
from .....storage.layout import CATALOG_FILE, ERRORS_FILE, RECEIPT_FILE, in_state
from .....storage.ledger.lookups.browsing import CollectionRow, FileRow, ItemRow
from .....storage.ledger.schema import ABSENT, DONE, FAILED
from ...charts.coverage import CoverageMap, coastlines, coverage_maps
from ...charts.projection import WIDTH
from ...environment import template
from ...facts.footprints import Footprints
from ...previews.palette import Swatch
from ...previews.raster import INSTALL, is_installed
from ...previews.service import legend_of
from . import addresses
from .catalogue import Catalogue, ItemFacts
from .pictures import SIZE, PictureLink, best_picture, pictures_of, plan_of

ITEMS_PER_PAGE = 48
SOURCES_SHOWN = 6
MAX_PROPERTIES = 100
STATE_NAMES = {DONE: "on disk", FAILED: "failed", ABSENT: "absent in the source"}
TO_DO = "not fetched yet"


class Card(NamedTuple):
    """An item on the page of its collection: its picture, and for a label that of its source beside it."""

    item: ItemRow
    href: str
    pictures: list[PictureLink]


class AssetFacts(NamedTuple):
    """A row of the table of assets. `href` is None where the file is not there; `state` in words."""

    key: str
    title: str
    media_type: str
    href: str | None
    size: int | None
    sha256: str
    proof: str
    state: str
    problem: str


class Related(NamedTuple):
    """Another item, with its best picture if it has one."""

    text: str
    href: str
    picture: PictureLink | None


@dataclass(frozen=True, slots=True)
class Views:
    """Makes pages; blocks: its methods are for threads."""

    catalogue: Catalogue

    def collections(self, rows: Sequence[CollectionRow], *, report_is_ready: bool = True) -> str:
        """The page of all collections, which is the front page while the report is not ready."""
        found = [(row, self.catalogue.about(row.id), addresses.collection_address(row.id)) for row in rows]
        return _render(
            "collections.html",
            mirror=self.catalogue.dest.absolute().name,
            collections=found,
            files=_public_files(),
            report_is_ready=report_is_ready,
        )

    def collection(self, id: str, place: str, item: str) -> str | None:
        """One page of its items; None if the mirror has no such collection, or none of these items."""
        rows = self.catalogue.items(id, place, item, ITEMS_PER_PAGE)
        if not rows and not self.catalogue.items(id, "from", "", 1):
            return None
        before = self.catalogue.items(id, "before", rows[0].id, 1) if rows else []
        after = self.catalogue.items(id, "after", rows[-1].id, 1) if rows else []
        return _render(
            "collection.html",
            id=id,
            about=self.catalogue.about(id),
            cards=[self._card(id, row) for row in rows],
            previous=addresses.collection_address(id, before=rows[0].id) if before else None,
            following=addresses.collection_address(id, after=rows[-1].id) if after else None,
            start=addresses.collection_address(id),
            browse=addresses.BROWSE,
            asked=item if place == "from" else "",
            install=None if is_installed() else INSTALL,
            size=SIZE,
        )

    def _card(self, collection: str, row: ItemRow) -> Card:
        facts = self.catalogue.item(collection, row.id)
        pictures: list[PictureLink] = []
        if facts is not None and (best := best_picture(facts)) is not None:
            pictures = [*self._first_source(facts), best]
        return Card(row, addresses.item_address(collection, row.id), pictures)

    def _first_source(self, facts: ItemFacts) -> list[PictureLink]:
        for row in facts.linked:
            source = self.catalogue.item(row.collection, row.item)
            if source is not None and (best := best_picture(source)) is not None:
                return [best]
        return []

    def item(self, collection: str, id: str) -> str | None:
        """The page of an item; None if the mirror has no such item."""
        facts = self.catalogue.item(collection, id, with_linking=True)
        if facts is None or facts.document is None:
            return None
        pictures = pictures_of(facts)
        previous = self.catalogue.items(collection, "before", id, 1)
        following = self.catalogue.items(collection, "after", id, 1)
        labels = [one for one in pictures if one.is_label]
        return _render(
            "item.html",
            facts=facts,
            collection=addresses.collection_address(collection),
            document=addresses.file_address(facts.document.path) if facts.document.is_there else None,
            pictures=[one for one in pictures if not one.is_label],
            labels=labels,
            legends=self._legends(facts, pictures),
            sources=[self._related(row) for row in facts.linked[:SOURCES_SHOWN]],
            more_sources=[
                Related(row.item, addresses.item_address(row.collection, row.item), None)
                for row in facts.linked[SOURCES_SHOWN:]
            ],
            linking=[(item, addresses.item_address(*owner)) for owner in facts.linking for item in owner[1:]],
            assets=[_asset(facts, row) for row in facts.assets],
            properties=list(facts.properties.items())[:MAX_PROPERTIES],
            map=_map(facts),
            box=_box(facts.body.get("bbox")),
            map_width=WIDTH,
            land=coastlines(),
            previous=_neighbour(collection, previous),
            following=_neighbour(collection, following),
            install=None if is_installed() else INSTALL,
            size=SIZE,
        )

    def _related(self, row: FileRow) -> Related:
        source = self.catalogue.item(row.collection, row.item)
        best = best_picture(source) if source is not None else None
        return Related(row.item, addresses.item_address(row.collection, row.item), best)

    def _legends(self, facts: ItemFacts, pictures: Sequence[PictureLink]) -> list[tuple[str, list[Swatch]]]:
        """Of each picture that has classes."""
        plans = [(one, plan_of(self.catalogue, facts, one.key, SIZE)) for one in pictures if one.key]
        return [
            (one.text, legend_of(self.catalogue.dest, plan))
            for one, plan in plans
            if plan is not None and plan.classes
        ]


def _render(name: str, **values: Any) -> str:
    values.setdefault("home", "/")
    values.setdefault("all_collections", addresses.BROWSE)
    return str(template(f"browse/{name}").render(values))


def _public_files() -> list[tuple[str, str]]:
    return [
        ("catalogue", addresses.file_address(CATALOG_FILE)),
        ("receipt", addresses.file_address(in_state(RECEIPT_FILE))),
        ("what is missing", addresses.file_address(in_state(ERRORS_FILE))),
        ("manifest", addresses.MANIFEST),
    ]


def _neighbour(collection: str, rows: Sequence[ItemRow]) -> str | None:
    return addresses.item_address(collection, rows[0].id) if rows else None


def _asset(facts: ItemFacts, row: FileRow) -> AssetFacts:
    about = facts.described(row.key)
    return AssetFacts(
        row.key,
        _text(about.get("title")),
        _text(about.get("type")),
        addresses.file_address(row.path) if row.is_there else None,
        row.size if row.is_there else None,
        row.sha256 if row.is_there else "",
        row.proof if row.is_there else "",
        STATE_NAMES.get(row.state, TO_DO),
        _problem(row),
    )


def _problem(row: FileRow) -> str:
    """The reason of a failure, as the ledger has it."""
    if row.state != FAILED or not row.error:
        return ""
    said: JsonObject = loads(row.error)
    return f"{said.get('class', '')}: {said.get('message', '')}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _map(facts: ItemFacts) -> CoverageMap | None:
    """The region of the item with its outline; None where it has no footprint."""
    footprints = Footprints()
    footprints.add(facts.collection, facts.id, facts.body)
    return next(iter(coverage_maps(footprints)[::-1]), None)


def _box(value: Any) -> list[float] | None:
    """West, south, east and north of a bbox; None for one that is none."""
    if not isinstance(value, list) or len(value) not in (4, 6):
        return None
    box = value if len(value) == 4 else [*value[:2], *value[3:5]]
    return [round(one, 6) for one in box] if all(type(one) in (int, float) for one in box) else None
