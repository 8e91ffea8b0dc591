"""Reads a listing page by page: follows `next` links, asks for smaller pages, detects loops."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..core import urls
from ..core.errors import CatalogDefect, CatalogError, MlhubError, SourceError, TransferError, Transient
from ..core.json_text import encode_json, parse_json
from ..core.model import Document, JsonObject, Request
from ..core.ports import Reader
from .links import UNSTATED, json_links, links_of, media_rank, resolve_trusted

_UNREADABLE = frozenset({"not-json", "too-big"})

MIN_LIMIT = 10
"""Pages that fail are not asked for in smaller sizes than this."""
JSON = {"Content-Type": "application/json"}

# Header fields that a next link may set, since paging tokens come in them. Fields that name a host, a
# credential, a length, a hop or a sender are set by the client only.
_HEADER_ALLOWED = re.compile(
    r"accept|accept-language|prefer|continuation-token"
    r"|x-(?!forwarded|http-method|original|rewrite|real|api|auth|access|amz|ms-|goog|key|csrf)[a-z0-9-]{1,64}",
    re.IGNORECASE,
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")

MAX_REMEMBERED = 65_536
"""Requests, and pages, that a loop is recognised by."""
PAGES_WITH_IDS = 4
"""Latest pages of which every id is remembered."""
MAX_STALE_PAGES = 3
"""Pages in a row, all of whose records came before, that are taken for a loop."""
MAX_EMPTY_PAGES = 10
"""Empty pages in a row that a server may send before more records."""


@dataclass(frozen=True, slots=True)
class ListingPage:
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
    first: Document | None = None,
) -> AsyncIterator[ListingPage]:
    """Every page from `request` on; `member` is the field that its records are in.

    `first` is the answer to `request`, where that was read already.

    Starts no task, so it may be left at any point. Raises `SourceError` when the first page is refused,
    `CatalogError` when a later one fails for good, is no page, leads to another origin, or the server pages
    in a loop. Servers may drop `limit` or filters from their next links: pages may then hold more records
    than were asked for, which the caller has to filter.
    """
    guard = LoopGuard()
    following: Request | None = request
    number, max_limit = 0, None
    while following is not None:
        number += 1
        guard.add_request(following, number)
        if first is not None and number == 1:
            document, answered = first, following
        else:
            document, answered = await _read(reader, following, number)
        if answered is not following:
            max_limit = limit_of(answered) or 0
        page = _page(document, number, member)
        guard.add_page(page.records, number)
        yield page
        linked = next_request(page.body, page.url, answered, request, allow_origins)
        following = linked and _capped(linked, max_limit)


def _capped(request: Request, max_limit: int | None) -> Request:
    """The request, not for larger pages than were possible before; 0: without a `limit`."""
    limit = limit_of(request)
    too_large = limit and max_limit is not None and limit > max_limit
    return with_limit(request, max_limit or None) if too_large else request


async def _read(reader: Reader, request: Request, number: int) -> tuple[Document, Request]:
    """The page, and the request that it answers: a page that fails is asked for at half the size.

    A server that refuses any `limit` is asked without one.
    """
    while True:
        try:
            return await reader.read(request), request
        except TransferError as error:
            limit = limit_of(request)
            if limit is None or not _may_be_page_size(error):
                raise _broken(error, request, number) from error
            if limit <= MIN_LIMIT and not error.rejected:
                raise _broken(error, request, number) from error
            smaller = max(MIN_LIMIT, limit // 2) if limit > MIN_LIMIT else None
            request = with_limit(request, smaller)


def _may_be_page_size(error: TransferError) -> bool:
    return error.oversized or error.kind in _UNREADABLE


def _broken(error: TransferError, request: Request, number: int) -> MlhubError:
    """On the first page a refusal is of the source or the search; later on the listing broke off.

    A key that is not accepted any more ends the run: it will be refused everywhere.
    """
    where = urls.redacted(request.url)
    if error.unauthorized:
        return access_error(request.url, error)
    message = f"page {number} of {where} could not be read: {error.message}"
    if isinstance(error, Transient) or error.kind == "too-big":
        return CatalogError(message)
    if number > 1 or error.status is None:
        return CatalogDefect(message)
    if error.denied:
        return access_error(request.url, error)
    if error.absent:
        return SourceError(f"{where} does not exist ({error.status}): check its spelling", kind="not-found")
    return SourceError(f"{where} refuses the request: {error.message}; check the selection or --method")


def access_error(url: str, error: TransferError) -> SourceError:
    """The error for a URL that needs other credentials. The advice depends on whether any were sent."""
    advice = (
        "the credentials that were given are not accepted there: check that they are right and still valid"
        if error.signed
        else "set MLHUB_API_KEY, or give --api-key, --profile or -H 'Authorization: …'"
    )
    return SourceError(f"{urls.redacted(url)} refuses access ({error.status}): {advice}", kind="forbidden")


def _page(document: Document, number: int, member: str) -> ListingPage:
    body = document.body
    where = f"page {number} of {urls.redacted(document.url)}"
    if not isinstance(body, dict):
        raise CatalogDefect(f"{where} is not a JSON object", kind="not-a-page")
    records = body.get(member)
    if not isinstance(records, list):
        raise CatalogDefect(f"{where} has no list of {member}", kind="not-a-page")
    return ListingPage(number, body, records, matched_of(body), document.url)


def matched_of(body: JsonObject) -> int | None:
    """The total that the server gives: `numberMatched`, or one of its older spellings."""
    for holder in (body, body.get("context"), body.get("search:metadata")):
        for name in ("numberMatched", "matched"):
            found = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
                return found
    return None


def post_request(url: str, body: JsonObject, headers: Mapping[str, str] | None = None) -> Request:
    """A POST of a JSON body."""
    return Request(url=url, method="POST", headers={**(headers or {}), **JSON}, body=encode_json(body))


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


def body_of(request: Request) -> JsonObject:
    """The JSON object that a request sends; {} for one without."""
    found = parse_json(request.body) if request.body else {}
    return found if isinstance(found, dict) else {}


def limit_of(request: Request) -> int | None:
    """The page size that this request asks for, if it does."""
    if request.body is not None:
        found = body_of(request).get("limit")
        return found if isinstance(found, int) else None
    for text in parse_qs(urlsplit(request.url).query).get("limit", ()):
        if text.isascii() and text.isdigit():
            return int(text[:9])
    return None


def with_limit(request: Request, limit: int | None) -> Request:
    """The same request for pages of another size; None: of the size that the server chooses."""
    if request.body is not None:
        body = {name: value for name, value in body_of(request).items() if name != "limit"}
        return post_request(request.url, body if limit is None else {**body, "limit": limit}, request.headers)
    if limit is None:
        return Request(urls.without_parameters(request.url, "limit"), headers=request.headers)
    return Request(urls.with_parameter(request.url, "limit", str(limit)), headers=request.headers)


class LoopGuard:
    """Raises `CatalogError` when a listing repeats itself, or too many of its pages are empty.

    It keeps a hash of each of the last `memory` requests and pages, and the ids of the last four pages.
    """

    def __init__(self, memory: int = MAX_REMEMBERED) -> None:
        self._memory = memory
        self._requests: dict[int, None] = {}
        self._pages: dict[int, None] = {}
        self._ids: deque[frozenset[int]] = deque(maxlen=PAGES_WITH_IDS)
        self._stale = 0
        self._empty = 0

    def add_request(self, request: Request, number: int) -> None:
        """To be called with every request before it is sent."""
        if not self._remember(self._requests, hash((request.method, request.url, _canonical(request.body)))):
            raise CatalogError(
                f"page {number} would be the same request as an earlier page: the server pages in a loop",
                kind="pagination-loop",
            )

    def add_page(self, records: Sequence[Any], number: int) -> None:
        """To be called with the records of every page."""
        self._empty = 0 if records else self._empty + 1
        if self._empty > MAX_EMPTY_PAGES:
            raise CatalogError(f"{self._empty} empty pages in a row, up to page {number}", kind="empty-pages")
        if not records:
            return
        self._stale = self._stale + 1 if self._is_stale(records) else 0
        if self._stale >= MAX_STALE_PAGES:
            raise CatalogError(
                f"{MAX_STALE_PAGES} pages in a row, up to page {number}, repeat what was listed before",
                kind="pagination-loop",
            )

    def _is_stale(self, records: Sequence[Any]) -> bool:
        """Whether the page as a whole, or each of its records, came before."""
        ids = frozenset(map(_identity, records))
        fresh = self._remember(self._pages, hash(ids))
        known = all(any(one in page for page in self._ids) for one in ids)
        self._ids.append(ids)
        return known or not fresh

    def _remember(self, seen: dict[int, None], number: int) -> bool:
        """Whether this number is new. The oldest is forgotten first."""
        if number in seen:
            return False
        seen[number] = None
        if len(seen) > self._memory:
            del seen[next(iter(seen))]
        return True


def _identity(record: Any) -> int:
    if isinstance(record, dict) and "id" in record:
        return hash((str(record.get("collection")), str(record["id"])))
    return hash(str(record))


def _canonical(body: bytes | None) -> bytes | None:
    """The body with its keys in order: the same search is the same request however it is written."""
    if body is None:
        return None
    return encode_json(parse_json(body), sort_keys=True)
