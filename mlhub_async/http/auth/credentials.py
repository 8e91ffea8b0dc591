"""Which origin may see which secret, and where the secrets of a run come from."""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.model import Request
from ...core.secret import Secret, one_line
from .profiles import ANONYMOUS, profile_key, profiles_path

SHORTEST = 8
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "if-range", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Fields that say how a message is framed or what part of it is meant: set by the program alone."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One header field or query parameter, and the origins that may see it."""

    kind: Literal["header", "query"]
    name: str
    value: Secret
    origins: frozenset[urls.Origin]


class Credentials:
    """Every credential of a run. `sign` adds to a request those that belong to its origin, and no other."""

    def __init__(
        self,
        credentials: Iterable[Credential] = (),
        again: Callable[[], Iterable[Credential]] | None = None,
    ) -> None:
        """`again` reads them anew where they came from: a profile may have got another key meanwhile."""
        self._of: dict[urls.Origin, tuple[Credential, ...]] = {}
        self._ours: set[Secret] = set()
        self._again = again
        self._renewed: set[urls.Origin] = set()
        self._take(credentials)

    def _take(self, credentials: Iterable[Credential]) -> None:
        self._of = {}
        for credential in credentials:
            bare = Secret(credential.value.reveal().removeprefix("Bearer "))
            self._ours |= {credential.value, bare}
            for origin in credential.origins:
                self._of[origin] = (*self._of.get(origin, ()), credential)

    @property
    def secrets(self) -> frozenset[Secret]:
        return frozenset(c.value for known in self._of.values() for c in known)

    def sign(self, request: Request) -> Request:
        """The request as it may go out: the same object where nothing belongs to its origin."""
        known = self._of and self._of.get(urls.origin(request.url))
        if not known:
            return self.cleaned(request)
        for credential in known:
            request = _applied(credential, request)
        return request

    def sign_anew(self, request: Request) -> Request:
        """The request after a 401: with the credentials that are there now, looked at once per origin."""
        place = urls.origin(request.url)
        if place in self._of and place not in self._renewed and self._again is not None:
            self._renewed.add(place)
            with contextlib.suppress(UsageError):  # the profile is gone: what we have is what there is
                self._take(list(self._again()))
        return self.sign(request)

    def open(self, place: urls.Origin) -> bool:
        """Whether there is anything that should let us in there."""
        return place in self._of

    def cleaned(self, request: Request) -> Request:
        """The request without our secrets in its query: servers echo them into the hrefs they write."""
        url = self.without_ours(request.url)
        return request if url == request.url else request._replace(url=url)

    def without_ours(self, url: str) -> str:
        """A URL, or any text, without our secrets in its query."""
        if not self._ours or "?" not in url:
            return url
        return urls.without_parameter_values(url, self._is_ours)

    def _is_ours(self, text: str) -> bool:
        """What is shorter is no secret that anybody gave out, but may well be a page number."""
        return len(text) >= SHORTEST and Secret(text) in self._ours


def _applied(credential: Credential, request: Request) -> Request:
    name, value = credential.name, credential.value.reveal()
    if credential.kind == "query":
        return request._replace(url=urls.with_parameter(request.url, name, value))
    headers = {k: v for k, v in request.headers.items() if k.lower() != name.lower()}
    return request._replace(headers={**headers, name: value})


def mlhub_credential(
    root_url: str,
    *,
    api_key: str | Secret | None = None,
    api_token: str | Secret | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credential | None:
    """The credential for the API at `root_url`, bound to its origin, or None: nobody gave one.

    The first that is set wins: `api_key`, `api_token`, MLHUB_API_KEY, `profile`, MLHUB_PROFILE, the
    profile [default], MLHUB_ACCESS_TOKEN. A profile that was named must exist.
    """
    environ = os.environ if environ is None else environ
    origins = _origins(root_url)
    if token := None if api_key else api_token:
        return _bearer(token, origins)
    named = profile or environ.get("MLHUB_PROFILE")
    key = api_key or environ.get("MLHUB_API_KEY")
    if not key and named == ANONYMOUS:
        return None
    if key := key or profile_key(profiles_path(environ), named):
        return Credential("query", "key", Secret(one_line(key, "the API key")), origins)
    token = environ.get("MLHUB_ACCESS_TOKEN")
    return _bearer(token, origins) if token else None


def _bearer(token: str | Secret, origins: frozenset[urls.Origin]) -> Credential:
    secret = Secret(f"Bearer {one_line(token, 'the access token')}")
    return Credential("header", "Authorization", secret, origins)


def header_credentials(pairs: Iterable[tuple[str, str | Secret]], source_url: str) -> list[Credential]:
    """The headers the user gave, bound to the origin of SOURCE."""
    found = []
    for name, value in pairs:
        check_header_name(name)
        secret = Secret(one_line(value, f"header {name}"))
        found.append(Credential("header", name, secret, _origins(source_url)))
    return found


def basic(login: str, password: str) -> Secret:
    """The value of an Authorization field that says this."""
    return Secret("Basic " + base64.b64encode(f"{login}:{password}".encode()).decode())


def _origins(url: str) -> frozenset[urls.Origin]:
    try:
        return frozenset({urls.origin(urls.parse(url))})
    except TransferError as error:
        raise UsageError(f"credentials need an http(s) URL to belong to: {error.message}") from None


def check_header_name(name: str) -> None:
    """Raises UsageError for what is no field name, or is a field that the program itself must set."""
    if not _TOKEN.fullmatch(name):
        raise UsageError(f"{name!r} is no header name: write it as 'Name: value'")
    if name.lower() in _OURS:
        raise UsageError(f"header {name} is set by the program itself: drop it")
