"""Remembers links that lead to nothing: nobody asks for them again, and every item that has one is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ...core import urls
from ...core.errors import MlhubError, TransferError
from ...core.model import Concern, Flaw
from ..items.item_limit import Entries

FirstTime = Callable[[list[str]], Awaitable[list[str]]]
"""Gives those of the keys that it was not asked about before in this run."""
Owner = tuple[str, str]
"""Collection and id of the item that has the link."""

MAX_REMEMBERED = 100_000
"""Failed URLs. Beyond, only the first item that names a URL is told of it."""
MAX_WAITING = 1_000
"""Items that wait for one URL. Beyond, the listing waits with them."""


class LinkFailure(NamedTuple):
    """Why a link leads to nothing. One that is `benign` leaves the copy complete. `what`: its relation.

    `doubtful`: what it led to before may exist all the same.
    """

    error: MlhubError
    benign: bool = False
    what: str = "source"
    doubtful: bool = False

    def flaw(self, url: str, owner: Owner) -> Flaw:
        """The row of one item that has the link."""
        where = urls.redacted(url)
        if not self.benign:
            return Flaw(where, self.error, owner=owner)
        why = self.error.message.removeprefix(f"{where}: ")
        message = f"{self.what} of {urls.term_safe(owner[1])}: {where}: {why}"
        concern = Concern.ANSWER if self.doubtful else Concern.LISTING
        error = TransferError(message, kind=f"dangling-{self.what}")
        return Flaw(where, error, benign=True, owner=owner, concern=concern)


@dataclass(slots=True, eq=False, repr=False)
class _Pending:
    """A URL that is being read, and the items that wait for what comes of it."""

    owners: set[Owner] = field(default_factory=set)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class LinkFailures:
    """Of the URLs that were read: those under way, and those that failed. All URLs are canonical ones."""

    def __init__(self, first_time: FirstTime, *, may_wait: bool = True) -> None:
        """`may_wait`: URLs are read while the listing goes on, which may wait for one."""
        self._first_time = first_time
        self._may_wait = may_wait
        self._pending: dict[str, _Pending] = {}
        self._failed: dict[str, LinkFailure] = {}

    async def new_urls(self, wanted: dict[str, list[Owner]]) -> list[str]:
        """Those of the URLs that are to be read: `done` must be called for each. Owners of others wait."""
        new = await self._first_time(list(wanted)) if wanted else []
        for url in new:
            self._pending[url] = _Pending()
        for url, owners in wanted.items():
            if (pending := self._pending.get(url)) is not None:
                pending.owners.update(owners)
                if len(pending.owners) > MAX_WAITING and url not in new and self._may_wait:
                    await pending.done.wait()
        return new

    async def known(self, wanted: dict[str, list[Owner]]) -> Entries:
        """The flaws of items whose links failed before."""
        found: Entries = []
        for url, owners in wanted.items():
            if url not in self._pending and (failure := self._failed.get(url)) is not None:
                found += await self.flaws(url, failure, owners)
        return found

    async def done(self, url: str, failure: LinkFailure | None) -> Entries:
        """A URL was read, with this failure or without: the flaws of the items that waited for it."""
        pending = self._pending.pop(url)
        pending.done.set()
        if failure is None:
            return []
        if len(self._failed) >= MAX_REMEMBERED:
            del self._failed[next(iter(self._failed))]
        self._failed[url] = failure
        return await self.flaws(url, failure, pending.owners)

    async def flaws(self, url: str, failure: LinkFailure, owners: Iterable[Owner]) -> Entries:
        """A flaw for each owner. An item that is listed again, on another page or pass, has been told."""
        keys = {"\0".join((*owner, url)): owner for owner in owners}
        return [failure.flaw(url, keys[key]) for key in await self._first_time(list(keys))]


def remember_in_memory() -> FirstTime:
    """For a run without a ledger."""
    seen: set[str] = set()

    async def first_time(asked: list[str]) -> list[str]:
        new = [url for url in dict.fromkeys(asked) if url not in seen]
        seen.update(new)
        return new

    return first_time
