"""The size of a listing's pages: smaller ones where pages fail, which begin at the same record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ...core import urls
from ...core.errors import TransferError
from ...core.json_text import encode_json, parse_json
from ...core.model import JsonObject, Request

MIN_LIMIT = 10
"""Pages that fail are not asked for in smaller sizes than this."""
SMALL = 15
"""The last attempt at a page is made with such a size at most."""
PAGES_BEFORE_GROWTH = 8
"""Pages in a row that have to come before a size that was made smaller is doubled again."""
JSON = {"Content-Type": "application/json"}
_TOO_LARGE = frozenset({"too-big", "timeout", "too-slow"})
"""Kinds of errors, beside some statuses, that a page of fewer records may not meet."""
_POSITIONS = frozenset({"offset", "skip", "startindex", "startrecord", "token", "next", "cursor", "after"})
"""Parameters that say by themselves where a page begins."""


def post_request(url: str, body: JsonObject, headers: Mapping[str, str] | None = None) -> Request:
    """A POST of a JSON body."""
    return Request(url=url, method="POST", headers={**(headers or {}), **JSON}, body=encode_json(body))


def body_of(request: Request) -> JsonObject:
    """The JSON object that a request sends; {} for one without."""
    found = parse_json(request.body) if request.body else {}
    return found if isinstance(found, dict) else {}


def limit_of(request: Request) -> int | None:
    """The page size that this request asks for, if it does."""
    return as_number(_parameters(request).get("limit"))


class PageSize:
    """The page size of one listing. It is halved where a page fails, and grows again when pages come.

    `number` is that of the present page, `asked` the request for it in the form that was sent last.
    `is_adapted`: the reader itself asked what to send after a failure. `renumbered`: it has another page
    number than the `next` link, so it may begin with records that came.
    """

    def __init__(self, first: Request) -> None:
        self.asked = first
        self.renumbered = False
        self._full = limit_of(first) or 0
        self._most: int | None = None
        self._calm = 0
        self._calm_needed = PAGES_BEFORE_GROWTH
        self._base: int | None = None
        self.number = 0
        self._start = 0
        self._position = 0
        self.is_adapted = False

    def begin(self, request: Request, number: int, received: int) -> Request:
        """The request for page `number`, before which `received` records came."""
        self.number, self.renumbered, self.is_adapted = number, False, False
        self.asked = self._sized(request)
        page, limit = page_number_of(self.asked), limit_of(self.asked)
        if page is not None and self._base is None:
            self._base = self._first_number(page)
        if number == 1 and page is not None and self._base is not None:
            self._start = (page - self._base) * (limit or 0)
        self._position = self._start + received
        return self.asked._replace(instead=self._instead)

    def add_page(self) -> None:
        """The page came."""
        self._calm += 1
        if self._most and self._most < self._full and self._calm >= self._calm_needed:
            self._most, self._calm = min(self._most * 2, self._full), 0
            self._calm_needed *= 2

    def _instead(self, error: TransferError, attempts_left: int) -> Request | None:
        self.is_adapted = True
        return self.smaller(error, attempts_left)

    def smaller(self, error: TransferError, attempts_left: int) -> Request | None:
        """The present page in a smaller size, after it failed. None: another size would not help.

        A server that refuses every size is asked without one.
        """
        limit = limit_of(self.asked)
        if limit is None or attempts_left <= 0 or not (error.oversized or error.kind in _TOO_LARGE):
            return None
        page = page_number_of(self.asked)
        may_omit = error.rejected and (page is None or self._position == 0)
        if may_omit and limit <= MIN_LIMIT:
            return self._reduced(with_limit(self.asked, None), 0)
        if limit <= MIN_LIMIT or (page is not None and self._base is None):
            return None
        target = _next_size(limit, attempts_left)
        if page is None or self._base is None:
            return self._reduced(with_limit(self.asked, target), target)
        start = min((page - self._base) * limit, self._position)
        target = _divisor(start, target)
        self.renumbered = True
        return self._reduced(_with_page(with_limit(self.asked, target), start // target + self._base), target)

    def _reduced(self, request: Request, limit: int) -> Request:
        self._full = max(self._full, limit_of(self.asked) or 0)
        self._most, self._calm = limit, 0
        self.asked = request
        return request

    def _sized(self, request: Request) -> Request:
        """The request, not for larger pages than were possible before."""
        limit = limit_of(request)
        if limit is None or self._most is None:
            return request
        if limit > self._most or (limit < self._most and page_number_of(request) is None):
            return with_limit(request, self._most or None)
        return request

    def _first_number(self, page: int) -> int | None:
        """The number of the first page, 0 or 1, by that of this one; None if it does not count pages."""
        if self.number == 1:
            return min(page, 1)
        first = page + 1 - self.number
        return first if first in (0, 1) else None


def page_number_of(request: Request) -> int | None:
    """The page that a request names by its number; None where another parameter says where it begins."""
    parameters = _parameters(request)
    if _POSITIONS & {name.lower() for name in parameters}:
        return None
    return as_number(parameters.get("page"))


def with_limit(request: Request, limit: int | None) -> Request:
    """The same request for pages of another size; None: of the size that the server chooses."""
    if limit is not None:
        return _with(request, "limit", limit)
    if request.body is not None:
        body = {name: value for name, value in body_of(request).items() if name != "limit"}
        return post_request(request.url, body, request.headers)
    return Request(urls.without_parameters(request.url, "limit"), headers=request.headers)


def _with_page(request: Request, page: int) -> Request:
    return _with(request, "page", page)


def _with(request: Request, name: str, value: int) -> Request:
    if request.body is not None:
        return post_request(request.url, {**body_of(request), name: value}, request.headers)
    return Request(urls.with_parameter(request.url, name, str(value)), headers=request.headers)


def _parameters(request: Request) -> dict[str, Any]:
    """The parameters of a request; of several with one name the first."""
    if request.body is not None:
        return body_of(request)
    return dict(reversed(parse_qsl(urlsplit(request.url).query)))


def names_ids(request: Request) -> bool:
    """Whether a request names the records that it is for."""
    return bool(_parameters(request).get("ids"))


def as_number(value: Any) -> int | None:
    """A whole number, also one that is written as a text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _next_size(limit: int, attempts_left: int) -> int:
    """Half the size; less if halving would not come down to a small one with the attempts that are left."""
    needed = int(limit * min(SMALL / limit, 1) ** (1 / min(attempts_left, 64)))
    return max(MIN_LIMIT, min(limit // 2, needed))


def _divisor(start: int, size: int) -> int:
    """The largest size up to this one of which pages begin at `start`; the same if there is none near it."""
    fitting = (one for one in range(size, max(size // 2, MIN_LIMIT) - 1, -1) if start % one == 0)
    return next(fitting, size)
