"""The links of a catalogue that a crawl follows: which of several formats, and each target once."""

from __future__ import annotations

from collections.abc import Collection as Some
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ... import stac
from ...core import urls
from ...core.errors import CatalogError, MlhubError, TransferError
from ...core.model import Flaw, JsonObject
from ..linked.local_files import check_inside

MAX_REMEMBERED = 100_000
"""Item links that are read once though several catalogues have them; beyond, each link is a request."""


@dataclass(frozen=True, slots=True)
class FollowedLink:
    """A link to follow: its target, its relation, and the collection in which it was found ("" for none)."""

    url: str
    rel: str
    collection: str
    listing: str = ""
    """the name of the listing that it begins; "" for that of its URL"""
    optional: bool = False
    """it declares another format, and the same relation leads to JSON too: it need not be any"""


LinkGroup = tuple[FollowedLink, ...]
"""One link; or the `items` links of one collection, which are the same list in several forms."""


class LinkChoice:
    """Chooses the links of documents to follow. `root` is the URL of the document that a crawl began with."""

    def __init__(self, root: str, allow_origins: Some[str]) -> None:
        self._root = root
        self._allow = allow_origins
        self._visited = {urls.canonical(root)}
        self._item_links: set[int] = set()

    def of(
        self, body: JsonObject, url: str, collection: str, rels: Sequence[str]
    ) -> Iterator[LinkGroup | Flaw]:
        """The links with these relations that were not met before; a flaw for each that is refused, and for
        those that lead nowhere."""
        if lost := _without_target(body, rels):
            where = urls.redacted(url)
            yield Flaw(where, TransferError(f"{where}: {lost}", kind="bad-href"))
        for rel in rels:
            found: list[FollowedLink] = []
            for one in self._usable(body, url, collection, rel):
                if isinstance(one, Flaw):
                    yield one
                elif self._is_new(one):
                    found.append(one)
            if rel != "items":
                yield from ((one,) for one in found)
            elif len(found) == 1:
                yield (replace(found[0], listing=collection),)
            elif found:
                yield tuple(found)

    def next_page(self, body: JsonObject, url: str) -> str | Flaw | None:
        """The target of the likeliest `next` link of a document, or why it is refused; None without one."""
        for one in self._usable(body, url, "", "next"):
            return one if isinstance(one, Flaw) else one.url
        return None

    def target(self, href: str, url: str) -> str:
        """The URL of a link of the document at `url`. Raises `TransferError` for one not to be followed."""
        try:
            target = stac.resolve_trusted(href, url, self._allow)
        except CatalogError as error:  # the rest is listed, and another run would refuse it again
            raise TransferError(error.message, kind=error.kind) from error
        if target.startswith("file:"):
            check_inside(target, self._root)
        return target

    def _usable(self, body: JsonObject, url: str, collection: str, rel: str) -> Iterator[FollowedLink | Flaw]:
        ranked = sorted(
            ((stac.media_rank(link), link) for link in stac.links_of(body, rel)), key=lambda one: one[0]
        )
        has_json = bool(ranked) and ranked[0][0] <= stac.UNSTATED
        for rank, link in ranked:
            if rank == stac.IS_OTHER and (has_json or (rel == "items" and _has_item_links(body))):
                continue
            try:
                target = self.target(link["href"], url)
            except MlhubError as error:
                if not (has_json and rank > stac.UNSTATED):
                    yield Flaw(urls.redacted(url), error)
            else:
                if rel == "items" and stac.is_table_or_lines(link):
                    yield _unread_format(target)
                else:
                    optional = has_json and rank > stac.UNSTATED
                    yield FollowedLink(target, rel, collection, optional=optional)

    def _is_new(self, link: FollowedLink) -> bool:
        """Whether a link was not met before. Of links to items, which lead no further, some are forgotten."""
        if link.rel == "item":
            # With the collection, which an item need not name itself.
            key = hash((link.url.partition("#")[0], link.collection))
            if key in self._item_links:
                return False
            if len(self._item_links) < MAX_REMEMBERED:
                self._item_links.add(key)
            return True
        return self.is_new(link.url)

    def is_new(self, target: str) -> bool:
        """Whether a catalogue was not met before; from now on it is."""
        url = urls.canonical(target)
        new = url not in self._visited
        self._visited.add(url)
        return new


def _without_target(body: JsonObject, rels: Sequence[str]) -> str:
    """What is told of links that have no href (pystac writes null for one that was not saved), or are no
    objects, so that nobody knows where they lead; "" for none."""
    listed = body.get("links")
    links = [one for one in listed if one is not None] if isinstance(listed, list) else []
    bare = [one for one in links if not isinstance(one, dict)]
    followed = frozenset(rels)
    named = [one for one in links if isinstance(one, dict) and stac.has_relation(one, followed)]
    bare += [one for one in named if not (isinstance(href := one.get("href"), str) and href.strip())]
    return f"{len(bare)} of its links lead nowhere: they have no href, or are no objects" if bare else ""


def _has_item_links(body: JsonObject) -> bool:
    """The same items, one by one, in JSON."""
    return any(stac.media_rank(link) <= stac.UNSTATED for link in stac.links_of(body, "item"))


def _unread_format(target: str) -> Flaw:
    where = urls.redacted(target)
    message = (
        f"{where} has items as Parquet or NDJSON, which are not read at a link, and there is no link to "
        "the same items in JSON"
    )
    return Flaw(where, TransferError(message, kind="unsupported-format"))
