"""Links of STAC documents: found by relation, made absolute, and followed to trusted origins only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..core import urls
from ..core.errors import CatalogError, MlhubError
from ..core.model import JsonObject


def links_of(body: JsonObject, rel: str) -> Iterator[JsonObject]:
    """The links with this relation that have an href. Anything else among the links is skipped."""
    listed: Any = body.get("links")
    for link in listed if isinstance(listed, list) else ():
        if isinstance(link, dict) and link.get("rel") == rel:
            href = link.get("href")
            if isinstance(href, str) and href.strip():
                yield link


def resolve(href: str, base: str) -> str:
    """`href` as an absolute URL, or as it was written if it makes none: its transfer then fails by name."""
    if href.startswith(("https://", "http://")):
        return href
    try:
        return urls.parse(href, base)
    except MlhubError:
        return href


def resolve_trusted(href: str, base: str, allowed: Collection[str]) -> str:
    """The URL that a link of the document at `base` leads to.

    Raises `TransferError` for a bad href, `CatalogError` for an origin that is neither that of `base` nor
    one of `allowed` (written as `str(urls.origin(url))`). A link with http to an https origin is changed
    to https: servers behind a proxy write such links, and no key should be sent over them.
    """
    url = urls.parse(href, base)
    trusted = {str(urls.origin(base)), *allowed}
    for known in (url, _with_https(url)):
        if str(urls.origin(known)) in trusted:
            return known
    other = str(urls.origin(_with_https(url) if base.startswith("https:") else url))
    if not url.startswith(("https://", "http://")):
        raise CatalogError(
            f"{urls.redacted(base)} leads on to a file, which is not followed", kind="cross-origin"
        )
    raise CatalogError(
        f"{urls.redacted(base)} leads on to another origin, {other}: "
        f"if you trust it, add --allow-origin {other}",
        kind="cross-origin",
    )


def _with_https(url: str) -> str:
    split = urlsplit(url)
    if split.scheme != "http":
        return url
    return urlunsplit(split._replace(scheme="https", netloc=split.netloc.removesuffix(":80")))
