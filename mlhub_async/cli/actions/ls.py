"""`ls`: prints one level of a catalogue, one line per collection, item or asset, as text or JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ... import stac
from ...core import urls
from ...core.errors import NothingMatched
from ...core.model import Concern, Flaw, Item, ListingRemarks
from ...core.options import ASSET_CONDITIONS, ITEM_CONDITIONS, Options, Selection
from ...engine.connect import browse_source
from ...sources.browse import Branch, DatasetFilter, LevelEntry, MovedBranch
from ..terminal.console import Console
from ..terminal.output import check_stdout, print_lines, print_warning, to_json_line

Row = dict[str, Any]
PrintRow = Callable[[Row], None]
MAX_FIELD_CHARS = 200
_CONDITIONS = {*ITEM_CONDITIONS, *ASSET_CONDITIONS}


def run_ls(source: str, options: Options, console: Console, datasets: DatasetFilter) -> int:
    print_row = _print_json if console.as_json else _print_text
    return console.run(lambda: _list(source, options, print_row, datasets))


def _print_json(row: Row) -> None:
    with check_stdout():
        sys.stdout.buffer.write(to_json_line(row) + b"\n")


def _print_text(row: Row) -> None:
    """The fields separated by tabs, the values of a list by commas."""
    values = (",".join(map(str, value)) if isinstance(value, list) else value for value in row.values())
    fields = ("" if value is None else urls.term_safe(value, MAX_FIELD_CHARS) for value in values)
    print_lines(["\t".join(fields)])


async def _list(source: str, options: Options, print_row: PrintRow, datasets: DatasetFilter) -> int:
    level = _Level(options.selection, print_row)
    await browse_source(source, options, os.environ, level.emit, datasets)
    if level.flawed or (level.rows and level.unmatched):
        return 4
    is_chosen = bool(datasets.tags or datasets.text or _CONDITIONS & options.selection.asked().keys())
    if level.rows or options.allow_empty or not is_chosen:
        return 0
    print_warning("nothing matches the selection; exit code 9, with --allow-empty 0")
    return NothingMatched.exit_code


class _Level:
    """Prints a row for each dataset, collection or item of one level, or for each asset with --ids.

    `flawed`: a record of the catalogue could not be used. `unmatched`: an id does not exist.
    """

    def __init__(self, selection: Selection, print_row: PrintRow) -> None:
        self.flawed = False
        self.unmatched = False
        self.rows = 0
        self._wants = stac.asset_filter(selection)
        self._shows_assets = bool(selection.ids)
        self._print = print_row

    def _print_row(self, row: Row) -> None:
        self.rows += 1
        self._print(row)

    async def emit(self, entries: Sequence[LevelEntry]) -> None:
        for entry in entries:
            if isinstance(entry, Flaw):
                is_unmatched = entry.concern is Concern.SELECTION
                self.unmatched |= is_unmatched
                self.flawed |= not entry.benign and not is_unmatched
                print_warning(entry.error.message)
            elif isinstance(entry, ListingRemarks):
                for line in entry.lines:
                    print_warning(line)
            elif isinstance(entry, Branch | MovedBranch):
                self._print_row(_branch_row(entry))
            elif self._shows_assets:
                self._print_assets(entry)
            else:
                self._print_row(_item_row(entry))

    def _print_assets(self, item: Item) -> None:
        for asset in stac.assets_of(item):
            if self._wants(asset, item.body):
                size, href = asset.size, urls.redacted(asset.href)
                self._print_row({"key": asset.key, "size": size, "type": asset.media_type, "href": href})


def _branch_row(branch: Branch | MovedBranch) -> Row:
    row: Row = {"id": branch.id, "title": branch.title}
    return {**row, "address": branch.address, "size": branch.size} if isinstance(branch, MovedBranch) else row


def _item_row(item: Item) -> Row:
    found = item.body.get("properties")
    properties = found if isinstance(found, dict) else {}
    instant = properties.get("datetime") or properties.get("start_datetime")
    keys = [asset.key for asset in stac.assets_of(item)]
    return {"collection": item.collection, "id": item.id, "datetime": instant, "assets": keys}
