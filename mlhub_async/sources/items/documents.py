"""Items in one document as a source: a FeatureCollection, a Feature, NDJSON, or standard input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from collections.abc import Collection as Some
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import stac
from ...core import urls
from ...core.concurrency import prefetch_one
from ...core.errors import CatalogDefect, SourceError
from ...core.model import Asset, Collection, Document, Flaw, Item, Page, Request
from ...core.options import Selection
from ..access import ENOUGH_IDS, unknown_id
from .item_limit import Entries, ItemQuota

if TYPE_CHECKING:
    from ...core.ports import Emit, Reader
    from ..refresh import HrefRefresher
    from .streams import RawReader

MAX_SELF_LINKS = 10_000
"""Items whose self links are kept: far more than are in progress at a time."""
Batch = tuple[list[Any], str, Page]
"""Records that may or may not be items, the base of their relative hrefs, and what is known of their page."""
Batches = AsyncGenerator[Batch, None]
Owned = Item | Collection | Flaw


class ItemsSource:
    """Items that are given one after another. `batches` begins anew with each call, where that can be.

    An href that expired is looked up in the item at its self link, if it has one; `reader` reads that.
    """

    def __init__(
        self,
        name: str,
        batches: Callable[[], Batches],
        selection: Selection,
        *,
        reader: Reader | None = None,
        addresses: tuple[str, ...] = (),
        are_lines: bool = False,
    ) -> None:
        """`addresses`: those of the item, where there is only one. `are_lines`: collections may come too."""
        self.name = name
        self._are_lines = are_lines
        self._addresses = addresses
        self._batches = batches
        self._selection = selection
        self._admits = stac.item_filter(selection)
        self._self_links: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._reader = reader
        self._refresher: HrefRefresher | None = None

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """There is one listing: to read it again is to read all of it."""
        async with aclosing(self._batches()) as batches:
            await prefetch_one(self._entries(batches), emit)

    async def refresh(self, asset: Asset) -> Asset | None:
        if self._reader is None:
            return None
        if self._refresher is None:
            from ..refresh import HrefRefresher

            self._refresher = HrefRefresher(self._reader, lambda *owner: self._self_links.get(owner, ""))
        return await self._refresher.refreshed(asset)

    async def _entries(self, batches: Batches) -> AsyncIterator[Entries]:
        quota = ItemQuota(self._selection)
        choice, found_ids = stac.CollectionChoice(self._selection.collections), set[str]()
        missing = set(choice.names)
        number = 1
        async for records, url, begun in batches:
            found = list(_items(records, url, number, are_lines=self._are_lines))
            number += sum(not isinstance(one, Collection) for one in records)
            chosen = [self._placed(one) for one in found if self._wants(one, choice)]
            if missing:
                ids = {one.collection for one in found if isinstance(one, Item)}
                ids |= {one.id for one in found if isinstance(one, Collection)}
                missing.intersection_update(choice.unmatched(ids))
                found_ids |= ids if len(found_ids) < ENOUGH_IDS else set()
            self._remember_self_links(chosen, url)
            returned = sum(not isinstance(one, Collection) for one in found)
            yield quota.admit([begun._replace(returned=returned), *chosen])
            if quota.used_up:
                return
        if flaws := [*self._missing_collections(missing, found_ids), *quota.missing(self.name)]:
            yield flaws

    def _wants(self, one: Owned, choice: stac.CollectionChoice) -> bool:
        if isinstance(one, Collection):
            return choice.admits(one.id)
        return isinstance(one, Flaw) or self._admits(one)

    def _placed(self, one: Owned) -> Owned:
        return one._replace(addresses=self._addresses) if self._addresses and isinstance(one, Item) else one

    def _remember_self_links(self, chosen: Iterable[Owned], url: str) -> None:
        """Of the latest items only, whose assets may still be in progress; also of an item that is SOURCE."""
        for one in chosen:
            is_known = self._addresses or (isinstance(one, Item) and one.href != url)
            if isinstance(one, Item) and is_known and one.href.startswith("http"):
                self._self_links[one.collection, one.id] = one.href
        while len(self._self_links) > MAX_SELF_LINKS:
            self._self_links.popitem(last=False)

    def _missing_collections(self, names: set[str], found_ids: set[str]) -> Entries:
        """A flaw for each wanted collection that did not come, nor any item of it.

        Raises `SourceError` if none came of any that was wanted.
        """
        what = f"{self.name} has no items of the collection"
        errors = [unknown_id(what, name, sorted(found_ids)) for name in sorted(names) if found_ids]
        if errors and len(errors) == len(set(self._selection.collections)):
            raise errors[0]
        return [Flaw(self.name, error) for error in errors]


def of_document(
    reader: Reader, document: Document, selection: Selection, allow_origins: Some[str] = frozenset()
) -> ItemsSource:
    """A Feature or FeatureCollection that was read. With a `next` link it is a search, which is followed.

    A total in a local file is of the search that it was saved from, and not looked at: the file is all
    that was asked for.
    """
    url, name = document.url, urls.redacted(document.url)
    is_search = next(stac.links_of(document.body, "next"), None) is not None
    is_collection = is_search or document.body.get("type") == "FeatureCollection"
    begun = [document]

    async def batches() -> Batches:
        """The document as it was read is the first page of the first pass."""
        if not is_collection or (url.startswith("file:") and not is_search):
            if collections := _collections_in(document.body, url):
                yield collections, url, Page()
            yield records_of(document.body, name), url, Page()
            return
        first = begun.pop() if begun else None
        if first is not None and (collections := _collections_in(first.body, url)):
            yield collections, url, Page()
        if first is not None and not is_search:
            records_of(first.body, name)
        try:
            async for page in stac.pages(reader, Request(url), allow_origins=allow_origins, first=first):
                repeatable, last = is_search or page.is_short, page.is_last
                about = Page(page.matched, repeatable=repeatable, is_last=last, is_cut=page.is_cut)
                yield page.records, page.url, about
        except CatalogDefect as error:
            yield [Flaw(name, error, listing="")], url, Page()

    addresses = () if is_collection else (url,)
    return ItemsSource(name, batches, selection, reader=reader, addresses=addresses)


def of_lines(reader: RawReader, url: str, selection: Selection) -> ItemsSource:
    """NDJSON at a URL. A local file is read as its items are taken, whatever its size."""
    from .ndjson import records_in
    from .streams import read_file, read_remote

    async def batches() -> Batches:
        blocks = read_file(urls.to_path(url)) if url.startswith("file:") else read_remote(reader, url)
        async with aclosing(blocks):
            async for batch in records_in(blocks, urls.redacted(url)):
                yield batch, url, Page()

    return ItemsSource(urls.redacted(url), batches, selection, reader=reader, are_lines=True)


def of_stdin(selection: Selection, reader: Reader | None = None) -> ItemsSource:
    """Standard input: NDJSON as it comes, or a FeatureCollection, or items one after another."""
    from .ndjson import records_in
    from .streams import read_stdin

    async def batches() -> Batches:
        base, empty = urls.from_path(Path.cwd()) + "/", True
        async with aclosing(read_stdin()) as blocks:
            async for batch in records_in(blocks, "standard input"):
                yield batch, base, Page()
                empty = False
        if empty:  # whatever should have written to it has failed: a listing without items has a text, too
            raise SourceError("standard input is empty: there are no items to read", kind="empty")

    return ItemsSource("-", batches, selection, reader=reader, are_lines=True)


def _collections_in(body: Any, url: str) -> list[Collection | Flaw]:
    """The collections of a FeatureCollection that `plan --save` has written."""
    found = body.get("collections") if isinstance(body, dict) and "features" in body else None
    return [_collection(one, url) for one in found if _is_collection(one)] if isinstance(found, list) else []


def _is_collection(record: Any) -> bool:
    return isinstance(record, dict) and record.get("type") == "Collection"


def _collection(record: dict[str, Any], url: str) -> Collection | Flaw:
    own = next(stac.links_of(record, "self"), {"href": url})
    return stac.collection_of(record, stac.resolve(own["href"], url))


def _items(records: list[Any], url: str, first: int, *, are_lines: bool) -> Iterable[Owned]:
    """The items of records. Lines may also be collections, as `plan --save` writes them."""
    for number, record in enumerate(records, first):
        if isinstance(record, Flaw | Collection):
            yield record
        elif are_lines and _is_collection(record):
            yield _collection(record, url)
        elif isinstance(record, dict) and record.get("type") == "FeatureCollection":
            yield from _collections_in(record, url)
            yield from stac.items_of(records_of(record, urls.redacted(url)), url)
        else:
            yield from stac.items_of([record], url, first=number)


def records_of(body: Any, where: str) -> list[Any]:
    """The features of a FeatureCollection; anything else is a record itself. Raises `SourceError`."""
    if not isinstance(body, dict) or body.get("type") != "FeatureCollection":
        return [body]
    features = body.get("features")
    if features is None and "features" in body and stac.has_no_records(body):
        return []
    if not isinstance(features, list):
        raise SourceError(f"{where}: the FeatureCollection has no list of features", kind="not-stac")
    return features
