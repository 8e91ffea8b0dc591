"""Which pictures an item has: a composite of its bands, its labels, its other rasters."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from .....stac.fields import classification
from .....storage.ledger.lookups.browsing import FileRow
from ...previews.service import PicturePlan
from ..files.opened import open_file
from .addresses import file_address, preview_address
from .catalogue import Catalogue, ItemFacts

SIZE, LARGE = 256, 1024
SIZES = (SIZE, LARGE)
RASTERS = frozenset({".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg"})
SHOWN_AS_IT_IS = frozenset({".png", ".jpg", ".jpeg"})
MAX_BYTES_AS_IT_IS = 1 << 20
FEATURES = frozenset({".geojson", ".json"})
TRUE_COLOUR = ("red", "green", "blue")


class PictureLink(NamedTuple):
    """A picture on a page. `href`: what it leads to; `key` None: a composite."""

    src: str
    href: str
    text: str
    key: str | None
    is_label: bool


def pictures_of(facts: ItemFacts) -> list[PictureLink]:
    """All pictures: the composite, then labels, then the others, in the order of keys."""
    shown = [_link(facts, row) for row in facts.assets if is_shown(facts, row)]
    found = sorted(shown, key=lambda one: not one.is_label)
    return [_composite_link(facts), *found] if band_files(facts) else found


def is_shown(facts: ItemFacts, row: FileRow) -> bool:
    suffix = PurePosixPath(row.path).suffix.lower()
    if suffix == ".json":
        media_type = facts.described(row.key).get("type")
        geojson = isinstance(media_type, str) and "geo+json" in media_type
        return row.is_there and (geojson or classification.is_label(facts.body, row.key))
    return row.is_there and (suffix in RASTERS or suffix in FEATURES)


def best_picture(facts: ItemFacts) -> PictureLink | None:
    return next(iter(pictures_of(facts)), None)


def band_files(facts: ItemFacts) -> list[FileRow]:
    """The files of red, green and blue, where each is an asset with that one band; else []."""
    found: dict[str, FileRow] = {}
    for row in facts.assets:
        names = classification.common_names(facts.body, facts.about, row.key)
        if len(names) == 1 and is_shown(facts, row):
            found.setdefault(names[0], row)
    return [found[name] for name in TRUE_COLOUR] if found.keys() >= set(TRUE_COLOUR) else []


def _link(facts: ItemFacts, row: FileRow) -> PictureLink:
    is_label = classification.is_label(facts.body, row.key)
    suffix = PurePosixPath(row.path).suffix.lower()
    direct = suffix in SHOWN_AS_IT_IS and (row.size or 0) <= MAX_BYTES_AS_IT_IS and not is_label
    address = file_address(row.path)
    src = address if direct else preview_address(facts.collection, facts.id, row.key, SIZE)
    large = address if direct else preview_address(facts.collection, facts.id, row.key, LARGE)
    return PictureLink(src, large, row.key, row.key, is_label)


def _composite_link(facts: ItemFacts) -> PictureLink:
    src, large = (preview_address(facts.collection, facts.id, None, size) for size in SIZES)
    keys = ", ".join(row.key for row in band_files(facts))
    return PictureLink(src, large, f"true colour ({keys})", None, False)


def plan_of(catalogue: Catalogue, facts: ItemFacts, key: str | None, size: int) -> PicturePlan | None:
    """What the picture of an asset is made of; None where the item has no such picture. Blocks."""
    row = facts.asset(key) if key is not None else None
    rows = band_files(facts) if key is None else [row] if row is not None and is_shown(facts, row) else []
    states = []
    for one in rows:
        opened = open_file(catalogue.dest, one.path, known=one.is_there)
        if opened is None:
            return None
        opened.file.close()
        states.append(opened.state)
    if not rows:
        return None
    paths = tuple(one.path for one in rows)
    if key is None:
        return PicturePlan(paths, tuple(states), size)
    is_label = classification.is_label(facts.body, key)
    classes = (
        classification.classes_of(facts.body, facts.about, key) if is_label or _has_own(facts, key) else []
    )
    return PicturePlan(
        paths,
        tuple(states),
        size,
        is_label=is_label,
        is_features=PurePosixPath(paths[0]).suffix.lower() in FEATURES,
        names=tuple(classification.common_names(facts.body, facts.about, key)),
        classes=tuple(classes),
        properties=tuple(classification.class_properties(facts.body)),
    )


def _has_own(facts: ItemFacts, key: str) -> bool:
    """Whether the asset itself, not its item, has classes: a scene classification beside its bands."""
    without = {**facts.body, "properties": {}}
    return bool(classification.classes_of(without, {"item_assets": facts.about.get("item_assets")}, key))
