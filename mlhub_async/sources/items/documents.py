"""Hides in what form items are handed over: FeatureCollection, NDJSON, standard input, Python objects."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from collections.abc import Collection as Some
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import aiofiles

from ... import stac
from ...core import urls
from ...core.concurrency import prefetch_one
from ...core.errors import SourceError, TransferError
from ...core.model import Asset, Document, Flaw, Item, Page, Request
from ...core.options import Selection
from ...core.ports import Emit, Reader
from ..access import unreadable
from ..api.collections import ENOUGH_TO_GUESS, unknown_id
from ..item_limit import Entries, ItemQuota
from ..refresh import HrefRefresher
from .ndjson import parsed

BLOCK = 1 << 18
REMEMBERED = 10_000
"""Items whose own links are kept: far more than are on their way at a time."""
Blocks = AsyncGenerator[bytes, None]
Records = AsyncGenerator[tuple[list[Any], str, int | None], None]
"""Batches of undecided records, the base of their relative hrefs, and the total where it is known."""


class RawReader(Reader, Protocol):
    """A Reader that also reads what is not one JSON document; with the URL that answered."""

    async def read_bytes(self, request: Request) -> tuple[bytes, str]: ...


class ItemsSource:
    """Items as they are handed over. `records` begins anew with each call, where that can be.

    An href that expired is renewed by the item's own link, if it has one; `reader` follows that.
    """

    def __init__(
        self,
        name: str,
        records: Callable[[], Records],
        selection: Selection,
        *,
        repeatable: bool = False,
        reader: Reader | None = None,
    ) -> None:
        self.name = name
        self._repeatable = repeatable
        self._records = records
        self._selection = selection
        self._admits = stac.admits(selection)
        self._own: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._renewal = HrefRefresher(reader, lambda *place: self._own.get(place, "")) if reader else None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """There is one listing: to read it again is to read all of it."""
        async with aclosing(self._records()) as records:
            await prefetch_one(self._entries(records), emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        return None if self._renewal is None else await self._renewal.refreshed(asset)

    async def _entries(self, batches: Records) -> AsyncIterator[Entries]:
        tally = ItemQuota(self._selection)
        unmet, met = set(self._selection.collections), set[str]()
        first = 1
        async for records, url, matched in batches:
            found = list(_items(records, url, first))
            first += len(records)
            chosen = [one for one in found if isinstance(one, Flaw) or self._admits(one)]
            if unmet:
                names = {one.collection for one in found if isinstance(one, Item)}
                unmet -= names
                met |= names if len(met) < ENOUGH_TO_GUESS else set()
            self._remember(chosen, url)
            page = Page(matched, returned=len(found), repeatable=self._repeatable)
            yield tally.cut([page, *chosen])
            if tally.used_up:
                return
        if missing := [*self._unmet(unmet, met), *tally.missing(self.name)]:
            yield missing

    def _remember(self, chosen: Iterable[Item | Flaw], url: str) -> None:
        """The items' own links, as long as their assets may be under way."""
        for one in chosen:
            if isinstance(one, Item) and one.href != url and one.href.startswith("http"):
                self._own[one.collection, one.id] = one.href
        while len(self._own) > REMEMBERED:
            self._own.popitem(last=False)

    def _unmet(self, names: set[str], met: set[str]) -> Entries:
        """Chosen collections of which no item came: an error if nothing was chosen but them."""
        what = f"{self.name} has no items of the collection"
        errors = [unknown_id(what, name, sorted(met)) for name in sorted(names) if met]
        if errors and len(errors) == len(set(self._selection.collections)):
            raise errors[0]
        return [Flaw(self.name, error) for error in errors]


def of_document(
    reader: Reader, document: Document, selection: Selection, allow_origins: Some[str] = frozenset()
) -> ItemsSource:
    """A Feature or FeatureCollection that was read. One with a `next` link is a search result: it goes on.

    A total in a file is of the search it was cut from; the file is all that was asked for.
    """

    goes_on = next(stac.links_of(document.body, "next"), None) is not None

    async def records() -> Records:
        body = document.body
        if goes_on:
            async for page in stac.pages(reader, Request(document.url), allow_origins=allow_origins):
                yield page.records, page.url, page.matched
        else:
            local = document.url.startswith("file:")
            name = urls.redacted(document.url)
            yield records_of(body, name), document.url, None if local else stac.matched_of(body)

    return ItemsSource(urls.redacted(document.url), records, selection, repeatable=goes_on, reader=reader)


def of_lines(reader: RawReader, url: str, selection: Selection) -> ItemsSource:
    """NDJSON. A local file is read as it is needed, whatever its size."""

    async def records() -> Records:
        blocks = _file(urls.to_path(url)) if url.startswith("file:") else _remote(reader, url)
        async with aclosing(blocks):
            async for batch in parsed(blocks, urls.redacted(url)):
                yield batch, url, None

    return ItemsSource(urls.redacted(url), records, selection, reader=reader)


def of_stdin(selection: Selection, reader: Reader | None = None) -> ItemsSource:
    """Standard input: NDJSON as it comes, or a FeatureCollection, or items one after another."""

    async def records() -> Records:
        base = urls.from_path(Path.cwd()) + "/"
        async with aclosing(_stdin()) as blocks:
            async for batch in parsed(blocks, "standard input"):
                yield batch, base, None

    return ItemsSource("-", records, selection, reader=reader)


def _items(records: list[Any], url: str, first: int) -> Iterable[Item | Flaw]:
    for number, record in enumerate(records, first):
        if isinstance(record, Flaw):
            yield record
        elif isinstance(record, dict) and record.get("type") == "FeatureCollection":
            yield from stac.items_of(records_of(record, urls.redacted(url)), url)
        else:
            yield from stac.items_of([record], url, first=number)


def records_of(body: Any, where: str) -> list[Any]:
    if not isinstance(body, dict) or body.get("type") != "FeatureCollection":
        return [body]
    features = body.get("features")
    if not isinstance(features, list):
        raise SourceError(f"{where}: the FeatureCollection has no list of features", kind="not-stac")
    return features


async def _file(path: Path | int) -> Blocks:
    try:
        async with aiofiles.open(path, "rb", closefd=isinstance(path, Path)) as file:
            while block := await file.read(BLOCK):
                yield block
    except OSError as error:
        shown = urls.term_safe(str(path), 300) if isinstance(path, Path) else "standard input"
        raise SourceError(f"{shown} cannot be read: {error.strerror}") from error


async def _remote(reader: RawReader, url: str) -> Blocks:
    try:
        body, _ = await reader.read_bytes(Request(url))
    except TransferError as error:
        raise unreadable(error, url) from error
    yield body


async def _stdin() -> Blocks:
    """A pipe is waited for by the loop: a thread in read() could not be called back.

    What keeps nobody waiting (a file, /dev/null) no loop can wait for: uvloop would abort the process.
    """
    descriptor = sys.stdin.fileno()
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(descriptor)):
        async for block in _file(descriptor):
            yield block
        return
    stream = asyncio.StreamReader(limit=BLOCK)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
    try:
        while block := await stream.read(BLOCK):
            yield block
    finally:
        pipe.close()
