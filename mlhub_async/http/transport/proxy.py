"""Parses --proxy: the URL of the proxy, and the credentials that only the proxy may see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.secret import Secret
from ..auth.credentials import basic

PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Proxy:
    """The HTTP proxy for all requests. `authorization` is sent to the proxy only."""

    url: str
    authorization: Secret | None = None


def unused_proxy_advice(environ: Mapping[str, str]) -> str:
    """What to say, where no connection is made, of a proxy that the environment names; "" for none."""
    names = [name for one in PROXY_VARIABLES for name in (one, one.lower()) if environ.get(name)]
    return f"; {names[0]} is set, but only a proxy that --proxy names is used" if names else ""


def proxy_of(given: str | Secret) -> Proxy:
    """Parse http://host:port or http://user:password@host:port. Raises `UsageError`, without the password."""
    text = Secret.of(given).reveal().strip()
    scheme, _, rest = text.partition("://")
    user, at, place = rest.rpartition("@")
    login, colon, password = user.partition(":")
    try:
        where = urls.parse(f"{scheme}://{place}" if place else text)
        shown = str(urls.origin(where))
    except TransferError:
        where = shown = ""
    if not shown.startswith("http://") or where.rstrip("/") != shown or (at and not colon):
        raise UsageError("--proxy must be like http://host:port or http://user:password@host:port")
    return Proxy(where, basic(unquote(login), unquote(password)) if at else None)
