"""Hides what servers do to links: missing parts, lost https, other hosts, relative hrefs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..core import urls
from ..core.errors import CatalogError, MlhubError
from ..core.model import JsonObject


def links_of(body: JsonObject, rel: str) -> Iterator[JsonObject]:
    """The links of this relation that have an href to follow; whatever else stands there is passed over."""
    listed: Any = body.get("links")
    for link in listed if isinstance(listed, list) else ():
        if isinstance(link, dict) and link.get("rel") == rel:
            href = link.get("href")
            if isinstance(href, str) and href.strip():
                yield link


def resolved(href: str, base: str) -> str:
    """`href` as an absolute URL, or as it was written where it makes none: its user then fails by name."""
    if href.startswith(("https://", "http://")):
        return href
    try:
        return urls.parse(href, base)
    except MlhubError:
        return href


def followed(href: str, base: str, allowed: Collection[str]) -> str:
    """The URL a link leads to. Raises `TransferError` for a bad href, `CatalogError` for another origin.

    `allowed` are origins as `str(urls.origin(url))` writes them, beside the one of `base`.
    A link that fell back from https to http on the host it was read from is lifted to https again:
    servers behind a proxy write such links, and nobody should send a key over them.
    """
    url = urls.parse(href, base)
    trusted = {str(urls.origin(base)), *allowed}
    for known in (url, _lifted(url)):
        if str(urls.origin(known)) in trusted:
            return known
    other = str(urls.origin(_lifted(url) if base.startswith("https:") else url))
    if not url.startswith(("https://", "http://")):
        raise CatalogError(
            f"{urls.redacted(base)} leads on to a file, which is not followed", kind="cross-origin"
        )
    raise CatalogError(
        f"{urls.redacted(base)} leads on to another origin, {other}: "
        f"if you trust it, add --allow-origin {other}",
        kind="cross-origin",
    )


def _lifted(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http":
        return url
    return urlunsplit(parts._replace(scheme="https", netloc=parts.netloc.removesuffix(":80")))
