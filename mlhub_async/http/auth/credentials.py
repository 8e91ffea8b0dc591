"""Credentials with the origins that may see them: MLHub keys and tokens, and header fields of the user."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from ...core import pattern_on_use
from ...core.errors import TransferError, UsageError
from ...core.secret import Secret, one_line
from ...core.urls import Origin, origin, parse
from .profiles import ANONYMOUS, default_key, profile_key, profiles_path

BEARER = "Bearer "
_FIELD_NAME = pattern_on_use(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_FIELDS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "if-range", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Fields that only the program may set: framing, connection and ranges."""


class Credential(NamedTuple):
    """One header field or query parameter, and the origins that may see it."""

    kind: Literal["header", "query"]
    name: str
    value: Secret
    origins: frozenset[Origin]


def mlhub_credential(
    root_url: str,
    *,
    api_key: str | Secret | None = None,
    api_token: str | Secret | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credential | None:
    """The credential for the API at `root_url`, bound to its origin, or None if there is none.

    The first that is set wins: `api_key`, `api_token`, `profile`, MLHUB_API_KEY, MLHUB_PROFILE, the
    profile [default], MLHUB_ACCESS_TOKEN. Raises `UsageError` for a profile that is named but does not exist.
    """
    environ = os.environ if environ is None else environ
    origins = _origins(root_url)
    if token := None if api_key else api_token:
        return bearer(token, origins)
    name = profile or environ.get("MLHUB_PROFILE")
    key = api_key or (None if profile else environ.get("MLHUB_API_KEY"))
    if not key and name == ANONYMOUS:
        return None
    if not key:
        key = profile_key(profiles_path(environ), name) if name else default_key(environ)
    if key:
        return Credential("query", "key", Secret(one_line(key, "the API key")), origins)
    token = environ.get("MLHUB_ACCESS_TOKEN")
    return bearer(token, origins) if token else None


def mlhub_place(profile: str | None, environ: Mapping[str, str]) -> str:
    """Where `mlhub_credential` finds the credential that is no argument of its own."""
    if not profile and environ.get("MLHUB_API_KEY"):
        return "MLHUB_API_KEY"
    if name := profile or environ.get("MLHUB_PROFILE"):
        return f"the profile {name}"
    return "the profile default" if default_key(environ) else "MLHUB_ACCESS_TOKEN"


def bearer(token: str | Secret, origins: frozenset[Origin]) -> Credential:
    """A bearer token (RFC 6750) for these origins."""
    secret = Secret(f"{BEARER}{one_line(token, 'the access token')}")
    return Credential("header", "Authorization", secret, origins)


def header_credentials(pairs: Iterable[tuple[str, str | Secret]], source_url: str | None) -> list[Credential]:
    """Header fields of the user, bound to the origin of SOURCE, or to the one before the name.

    A name is "Name" or "https://host Name". `source_url` is None for a SOURCE that has no origin. Raises
    `UsageError` for an invalid field, and for one without an origin to be bound to.
    """
    found = []
    for given, value in pairs:
        origin_url, name = split_header_name(given)
        check_header_name(name)
        secret = Secret(one_line(value, f"header {name}"))
        if (url := origin_url or source_url) is None:
            raise UsageError(
                f"header {name}: SOURCE is local and has no origin that may see it; write the host before "
                f"the name: 'https://host {name}: value'"
            )
        found.append(Credential("header", name, secret, _origins(url)))
    return found


def split_header_name(given: str) -> tuple[str | None, str]:
    """The origin and the name of "https://host Name"; None and the name where there is no origin."""
    origin_url, space, name = given.strip().rpartition(" ")
    return (origin_url.strip(), name) if space and "://" in origin_url else (None, given)


def basic(login: str, password: str) -> Secret:
    """The value of an Authorization field for Basic authentication (RFC 7617), in UTF-8."""
    return Secret("Basic " + base64.b64encode(f"{login}:{password}".encode()).decode())


def _origins(url: str) -> frozenset[Origin]:
    try:
        return frozenset({origin(parse(url))})
    except TransferError as error:
        raise UsageError(f"credentials need an http(s) URL to belong to: {error.message}") from None


def check_header_name(name: str) -> None:
    """Raises `UsageError` for an invalid field name (RFC 9110 section 5.1) or one of `_OWN_FIELDS`."""
    if not _FIELD_NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no header name: write it as 'Name: value'")
    if name.lower() in ("http", "https"):
        raise UsageError(f"{name}://… names a host, but no header: write it as 'https://host Name: value'")
    if name.lower() in _OWN_FIELDS:
        raise UsageError(f"header {name} is set by the program itself: leave it out")
