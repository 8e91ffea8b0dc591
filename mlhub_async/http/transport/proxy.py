"""Parses --proxy: the URL of the proxy, and the credentials that only the proxy may see."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from ...core import urls
from ...core.errors import TransferError, UsageError
from ...core.secret import Secret
from ..auth.credentials import basic


@dataclass(frozen=True, slots=True)
class Proxy:
    """The HTTP proxy for all requests. `authorization` is sent to the proxy only."""

    url: str
    authorization: Secret | None = None


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
