"""Follows the `source` links of label items: the imagery that was labelled is listed with the labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Some
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import stac
from ...core import urls
from ...core.concurrency import fan_out
from ...core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient
from ...core.model import Asset, Collection, Document, Entry, Flaw, Item, Request
from ...core.options import Selection
from ...stac import DocumentKind
from ..access import DAMAGED
from ..items.item_limit import Entries
from .choice import SourceChoice
from .collections import LinkedCollections
from .failures import FirstTime, LinkFailure, LinkFailures, Owner, remember_in_memory
from .local_files import check_source, local_files_of

if TYPE_CHECKING:
    from ...core.ports import Emit, Reader, Source
    from .source_labels import SourceLabels

CONCURRENT_READS = 16
DATA = "data"
"""The kind of the error for a file that is no text, so no message of a server either."""


class _SourceLink(NamedTuple):
    """The URL of a source link, and what identifies it."""

    url: str
    key: str


Links = list[_SourceLink]


class FollowSources:
    """Any source, and the items that its label items name as their source, each once.

    Conditions on items (bbox, interval, class) do not apply to what is found that way: it is chosen by its
    label, and by `--source-query` and `--source-datetime`. Filters of assets apply, unless there are others
    for it. `--max-items` counts labels only. `source` links of these items are not followed further. `root`
    is the URL of the document that the listing began with: links to files are followed only within its
    folder, and into STAC collections beside it. With `labels` items are told whose source imagery they are.

    A link to a catalogue, to a file that is no JSON or to nothing leaves the listing complete, and so does
    one that may not be followed: its item is told by a benign flaw. JSON that is no STAC, is broken, or
    cannot be read now makes it incomplete.
    """

    def __init__(
        self,
        inner: Source,
        reader: Reader,
        allow_origins: Some[str] = frozenset(),
        first_time: FirstTime | None = None,
        root: str = "",
        selection: Selection | None = None,
        labels: SourceLabels | None = None,
    ) -> None:
        self.name = inner.name
        self._labels = labels
        self._choice = SourceChoice(selection or Selection())
        self._inner = inner
        self._reader = reader
        self._allow = allow_origins
        self._files = local_files_of(root)
        self._failures = LinkFailures(first_time or remember_in_memory(), may_wait=not self._choice.defers)
        self._collections = LinkedCollections(reader, self._target, self._failures)

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """If the inner listing breaks off, the links of what it gave are followed before that is raised.

        Links that were followed before are not followed again.
        """
        if self._labels is not None:
            emit = self._labels.labelling(emit)
        broken: list[MlhubError] = []
        at_once = not self._choice.defers

        async def produce(put: Callable[[_SourceLink], Awaitable[None]]) -> None:
            deferred: Links = []

            async def emit_and_follow(entries: Sequence[Entry]) -> None:
                self._note(entries)
                await emit(entries)
                links = await self._new_links(entries, emit)
                deferred.extend(() if at_once else links)
                for link in links if at_once else ():
                    await put(link)

            try:
                await self._inner.list(emit_and_follow, only)
            except (CatalogError, SourceError) as error:
                broken.append(error)
            for link in deferred:
                await put(link)

        async def work(link: _SourceLink) -> None:
            failure = await self._read(link, emit)
            if flaws := await self._failures.done(link.key, failure):
                await emit(flaws)

        await fan_out(produce, work, CONCURRENT_READS)
        if said := self._choice.remarks():
            await emit([said])
        for error in broken:
            raise error

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    def _note(self, entries: Sequence[Entry]) -> None:
        for one in entries:
            if isinstance(one, Collection):
                self._collections.emitted.add(one.id)
            else:
                self._choice.note(one)

    async def _new_links(self, entries: Sequence[Entry], emit: Emit) -> Links:
        """The links that no entry had before. Items whose links lead to nothing are told by flaws."""
        links: dict[str, _SourceLink] = {}
        owners: dict[str, list[Owner]] = {}
        flaws: Entries = []
        items = (one for one in entries if isinstance(one, Item))
        for item, href in ((one, href) for one in items for href in stac.source_links(one)):
            owner = (item.collection, item.id)
            try:
                url = self._target(href, item.href)
            except MlhubError as error:
                failure = LinkFailure(error, benign=error.kind != "source-outside-root")
                flaws += await self._failures.flaws(href, failure, [owner])
                continue
            key = urls.canonical(url)
            links.setdefault(key, _SourceLink(url, key))
            owners.setdefault(key, []).append(owner)
        new = await self._failures.new_urls(owners)
        flaws += await self._failures.known(owners)
        if flaws:
            await emit(flaws)
        return [links[key] for key in new]

    def _target(self, href: str, base: str) -> str:
        url = stac.resolve_trusted(href, base, self._allow)
        if url.startswith("file:"):
            check_source(url, self._files)
        return url

    async def _read(self, link: _SourceLink, emit: Emit) -> LinkFailure | None:
        """Emit the items that a link leads to, each after its collection if that is new."""
        try:
            document = await self._reader.read_unless_data(Request(link.url))
        except Transient as error:
            return LinkFailure(error)
        except TransferError as error:
            if error.unauthorized:  # 403 proves nothing: S3 answers so for an object that is not there
                return LinkFailure(stac.access_error(link.url, error))
            doubtful = not error.absent and error.kind != DATA
            return LinkFailure(error, benign=error.kind not in DAMAGED, doubtful=doubtful)
        kind = stac.kind_of(document.body)
        if kind is DocumentKind.FEATURES and _has_items(document.body):
            return await self._read_pages(document, emit)
        if kind is not DocumentKind.ITEM:
            return _no_item(document.body, kind, document.url)
        found = stac.item_of(document.body, document.url)
        if isinstance(found, Flaw):
            return LinkFailure(found.error)
        await self._emit(found._replace(addresses=(*found.addresses, link.url)), emit)
        return None

    async def _emit(self, item: Item, emit: Emit) -> None:
        """Emit an item after its collection if that is new, unless it is not wanted."""
        if (wanted := self._choice.wanted(item)) is not None:
            await emit([*map(_as_followed, await self._collections.new(wanted)), wanted])

    async def _read_pages(self, document: Document, emit: Emit) -> LinkFailure | None:
        """Emit the items of a list of items, which may be the first page of a search."""
        if isinstance(document.body, list):
            document = Document({"features": document.body}, document.url)
        request = Request(document.url)
        try:
            async for page in stac.pages(self._reader, request, allow_origins=self._allow, first=document):
                await self._emit_items(page.records, page.url, emit)
        except (CatalogError, SourceError) as error:
            return LinkFailure(error)
        return None

    async def _emit_items(self, records: Sequence[Any], url: str, emit: Emit) -> None:
        for found in stac.items_of([*records], url):
            if isinstance(found, Item):
                await self._emit(found, emit)
            else:
                await emit([found])


def _as_followed(entry: Entry) -> Entry:
    return entry._replace(followed=True) if isinstance(entry, Collection) else entry


def _no_item(body: Any, kind: DocumentKind, url: str) -> LinkFailure:
    """Why a JSON document is no item. Other documents of a catalogue and GeoJSON of any content may be the
    source of a label; JSON that is neither is no answer."""
    where = urls.redacted(url)
    is_empty = kind is DocumentKind.COLLECTIONS and not stac.has_records(body)
    if is_empty or (kind in (DocumentKind.NONE, DocumentKind.FEATURES) and not _is_geojson(body)):
        what = stac.looks_like(body)
        return LinkFailure(TransferError(f"{where} is no STAC item, but {what}", kind="not-stac"))
    what = stac.looks_like(body) if kind in (DocumentKind.NONE, DocumentKind.FEATURES) else f"a {kind.value}"
    return LinkFailure(TransferError(f"{where}: it is no STAC item, but {what}"), benign=True, doubtful=True)


def _is_geojson(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("features"), list) and not body.get("error")


def _has_items(body: Any) -> bool:
    features = body if isinstance(body, list) else body.get("features")
    listed = features if isinstance(features, list) else []
    return any(isinstance(one, dict) and stac.is_item(one) for one in listed)
