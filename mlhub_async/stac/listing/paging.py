"""Reads a listing page by page: follows `next` links to its end."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from typing import Any

from ...core import pattern_on_use, urls
from ...core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError, Transient
from ...core.model import Document, JsonObject, Request
from ...core.ports import Reader
from ..fields.legacy import hidden_members
from ..links import UNSTATED, json_links, links_of, media_rank, resolve_trusted
from .loop_guard import NO_PROGRESS, LoopGuard
from .page_size import JSON, PageSize, as_number, body_of, limit_of, names_ids, post_request, with_limit

ENDLESS = sys.maxsize
REFUSED = "request-refused"
"""The kind of the error for a first page that is refused, and might not be if it was asked for otherwise."""

# Header fields that a next link may set, since paging tokens come in them. Fields that name a host, a
# credential, a length, a hop or a sender are set by the client only.
_HEADER_ALLOWED = pattern_on_use(
    r"accept|accept-language|prefer|continuation-token"
    r"|x-(?!forwarded|http-method|original|rewrite|real|api|auth|access|amz|ms-|goog|key|csrf)[a-z0-9-]{1,64}",
    re.IGNORECASE,
)
_RETURNED = ("numberReturned", "returned")
_HEADER_VALUE = pattern_on_use(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page as the server gave it. `records` are its features (or collections), unchecked."""

    number: int
    body: JsonObject
    records: list[Any]
    matched: int | None
    url: str
    is_last: bool
    """it has no link to a next page"""
    is_short: bool = False
    """it is the last, and fewer records came than were announced"""
    is_cut: bool = False
    """it is as long as it may be, and more must follow: the link to the next page is missing"""
    is_lacking: bool = False
    """it has fewer records than it says itself"""


async def pages(
    reader: Reader,
    request: Request,
    *,
    member: str = "features",
    allow_origins: Collection[str] = frozenset(),
    first: Document | None = None,
    may_be_absent: bool = False,
    must_reach_total: bool = False,
) -> AsyncIterator[ListingPage]:
    """Every page from `request` on; `member` is the field that its records are in.

    `first` is the answer to `request`, where that was read already. `may_be_absent`: 404 on the first page
    means an empty listing if its body says so. `must_reach_total`: raise `CatalogError` at the end of a
    listing of fewer records than it announced; else that is left to the caller.

    An only page of as many records as were asked for, with neither a total nor a `next` link, may be all
    there is, or come from a server that links no pages: so the first record alone is asked for, which has
    to have a `next` link if others follow. A document that is no page is read once more: it may be an error
    that passes.

    A total does not end the listing as long as `next` links bring new records. After a page without new
    ones it does, if all that were announced came: servers may give `next` links for ever.

    Starts no task, so it may be left at any point. Raises `SourceError` when the first page is refused,
    `CatalogError` when a later one fails for good, is no page, leads to another origin, or the server pages
    in a loop. Servers may drop `limit` or filters from their next links: pages may then hold more records
    than were asked for, which the caller has to filter.
    """
    guard, size = LoopGuard(), PageSize(request)
    following: Request | None = request
    number = received = 0
    is_lacking = False
    while following is not None and not guard.has_ended:
        number += 1
        try:
            guard.add_request(following, number)
            document = first if first is not None and number == 1 else None
            following = size.begin(following, number, received)
            document = document or await _read(reader, following, size, may_be_absent=may_be_absent)
            document = document or Document({member: []}, following.url)
            page = await _read_page(reader, document, size.asked, number, member)
            if size.renumbered:
                page = replace(page, records=[one for one in page.records if not guard.knows(one)])
            guard.add_page(page.records, number, page.matched)
            is_short = page.is_last and guard.total is not None and not guard.total_reached
            is_cut = is_short and _is_full(page, size.asked)
            if number == 1 and page.is_last and guard.total is None and _fills(page, size.asked):
                is_cut = await _links_no_pages(reader, size.asked, member)
            page = replace(page, is_short=is_short, is_cut=is_cut)
        except CatalogError as error:
            if error.kind in NO_PROGRESS and guard.total_reached:
                return
            raise
        size.add_page()
        is_lacking |= page.is_lacking or page.is_cut
        received += len(page.records)
        yield page
        following = next_request(page.body, page.url, size.asked, request, allow_origins)
    where = urls.redacted(request.url)
    if must_reach_total and guard.total is not None and not guard.total_reached:
        raise CatalogError(f"{where} announced {guard.total} {member} and gave {guard.found}", kind="short")
    if must_reach_total and is_lacking:
        raise CatalogError(f"{where} gave fewer {member} than it has, by its own pages", kind="short")


async def _read(reader: Reader, request: Request, size: PageSize, *, may_be_absent: bool) -> Document | None:
    """The page, in a smaller size if it fails; None if it is empty by its status."""
    number = size.number
    while True:
        try:
            return await reader.read(request)
        except TransferError as error:
            if error.no_content or (error.none_found and may_be_absent and number == 1):
                return None
            # A reader that does not ask what to send instead makes one attempt at a request.
            smaller = None if size.is_adapted else size.smaller(error, ENDLESS)
            if smaller is None:
                raise _broken(error, request, number) from error
            request = smaller


async def _read_page(
    reader: Reader, document: Document, request: Request, number: int, member: str
) -> ListingPage:
    """The page that a document is. One that is none is read again: the same twice is wrong for good."""
    try:
        return _page(document, request, number, member)
    except CatalogDefect:
        try:
            again = await reader.read(request)
        except TransferError as error:
            raise _broken(error, request, number) from error
    try:
        return _page(again, request, number, member)
    except CatalogDefect as defect:
        if again.body == document.body:
            raise
        raise CatalogError(defect.message, kind=defect.kind) from defect


def _fills(page: ListingPage, request: Request) -> bool:
    """Whether a page has exactly as many records as were asked for, and not because so many were named."""
    return len(page.records) == limit_of(request) and not names_ids(request)


async def _links_no_pages(reader: Reader, request: Request, member: str) -> bool:
    """Whether the server takes a limit, but gives no link to what follows; by a page of one record."""
    first = with_limit(request, 1)
    try:
        document = await reader.read(first)
        page = _page(document, first, 1, member)
    except MlhubError:
        return False
    return page.is_last and len(page.records) == 1 and page.matched in (None, 1)


def _broken(error: TransferError, request: Request, number: int) -> MlhubError:
    """On the first page a refusal is of the source or the search; later on the listing broke off.

    A key that is not accepted any more ends the run: it will be refused everywhere.
    """
    where = urls.redacted(request.url)
    if error.unauthorized:
        return access_error(request.url, error)
    message = f"page {number} of {where} could not be read: {error.message}"
    if isinstance(error, Transient) or (error.kind == "too-big" and error.status is None):
        return CatalogError(message)
    if number > 1 or error.status is None:
        return CatalogDefect(message)
    if error.denied:
        return access_error(request.url, error)
    if error.absent:
        return SourceError(f"{where} does not exist ({error.status}): check its spelling", kind="not-found")
    kind = REFUSED if error.rejected or error.unsupported else None
    return SourceError(
        f"{where} refuses the request: {error.message}; check the selection or --method", kind=kind
    )


def access_error(url: str, error: TransferError) -> SourceError:
    """The error for a URL that needs other credentials. The advice depends on whether any were sent."""
    advice = (
        "the credentials that were given are not accepted there: check that they are right and still valid"
        if error.signed
        else "set MLHUB_API_KEY, or give --api-key, --profile or -H 'Authorization: …'"
    )
    return SourceError(f"{urls.redacted(url)} refuses access ({error.status}): {advice}", kind="forbidden")


def _page(document: Document, request: Request, number: int, member: str) -> ListingPage:
    body = document.body
    where = f"page {number} of {urls.redacted(document.url)}"
    if not isinstance(body, dict):
        raise CatalogDefect(f"{where} is not a JSON object", kind="not-a-page")
    records = body.get(member)
    if records is None and member in body and has_no_records(body):
        records = []
    if not isinstance(records, list):
        raise CatalogDefect(f"{where} has no list of {member}", kind="not-a-page")
    if hidden := hidden_members({"links": body.get("links")}):
        raise CatalogDefect(f"{where} {hidden}: the next page may be among them", kind="not-a-page")
    is_last = _next_link(body, request) is None
    is_lacking = len(records) < (_count(body, *_RETURNED) or 0)
    return ListingPage(number, body, records, matched_of(body), document.url, is_last, is_lacking=is_lacking)


def _is_full(page: ListingPage, request: Request) -> bool:
    """Whether a page has as many records as were asked for, or as the server says that it gives at most."""
    limits = (limit_of(request), _count(page.body, "limit"))
    return any(len(page.records) >= limit for limit in limits if limit)


def has_no_records(body: JsonObject) -> bool:
    """Whether the counts of a page say that it has none, as servers do beside `"features": null`."""
    returned = _count(body, *_RETURNED)
    return returned == 0 if returned is not None else matched_of(body) == 0


def matched_of(body: JsonObject) -> int | None:
    """The total that the server gives: `numberMatched`, or one of its older spellings."""
    return _count(body, "numberMatched", "matched")


def _count(body: JsonObject, *names: str) -> int | None:
    for holder in (body, body.get("context"), body.get("search:metadata")):
        for name in names:
            found = as_number(holder.get(name)) if isinstance(holder, dict) else None
            if found is not None and found >= 0:
                return found
    return None


def next_request(
    body: JsonObject, url: str, current: Request, first: Request, allowed: Collection[str]
) -> Request | None:
    """The request for the page after `current`, whose document `body` came from `url`; None at the end.

    Known forms: GET with token=, next=, page=, offset= or skip= in an absolute or relative href; POST
    with a whole body; POST with a part of the body and `merge`; a body without a method. A link is followed
    as it is written, even where it drops `limit` or filters: the caller filters what comes.
    """
    link = _next_link(body, current)
    if link is None:
        return None
    headers = _headers(link, current if link.get("merge") is True else first)
    target = _target(link["href"], url, {str(urls.origin(first.url)), *allowed})
    given = link.get("body")
    if _method(link) != "POST":
        return Request(url=target, headers={k: v for k, v in headers.items() if k not in JSON})
    return post_request(target, _merged(link, given, current), headers)


def _next_link(body: JsonObject, current: Request) -> JsonObject | None:
    """Of several next links the one to JSON, and of these the one by the method of the current request."""
    links = json_links(body, "next")
    by_method = [one for one in links if media_rank(one) <= UNSTATED and _method(one) == current.method]
    return next(iter(by_method or links or links_of(body, "next")), None)


def _method(link: JsonObject) -> str:
    method = link.get("method")
    return (str(method) if method else "POST" if link.get("body") else "GET").upper()


def _target(href: str, url: str, allowed: Collection[str]) -> str:
    try:
        return urls.without_parameters(resolve_trusted(href, url, allowed), "key")
    except CatalogError as error:
        raise CatalogError(error.message, kind="cross-origin-next") from error
    except TransferError as error:
        raise CatalogError(
            f"the next link of {urls.redacted(url)}: {error.message}", kind="bad-next"
        ) from error


def _merged(link: JsonObject, given: Any, current: Request) -> JsonObject:
    """A link without a body means the body sent before: an empty one would ask for the whole catalogue."""
    sent = body_of(current)
    if not isinstance(given, dict):
        return sent
    return {**sent, **given} if link.get("merge") is True else given


def _headers(link: JsonObject, base: Request) -> dict[str, str]:
    given = link.get("headers")
    named = given.items() if isinstance(given, dict) else ()
    return {**base.headers, **{k: v for k, v in named if _may_be_set(k, v)}}


def _may_be_set(name: str, value: Any) -> bool:
    return bool(isinstance(value, str) and _HEADER_ALLOWED.fullmatch(name) and _HEADER_VALUE.fullmatch(value))
