"""What `ls` does: one level of a catalogue, a line for each thing, as text or as JSON."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from ... import stac
from ...core import urls
from ...core.errors import TransferError
from ...core.model import Collection, Entry, Flaw, Item
from ...core.options import Options, Selection
from ...core.ports import Reader
from ...engine.connect import Deadline, mlhub_root, network, opened
from ...sources.access import unreadable
from ...sources.api.source import ApiSource
from ...sources.mlhub import Datasets
from ...sources.static import StaticSource
from ..console import Console
from ..output import encoded, show, somewhere_to_write, warning

Row = dict[str, Any]
Tell = Callable[[Row], None]
_ABOUT_ITEMS = ("bbox", "intersects", "datetime", "query", "filter", "classes", "max_items")


class _Enough(Exception):
    """The level that was asked for is told."""


def run_ls(source: str, options: Options, screen: Console) -> int:
    options = replace(options, selection=replace(options.selection, follow_sources=False))
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
    chosen = options.selection
    if not chosen.collections and (source == "mlhub" or (chosen.dataset and "://" in source)):
        async with network(source, options, os.environ) as http:
            root = mlhub_root(os.environ) if source == "mlhub" else source
            async for row in _mlhub(http, root, chosen):
                tell(row)
        return 0
    async with opened(source, options, os.environ, Deadline(options.max_duration)) as (found, _):
        level = _Level(chosen, tell, branches=isinstance(found, StaticSource) and not _asks_for_items(chosen))
        if isinstance(found, ApiSource) and not _asks_for_items(chosen):
            async for one in found.collections.all():
                await level.emit([one])
        else:
            with contextlib.suppress(_Enough):
                await found.list(level.emit)
        return 4 if level.flawed else 0


def _asks_for_items(selection: Selection) -> bool:
    asked = (getattr(selection, name) for name in _ABOUT_ITEMS)
    return bool(selection.collections or selection.ids or any(one is not None and one != () for one in asked))


async def _mlhub(reader: Reader, root: str, selection: Selection) -> AsyncIterator[Row]:
    """The datasets, or the collections of one; all collections of an API that knows no datasets."""
    root = root.partition("?")[0].rstrip("/") + "/"
    datasets = Datasets(reader, root)
    try:
        named = selection.dataset
        for one in await (datasets.collections_of(named) if named else datasets.all()):
            types = one.get("types")
            kinds = ",".join(map(str, types)) if isinstance(types, list) else ""
            yield {"id": one.get("id"), "title": one.get("title") or kinds}
    except TransferError as error:
        if error.status not in (404, 410):
            raise unreadable(error, f"{root}datasets") from error
        async for found in ApiSource(reader, root, {}, selection).collections.all():
            if isinstance(found, Collection):
                yield {"id": found.id, "title": found.body.get("title")}


class _Level:
    """Tells what there is on one level: collections, items, or the assets of items that were named.

    `branches`: of a static catalogue its collections, unless there is but one; then that one's items.
    """

    def __init__(self, selection: Selection, tell: Tell, *, branches: bool) -> None:
        self.flawed = False
        self._wants = stac.wants(selection)
        self._items = _asks_for_items(selection)
        self._assets = bool(selection.ids)
        self._tell = tell
        self._branches = branches
        self._met: list[Collection] = []

    async def emit(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Flaw):
                self.flawed = self.flawed or not entry.benign
                warning(entry.error.message)
            elif isinstance(entry, Collection) and not self._items:
                self._collection(entry)
            elif isinstance(entry, Item):
                self._item(entry)

    def _collection(self, collection: Collection) -> None:
        self._met.append(collection)
        first = len(self._met) == 1
        if self._branches and first:
            return
        for one in self._met[:2] if self._branches and len(self._met) == 2 else [collection]:
            self._tell({"id": one.id, "title": one.body.get("title")})

    def _item(self, item: Item) -> None:
        if self._branches and len(self._met) > 1:
            raise _Enough
        if not self._assets:
            self._tell(_row(item))
            return
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
