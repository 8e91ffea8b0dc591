"""Hides that label items only point at their imagery: the source items behind their links are listed too."""

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

READERS = 16
FirstTime = Callable[[list[str]], Awaitable[list[str]]]
"""Those of the URLs that were not asked about before in this run."""


@dataclass(frozen=True, slots=True)
class _Link:
    url: str
    label: Item


Links = list[_Link]


class FollowSources:
    """Any source, and the items that its label items name as their source, each once.

    What is found that way is not asked whether it is in the bbox, in the interval or of the class that
    was searched for: it was chosen by its label. Asset filters hold for it. `--max-items` counts labels.
    Links of source items are not followed further. `root` is the document that the listing began with:
    links to files are followed only within its folder.
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
        self._first_time = first_time or _remembering()
        self._told: set[str] = set()

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None:
        """A listing that breaks off still has the links followed that it gave until then.

        Links that were followed before are not followed again.
        """
        broken: list[MlhubError] = []

        async def produce(put: Callable[[_Link], Awaitable[None]]) -> None:
            async def both(entries: Sequence[Entry]) -> None:
                self._told.update(one.id for one in entries if isinstance(one, Collection))
                await emit(entries)
                for link in await self._new_links(entries, emit):
                    await put(link)

            try:
                await self._inner.list(both, only)
            except (CatalogError, SourceError) as error:
                broken.append(error)

        async def work(link: _Link) -> None:
            await emit(await self._behind(link))

        await fan_out(produce, work, READERS)
        for error in broken:
            raise error

    async def refresh(self, asset: Asset) -> Asset | None:
        return await self._inner.refresh(asset)

    async def _new_links(self, entries: Sequence[Entry], emit: Emit) -> Links:
        found: dict[str, _Link] = {}
        flaws: Entries = []
        for item in entries:
            if not isinstance(item, Item):
                continue
            for href in stac.source_links(item):
                try:
                    url = self._target(href, item.href)
                    found.setdefault(urls.canonical(url), _Link(url, item))
                except MlhubError as error:
                    flaws.append(_dangling(href, item, error.message))
        if flaws:
            await emit(flaws)
        return [found[url] for url in await self._first_time(list(found))] if found else []

    def _target(self, href: str, base: str) -> str:
        url = stac.followed(href, base, self._allow)
        if url.startswith("file:"):
            check_inside(url, self._root)
        return url

    async def _behind(self, link: _Link) -> Entries:
        try:
            document = await self._reader.read(Request(link.url))
        except Transient as error:
            return [Flaw(urls.redacted(link.url), error, owner=_name(link.label))]
        except TransferError as error:
            if error.status == 401:  # it leads somewhere, but not without a key (403 is also S3's "nowhere")
                return [Flaw(urls.redacted(link.url), stac.refused(link.url, error), owner=_name(link.label))]
            return [_dangling(link.url, link.label, error.message)]
        if not isinstance(document.body, dict) or document.body.get("type") != "Feature":
            return [_dangling(link.url, link.label, "it is not a STAC item")]
        found = stac.item_of(document.body, document.url)
        if isinstance(found, Flaw):
            return [_dangling(link.url, link.label, found.error.message)]
        return [*await self._collection(found), found]

    async def _collection(self, item: Item) -> Entries:
        if item.collection in self._told:
            return []
        self._told.add(item.collection)
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
    return Flaw(where, error, benign=True, owner=_name(label))


def _name(item: Item) -> tuple[str, str]:
    return item.collection, item.id


def _remembering() -> FirstTime:
    seen: set[str] = set()

    async def first_time(asked: list[str]) -> list[str]:
        new = [url for url in dict.fromkeys(asked) if url not in seen]
        seen.update(new)
        return new

    return first_time
