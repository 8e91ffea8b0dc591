"""Items in Parquet files as a source: one file, local or on a server, or all files below a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....core import urls
from ....core.errors import CatalogDefect, CatalogError, SourceError, TransferError
from ....core.model import JsonObject, Page
from ....core.options import Selection
from ...access import unreadable
from ...items.documents import Batches, ItemsSource
from ...items.streams import RawReader
from .remote_file import RemoteFile
from .row_groups import RowChoice
from .rows import items_of_batch, libraries

SUFFIXES = (".parquet", ".geoparquet")
ROWS = 500
"""Rows that become items at a time."""


def parquet_files(folder: Path) -> list[Path]:
    """All Parquet files below a folder, hidden ones left out, sorted."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not path.name.startswith((".", "_")))


def of_parquet(reader: RawReader, url: str, selection: Selection) -> ItemsSource:
    """Hrefs are relative to the self link of an item, else to the file.

    Raises `UsageError` where pyarrow is not installed.
    """
    libraries()

    async def batches() -> Batches:
        for one in _files_at(url):
            rows = _RowReader(one, selection)
            await rows.open(reader)
            while (found := await rows.next_items()) is not None:
                yield found, one, Page()

    return ItemsSource(urls.redacted(url), batches, selection, reader=reader)


def _files_at(url: str) -> list[str]:
    if not url.startswith("file:"):
        return [url]
    path = urls.to_path(url)
    return [urls.from_path(one) for one in parquet_files(path)] if path.is_dir() else [url]


class _RowReader:
    """The items of one file, read in threads, one call at a time."""

    def __init__(self, url: str, selection: Selection) -> None:
        self._url = url
        self._where = urls.redacted(url)
        self._selection = selection
        self._remote: RemoteFile | None = None
        self._batches: Iterator[list[JsonObject]] = iter(())

    async def open(self, reader: RawReader) -> None:
        """Raises `SourceError` for what is no stac-geoparquet, `CatalogError` for what is not whole."""
        source: Any = None
        if not self._url.startswith("file:"):
            try:
                source = self._remote = await RemoteFile.opened(self._url, reader)
            except TransferError as error:
                raise unreadable(error, self._url) from error
        file = await self._in_thread(self._open_file, source)
        self._batches = self._items(file)

    async def next_items(self) -> list[JsonObject] | None:
        """Some items; None after the last ones."""
        found: list[JsonObject] | None = await self._in_thread(next, self._batches, None)
        return found

    async def _in_thread(self, call: Any, *given: Any) -> Any:
        pyarrow = libraries()[0]
        try:
            return await asyncio.to_thread(call, *given)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            failure = self._remote.failure if self._remote is not None else None
            if failure is not None:
                raise CatalogError(f"{self._where} cannot be read: {failure.message}") from error
            why = urls.term_safe(str(error), 200)
            raise CatalogDefect(f"{self._where} is no whole Parquet file: {why}", kind="damaged") from None

    def _open_file(self, source: Any) -> Any:
        file = libraries()[1].ParquetFile(urls.to_path(self._url) if source is None else source)
        if not {"id", "assets"} <= set(file.schema_arrow.names):
            columns = ", ".join(map(urls.term_safe, file.schema_arrow.names[:6]))
            raise SourceError(
                f"{self._where} is Parquet, but no stac-geoparquet: it has no columns id and assets, "
                f"but {columns}",
                kind="not-stac",
            )
        return file

    def _items(self, file: Any) -> Iterator[list[JsonObject]]:
        choice = RowChoice(self._selection, file.schema_arrow)
        for number in range(file.num_row_groups):
            if not choice.may_have(file.metadata.row_group(number)):
                continue
            mask = None
            if choice.columns:
                mask = choice.rows(file.read_row_group(number, columns=choice.columns)).combine_chunks()
                if not mask.true_count:
                    continue
            at = 0
            for batch in file.iter_batches(ROWS, row_groups=[number]):
                chosen = batch
                if mask is not None:
                    chosen = batch.filter(mask.slice(at, batch.num_rows))
                at += batch.num_rows
                if chosen.num_rows:
                    yield items_of_batch(chosen)
