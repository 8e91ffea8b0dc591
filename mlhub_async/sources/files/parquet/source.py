"""Items in Parquet files as a source: one file, local or on a server, or all files below a folder."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, BinaryIO
from urllib.parse import unquote

from ....core import urls
from ....core.errors import CatalogDefect, SourceError, TransferError
from ....core.formats.archives.other_content import other_content
from ....core.model import JsonObject, Page
from ....core.options import Selection
from ...access import broken_listing, unreadable
from ...items.documents import Batches, ItemsSource
from ...items.streams import RawReader
from ..archives.ranges import DAMAGED_ARCHIVE
from .detection import NEEDED, stac_files
from .item_reader import ItemReader
from .remote_file import LEAST_BYTES, RemoteFile
from .rows import libraries

_partition_of = re.compile(r"/collection=([^/]+)/").search
MAGIC = b"PAR1"
"""The first bytes of a Parquet file."""


def of_parquet(reader: RawReader, url: str, selection: Selection) -> ItemsSource:
    """Hrefs are relative to the self link of an item, else to the file.

    Raises `UsageError` where pyarrow is not installed.
    """
    libraries()

    async def batches() -> Batches:
        for one in _files_at(url):
            with closing(_RowReader(one, selection)) as rows:
                await rows.open(reader)
                partition = _partition(one)
                while (found := await rows.next_items()) is not None:
                    for item in found if partition else ():
                        item.setdefault("collection", partition)
                    yield found, one, Page()

    return ItemsSource(urls.redacted(url), batches, selection, reader=reader)


def _files_at(url: str) -> list[str]:
    if not url.startswith("file:"):
        return [url]
    path = urls.to_path(url)
    return [urls.from_path(one) for one in stac_files(path)] if path.is_dir() else [url]


def _partition(url: str) -> str:
    """The collection of a folder of partitions, whose files may have no such column (Hive, DuckDB)."""
    found = _partition_of(unquote(url.partition("?")[0]))
    return unquote(found[1]) if found else ""


class _RowReader:
    """The items of one file, read in a thread of its own: pyarrow keeps memory for each thread that it was
    called in."""

    def __init__(self, url: str, selection: Selection) -> None:
        self._url = url
        self._where = urls.redacted(url)
        self._selection = selection
        self._remote: RemoteFile | None = None
        self._local: BinaryIO | None = None
        self._thread = ThreadPoolExecutor(1)
        self._batches: Iterator[list[JsonObject]] = iter(())

    async def open(self, reader: RawReader) -> None:
        """Raises `SourceError` for what is no stac-geoparquet, `CatalogError` for what is not whole."""
        source: Any = None
        if not self._url.startswith("file:"):
            try:
                source = self._remote = await RemoteFile.opened(self._url, reader)
            except TransferError as error:
                if error.kind == DAMAGED_ARCHIVE:
                    raise CatalogDefect(error.message, kind="damaged") from error
                raise unreadable(error, self._url) from error
        file = await self._in_thread(self._open_file, source)
        self._batches = file.items()

    def close(self) -> None:
        """Not to be used any more; a call that is under way comes to its end."""
        if self._local is not None:
            self._thread.submit(self._local.close)
        self._thread.shutdown(wait=False)

    async def next_items(self) -> list[JsonObject] | None:
        """Some items; None after the last ones."""
        found: list[JsonObject] | None = await self._in_thread(next, self._batches, None)
        return found

    async def _in_thread(self, call: Any, *given: Any) -> Any:
        pyarrow = libraries()[0]
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, call, *given)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            failure = self._remote.failure if self._remote is not None else None
            if failure is not None:
                raise broken_listing(failure, f"{self._where} cannot be read") from error
            first = self._first_bytes()
            if not first.startswith(MAGIC) and (found := other_content(first)):
                raise CatalogDefect(f"{self._where} is no Parquet file: {found}", kind="damaged") from None
            why = urls.term_safe(str(error), 200)
            raise CatalogDefect(f"{self._where} is no whole Parquet file: {why}", kind="damaged") from None

    def _first_bytes(self) -> bytes:
        if self._remote is not None:
            return self._remote.first
        with contextlib.suppress(OSError), open(urls.to_path(self._url), "rb") as file:
            return file.read(LEAST_BYTES)
        return MAGIC

    def _open_file(self, source: Any) -> ItemReader:
        if source is None:  # see `write_geoparquet` for why pyarrow is given no path
            source = self._local = urls.to_path(self._url).open("rb")
        rows = ItemReader(source, self._selection)
        if not set(rows.names) >= NEEDED:
            columns = ", ".join(map(urls.term_safe, rows.names[:6])) or "none at all"
            raise SourceError(
                f"{self._where} is Parquet, but no stac-geoparquet: it has no columns id and assets, "
                f"but {columns}",
                kind="not-stac",
            )
        return rows
