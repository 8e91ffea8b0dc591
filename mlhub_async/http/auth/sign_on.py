"""Login by redirect and cookie, as single sign-on does: a server sends to its login host and takes a cookie.

A cookie is set by a redirect of an asset's request, and sent only by requests that follow a redirect. The
first request for an asset has none. The login host gets user and password of netrc.
"""

from __future__ import annotations

from ...core.errors import TransferError
from ...core.model import SET_COOKIE, Head, Request
from ...core.urls import Origin, origin, parse, redacted
from ..status import REDIRECTS_WITH_METHOD
from .cookies import CookieJar
from .signer_set import SignerSet

MAX_REDIRECTS = 5
MAX_REDIRECTS_OF_LOGIN = 12
"""In a chain with cookies."""

FORWARDED_FIELDS = frozenset(
    {"accept", "accept-encoding", "content-type", "range", "if-range", "if-match", "if-none-match"}
)
"""Request fields without data about the user: only these are sent to another origin after a redirect."""


class SignOn:
    """What the redirect chains of a run share: cookies, and the credentials for login hosts."""

    def __init__(self, logins: SignerSet) -> None:
        self.logins = logins
        self.cookies = CookieJar()
        self.proven: set[Origin] = set()
        """origins whose assets came after a login: they get their cookies again before another one"""
        self.refused: set[Origin] = set()
        """login hosts that refused user and password: they are not sent there again"""


class RedirectChain:
    """The redirects of one request. `sign_on` None: it is none for an asset, and has no cookies."""

    def __init__(self, request: Request, sign_on: SignOn | None) -> None:
        self._home = origin(request.url)
        self._sign_on = sign_on
        self._own = CookieJar()
        self._seen = {(request.url, "")}
        self._redirecting: set[str] = set()
        self._first_target: Origin | None = None
        self._returned_to: Origin | None = None
        """where a URL that redirects was asked for again, with cookies"""
        self._count = 0
        self.sets_cookies = False
        self.is_stateful = False
        """what a URL answers depends on cookies or a login: it does not identify the content"""

    def follow(self, request: Request, head: Head) -> Request:
        """The next request. Raises `TransferError` for a circle, a chain that is too long or a bad target."""
        here, lines = origin(request.url), head.headers.get(SET_COOKIE, "")
        self.sets_cookies |= bool(lines)
        following = _redirected(request, head)
        if self._may_use_earlier_login(request, following):
            following, self.is_stateful = request, True
        elif self._sign_on is not None and lines:
            self.is_stateful |= self._own.store(here, request.url, lines)
        self._redirecting.add(request.url)
        self._check(following)
        if following.url in self._redirecting and self.cookie_field(following):
            self._returned_to = origin(following.url)
        return following

    def _may_use_earlier_login(self, request: Request, following: Request) -> bool:
        """Whether to ask the first URL once more, with the cookies of an earlier login to its origin.

        If that leads to the login host again, they are not valid any more.
        """
        if self._sign_on is None or self._home not in self._sign_on.proven:
            return False
        target = origin(following.url)
        if not self._redirecting:
            self._first_target = target
            return bool(self.cookie_field(request))
        if len(self._redirecting) == 1 and request.url in self._redirecting and target == self._first_target:
            self._sign_on.proven.discard(self._home)
        return False

    def _check(self, request: Request) -> None:
        self._count += 1
        key = (request.url, self.cookie_field(request))
        self.is_stateful |= bool(key[1])
        limit = MAX_REDIRECTS_OF_LOGIN if self.is_stateful else MAX_REDIRECTS
        if key not in self._seen and self._count <= limit:
            self._seen.add(key)
            return
        words = "redirects in a circle" if key in self._seen else f"after {limit} redirects"
        if self.sets_cookies:
            kept = ", which is kept for assets only" if self._sign_on is None else ", and gets it back"
            words += f", and sets a cookie{kept}: a login is needed"
        where = redacted(request.url)
        raise TransferError(f"{where}{'' if key in self._seen else ':'} {words}", kind="redirect-loop")

    def cookie_field(self, request: Request) -> str:
        """The Cookie field for a request that follows a redirect. Cookies of this chain replace others."""
        if self._sign_on is None:
            return ""
        here, url = origin(request.url), request.url
        known = self._sign_on.cookies.matching(here, url)
        return self._own.field(known | self._own.matching(here, url))

    def logs_in(self, here: Origin) -> bool:
        """Whether user and password of netrc are for this login host: not where the chain began."""
        sign_on = self._sign_on
        if sign_on is None or here == self._home or here in sign_on.refused or not sign_on.logins.signs(here):
            return False
        self.is_stateful = True
        return True

    def end(self) -> None:
        """The chain has brought content."""
        if self._sign_on is not None and self.is_stateful:
            self._sign_on.cookies.update(self._own)
            if self._returned_to is not None:
                self._sign_on.proven.add(self._returned_to)

    def explain(self, error: TransferError, here: Origin, *, logged_in: bool) -> None:
        """Say in the message of a 401 after a redirect where a login is needed, and how to give it."""
        if logged_in and self._sign_on is not None:
            self._sign_on.refused.add(here)
            words = f"{here.host} refuses the user and password of netrc"
        elif self._sign_on is not None and here in self._sign_on.refused:
            words = f"{here.host} has refused the user and password of netrc"
        else:
            words = f"a login is needed at {here}: an entry for {here.host} in ~/.netrc, and --netrc"
            words += f" --allow-origin {here}" if here.port != 443 else ""
        error.message += f"; {words}"
        error.args = (error.message,)


def with_cookies(request: Request, cookies: str) -> Request:
    """The request with these cookies, after those that it has."""
    given = [value for name, value in request.headers.items() if name.lower() == "cookie"]
    headers = {name: value for name, value in request.headers.items() if name.lower() != "cookie"}
    return request._replace(headers={**headers, "cookie": "; ".join([*given, cookies])})


def _redirected(request: Request, head: Head) -> Request:
    """The request for the target of a redirect, with the fields that may be sent there.

    Raises `TransferError` for a target that must not be followed: no valid URL, from https to http, or to
    another origin for a request that is confidential.
    """
    here = origin(request.url)
    try:
        target = parse(head.headers.get("location"), request.url)
    except TransferError as error:
        raise TransferError(
            f"{redacted(request.url)}: redirect to {error}", kind="redirect-refused"
        ) from None
    there = origin(target)
    downgrades = here.scheme == "https" and there.scheme == "http"
    if there.scheme not in ("http", "https") or downgrades or (request.confidential and here != there):
        raise TransferError(
            f"{redacted(request.url)}: redirect to {there.scheme}: refused ({redacted(target)})",
            kind="redirect-refused",
        )
    if request.method != "GET" and head.status not in REDIRECTS_WITH_METHOD:
        request = request._replace(method="GET", body=None)
    carried = {k: v for k, v in request.headers.items() if here == there or k.lower() in FORWARDED_FIELDS}
    if request.body is None:
        carried = {k: v for k, v in carried.items() if k.lower() != "content-type"}
    return request._replace(url=target, headers=carried, begun=None)
