"""What `ls` does: one level of a catalogue, a line for each thing, as text or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ... import stac
from ...core import urls
from ...core.model import Flaw, Item
from ...core.options import Options, Selection
from ...engine.connect import browse_source
from ...sources.browse import Branch
from ..console import Console
from ..output import encoded, show, somewhere_to_write, warning

Row = dict[str, Any]
Tell = Callable[[Row], None]


def run_ls(source: str, options: Options, screen: Console) -> int:
    tell = _as_json if screen.as_json else _as_text
    return screen.run(lambda: _listed(source, options, tell))


def _as_json(row: Row) -> None:
    with somewhere_to_write():
        sys.stdout.buffer.write(encoded(row) + b"\n")


def _as_text(row: Row) -> None:
    """Fields by tabs; what a row has many of, by commas."""
    fields = (",".join(map(str, value)) if isinstance(value, list) else value for value in row.values())
    show(["\t".join("" if field is None else urls.term_safe(field, 200) for field in fields)])


async def _listed(source: str, options: Options, tell: Tell) -> int:
    level = _Level(options.selection, tell)
    await browse_source(source, options, os.environ, level.emit)
    return 4 if level.flawed else 0


class _Level:
    """Tells what there is on one level: a row for each dataset, collection or item.

    Of items that were named, a row for each of their assets.
    """

    def __init__(self, selection: Selection, tell: Tell) -> None:
        self.flawed = False
        self._wants = stac.wants(selection)
        self._assets = bool(selection.ids)
        self._tell = tell

    async def emit(self, entries: Sequence[Branch | Item | Flaw]) -> None:
        for entry in entries:
            if isinstance(entry, Flaw):
                self.flawed = self.flawed or not entry.benign
                warning(entry.error.message)
            elif isinstance(entry, Branch):
                self._tell({"id": entry.id, "title": entry.title})
            elif self._assets:
                self._tell_assets(entry)
            else:
                self._tell(_row(entry))

    def _tell_assets(self, item: Item) -> None:
        for asset in stac.assets_of(item):
            if self._wants(asset, item.body):
                size, href = asset.size, urls.redacted(asset.href)
                self._tell({"key": asset.key, "size": size, "type": asset.media_type, "href": href})


def _row(item: Item) -> Row:
    found = item.body.get("properties")
    about = found if isinstance(found, dict) else {}
    moment = about.get("datetime") or about.get("start_datetime")
    keys = [asset.key for asset in stac.assets_of(item)]
    return {"collection": item.collection, "id": item.id, "datetime": moment, "assets": keys}
