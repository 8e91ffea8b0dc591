"""Hides which parts of a URL say what is fetched and which only who asks, until when, and by which page."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote_plus

from .parsing import origin
from .shown import download_token, is_credential, without_token, without_user

_plain = re.compile(r"https?://[a-z0-9._-]+(?::(?!80/|443/)\d+)?/[^?#]*+", re.ASCII).fullmatch

# Short enough to mean something else, so they are a signature's only in the company of `sig`.
_azure = re.compile(
    "sig|s[ertpvis]|srt|sip|spr|sdd|ses|skoid|sktid|sk[tesv]|saoid|suoid|scid|rsc[cdelt]"
).fullmatch
_signature = re.compile("sig|signature|x-amz-signature|x-goog-signature|hdnts|hdnea|__token__").fullmatch


def canonical(url: str) -> str:
    """What an asset's URL identifies: no secrets, signature, fragment or default port.

    A token that may be all that tells one file from another has a mark in its place.
    Not for paging links: there, a parameter that looks like a key may be the cursor.
    """
    return without_token(url) if _plain(url) else without_token(lasting(url))


def lasting(url: str) -> str:
    """The same with its tokens: for a list that is to be a source again."""
    if _plain(url):
        return url
    start, _, query = url.partition("#")[0].partition("?")
    slash = start.find("/", start.find("://") + 3)
    place = f"{origin(start)}{start[slash:] if slash >= 0 else '/'}"
    kept = _without_credentials(query)
    return f"{place}?{kept}" if kept else place


def unsigned(url: str) -> str:
    """Any URL as it was written, without a user name and without what in its query proves who asks."""
    start, mark, rest = url.partition("?")
    query, end, fragment = rest.partition("#")
    kept = _without_credentials(query)
    start = without_user(start) if "://" in start else start
    return without_token(start + (mark if kept or not query else "") + kept) + end + fragment


def _without_credentials(query: str) -> str:
    pairs = [(_name(pair), pair) for pair in query.split("&")]
    azure = any(name.lower() == "sig" for name, _ in pairs)
    return "&".join(p for name, p in pairs if not (is_credential(name) or (azure and _azure(name.lower()))))


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def without(url: str, *names: str) -> str:
    """The URL without any copy of these query parameters."""
    rest, mark, fragment = url.partition("#")
    start, _, query = rest.partition("?")
    kept = "&".join(pair for pair in query.split("&") if _name(pair) not in names)
    return (f"{start}?{kept}" if kept else start) + mark + fragment


def without_values(url: str, unwanted: Callable[[str], bool]) -> str:
    """The URL without the query parameters, of whatever name, whose decoded value is unwanted."""
    rest, mark, fragment = url.partition("#")
    start, _, query = rest.partition("?")
    kept = "&".join(p for p in query.split("&") if not unwanted(unquote_plus(p.partition("=")[2])))
    return (f"{start}?{kept}" if kept else start) + mark + fragment


def with_query(url: str, name: str, value: str) -> str:
    """The URL with exactly one query parameter of this name, at the end."""
    rest, mark, fragment = without(url, name).partition("#")
    glue = "&" if "?" in rest else "?"
    return f"{rest}{glue}{quote(name, safe='')}={quote(value, safe='')}{mark}{fragment}"


def expiring(url: str) -> bool:
    """Whether it is signed, or an MLHub download token: its item must give a new one after a while."""
    if "?" not in url:
        return download_token(url)
    query = url.partition("?")[2].partition("#")[0]
    return any(_signature(_name(pair).lower()) for pair in query.split("&")) or download_token(url)
