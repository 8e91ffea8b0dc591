"""Hides how a listing is walked: page after page, smaller pages where big ones fail, and never in circles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Any

from ..core import urls
from ..core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient
from ..core.model import Document, JsonObject, Request
from ..core.ports import Reader
from .loops import LoopGuard
from .nexts import SMALLEST_LIMIT, limit_of, next_request, with_limit

_NOT_LIKED = frozenset({400, 422})
_TOO_MUCH_ASKED = _NOT_LIKED | {413, 500, 502, 504}
_UNREADABLE = frozenset({"not-json", "too-big"})


@dataclass(frozen=True, slots=True)
class PageOf:
    """One page as the server gave it. `records` are its features (or collections), unchecked."""

    number: int
    body: JsonObject
    records: list[Any]
    matched: int | None
    url: str


async def pages(
    reader: Reader,
    request: Request,
    *,
    member: str = "features",
    allow_origins: Collection[str] = frozenset(),
) -> AsyncIterator[PageOf]:
    """Every page from `request` on. Starts no task, so it may be left at any point.

    Raises `SourceError` when the first page is refused, `CatalogError` when a later one fails for good,
    is no page, leads to another origin, or the listing runs in circles. Where servers drop `limit` or
    filters from their next links, pages hold more than was asked for: filter what comes.
    """
    guard = LoopGuard()
    asked: Request | None = request
    number, cap = 0, None
    while asked is not None:
        number += 1
        guard.ask(asked, number)
        document, answered = await _read(reader, asked, number)
        if answered is not asked:
            cap = limit_of(answered) or 0
        page = _page(document, number, member)
        guard.take(page.records, number)
        yield page
        following = next_request(page.body, page.url, answered, request, allow_origins)
        asked = following and _capped(following, cap)


def _capped(request: Request, cap: int | None) -> Request:
    """A page size that failed is not asked for again; 0: no size at all is."""
    limit = limit_of(request)
    return with_limit(request, cap or None) if limit and cap is not None and limit > cap else request


async def _read(reader: Reader, request: Request, number: int) -> tuple[Document, Request]:
    """The page, and the request that got it: big pages that fail are asked for again in halves.

    Who likes no size at all is asked for pages of its own.
    """
    while True:
        try:
            return await reader.read(request), request
        except TransferError as error:
            limit = limit_of(request)
            if limit is None or not _may_be_size(error):
                raise _broken(error, request, number) from error
            if limit <= SMALLEST_LIMIT and error.status not in _NOT_LIKED:
                raise _broken(error, request, number) from error
            smaller = max(SMALLEST_LIMIT, limit // 2) if limit > SMALLEST_LIMIT else None
            request = with_limit(request, smaller)


def _may_be_size(error: TransferError) -> bool:
    return error.status in _TOO_MUCH_ASKED or error.kind in _UNREADABLE


def _broken(error: TransferError, request: Request, number: int) -> MlhubError:
    """On the first page a refusal means the source or the search, later on that the listing broke off.

    A key that is not taken any more ends the run: it will be refused everywhere.
    """
    where = urls.redacted(request.url)
    if error.status == 401:
        return refused(request.url, error)
    if number > 1 or isinstance(error, Transient) or error.status is None:
        return CatalogError(f"page {number} of {where} could not be read: {error.message}")
    if error.status == 403:
        return refused(request.url, error)
    if error.status in (404, 410):
        return SourceError(f"{where} does not exist ({error.status}): check its spelling", kind="not-found")
    return SourceError(f"{where} refuses the request: {error.message}; check the selection or --method")


def refused(url: str, error: TransferError) -> SourceError:
    """What to do depends on whether there were credentials for that place."""
    advice = (
        "the credentials that were given are not taken there: check that they are right and still valid"
        if error.signed
        else "set MLHUB_API_KEY, or give --api-key, --profile or -H 'Authorization: …'"
    )
    return SourceError(f"{urls.redacted(url)} refuses access ({error.status}): {advice}", kind="forbidden")


def _page(document: Document, number: int, member: str) -> PageOf:
    body = document.body
    where = f"page {number} of {urls.redacted(document.url)}"
    if not isinstance(body, dict):
        raise CatalogError(f"{where} is not a JSON object", kind="not-a-page")
    records = body.get(member)
    if not isinstance(records, list):
        raise CatalogError(f"{where} has no list of {member}", kind="not-a-page")
    return PageOf(number, body, records, matched_of(body), document.url)


def matched_of(body: JsonObject) -> int | None:
    """How many records the server says there are: numberMatched, or its older spellings."""
    for place in (body, body.get("context"), body.get("search:metadata")):
        for name in ("numberMatched", "matched"):
            found = place.get(name) if isinstance(place, dict) else None
            if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
                return found
    return None
