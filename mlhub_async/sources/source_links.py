"""Follows the `source` links of label items: the imagery that was labelled is listed with the labels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Collection as Some
from dataclasses import dataclass

from .. import stac
from ..core import urls
from ..core.concurrency import fan_out
from ..core.errors import CatalogError, Fatal, MlhubError, SourceError, TransferError, Transient
from ..core.model import Asset, Collection, Entry, Flaw, Item, Request
from ..core.ports import Emit, Reader, Source
from .access import check_inside
from .item_limit import Entries

CONCURRENT_READS = 16
FirstTime = Callable[[list[str]], Awaitable[list[str]]]
"""Gives those of the URLs that it was not asked about before in this run."""


@dataclass(frozen=True, slots=True)
class _SourceLink:
    url: str
    label: Item


Links = list[_SourceLink]


class FollowSources:
    """Any source, and the items that its label items name as their source, each once.

    Conditions on items (bbox, interval, class) do not apply to what is found that way: it is chosen by its
    label. Filters of assets do. `--max-items` counts labels only. `source` links of these items are not
    followed further. `root` is the URL of the document that the listing began with: links to files are
    followed only within its folder.
    """

    def __init__(
        self,
        inner: Source,
        reader: Reader,
        allow_origins: Some[str] = frozenset(),
        first_time: FirstTime | None = None,
        root: str = "",
    ) -> None:
        self.name = inner.name
        self._inner = inner
        self._reader = reader
        self._allow = allow_origins
        self._root = root
        self._first_time = first_time or _remember_in_memory()
        self._emitted_collections: set[str] = set()

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """If the inner listing breaks off, the links of what it gave are followed before that is raised.

        Links that were followed before are not followed again.
        """
        broken: list[MlhubError] = []

        async def produce(put: Callable[[_SourceLink], Awaitable[None]]) -> None:
            async def emit_and_follow(entries: Sequence[Entry]) -> None:
                self._emitted_collections.update(one.id for one in entries if isinstance(one, Collection))
                await emit(entries)
                for link in await self._new_links(entries, emit):
                    await put(link)

            try:
                await self._inner.list(emit_and_follow, only)
            except (CatalogError, SourceError) as error:
                broken.append(error)

        async def work(link: _SourceLink) -> None:
            await emit(await self._read(link))

        await fan_out(produce, work, CONCURRENT_READS)
        for error in broken:
            raise error

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    async def _new_links(self, entries: Sequence[Entry], emit: Emit) -> Links:
        """The links that no entry had before. Links that cannot be followed are emitted as flaws."""
        found: dict[str, _SourceLink] = {}
        flaws: Entries = []
        for item in entries:
            if not isinstance(item, Item):
                continue
            for href in stac.source_links(item):
                try:
                    url = self._target(href, item.href)
                    found.setdefault(urls.canonical(url), _SourceLink(url, item))
                except MlhubError as error:
                    flaws.append(_dangling(href, item, error.message))
        if flaws:
            await emit(flaws)
        return [found[url] for url in await self._first_time(list(found))] if found else []

    def _target(self, href: str, base: str) -> str:
        url = stac.resolve_trusted(href, base, self._allow)
        if url.startswith("file:"):
            check_inside(url, self._root)
        return url

    async def _read(self, link: _SourceLink) -> Entries:
        """The item that a link leads to, after its collection if that is new; else a flaw."""
        try:
            document = await self._reader.read(Request(link.url))
        except Transient as error:
            return [Flaw(urls.redacted(link.url), error, owner=_owner(link.label))]
        except TransferError as error:
            if error.unauthorized:  # 403 proves nothing: S3 answers so for an object that is not there
                refused = stac.access_error(link.url, error)
                return [Flaw(urls.redacted(link.url), refused, owner=_owner(link.label))]
            return [_dangling(link.url, link.label, error.message)]
        if not isinstance(document.body, dict) or document.body.get("type") != "Feature":
            return [_dangling(link.url, link.label, "it is not a STAC item")]
        found = stac.item_of(document.body, document.url)
        if isinstance(found, Flaw):
            return [_dangling(link.url, link.label, found.error.message)]
        return [*await self._new_collection(found), found]

    async def _new_collection(self, item: Item) -> Entries:
        """The collection of an item, unless it was emitted before or cannot be read."""
        if item.collection in self._emitted_collections:
            return []
        self._emitted_collections.add(item.collection)
        for link in stac.links_of(item.body, "collection"):
            try:
                url = self._target(link["href"], item.href)
                document = await self._reader.read(Request(url))
            except Fatal:
                raise
            except MlhubError:
                return []
            found = stac.collection_of(document.body, document.url)
            return [found] if isinstance(found, Collection) else []
        return []


def _dangling(href: str, label: Item, why: str) -> Flaw:
    where = urls.redacted(href)
    message = f"source of {urls.term_safe(label.id)}: {where}: {why.removeprefix(f'{where}: ')}"
    error = TransferError(message, kind="dangling-source")
    return Flaw(where, error, benign=True, owner=_owner(label))


def _owner(item: Item) -> tuple[str, str]:
    return item.collection, item.id


def _remember_in_memory() -> FirstTime:
    seen: set[str] = set()

    async def first_time(asked: list[str]) -> list[str]:
        new = [url for url in dict.fromkeys(asked) if url not in seen]
        seen.update(new)
        return new

    return first_time
