"""Hides which parts of a URL say what is fetched and which only who asks, until when, and by which page."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote_plus

from .parsing import origin
from .redaction import download_token, is_credential, is_shy, mark, without_token, without_user

_plain = re.compile(r"https?://[a-z0-9._-]+(?::(?!80/|443/)\d+)?/[^?#]*+", re.ASCII).fullmatch

# Short enough to mean something else, so they are a signature's only in the company of `sig`.
_azure = re.compile(
    "sig|s[ertpvis]|srt|sip|spr|sdd|ses|skoid|sktid|sk[tesv]|saoid|suoid|scid|rsc[cdelt]"
).fullmatch
_signature = re.compile("sig|signature|x-amz-signature|x-goog-signature|hdnts|hdnea|__token__").fullmatch

_cloud = re.compile(
    "signature|expires|policy|key-pair-id|awsaccesskeyid|ossaccesskeyid|googleaccessid|security-token"
).fullmatch
_SCHEMES = (
    ({"x-amz-signature"}, re.compile("x-amz-.*", re.DOTALL).fullmatch),
    ({"x-goog-signature"}, re.compile("x-goog-.*", re.DOTALL).fullmatch),
    ({"signature", "expires"}, _cloud),
    ({"signature", "policy"}, _cloud),
    ({"sig", "se"}, _azure),
    ({"sig", "sv"}, _azure),
    ({"sig", "skv"}, _azure),
)
"""What is always there where something is signed this way, and all that may be a part of the signature."""
_akamai = re.compile("(?:hdnts|hdnea|__token__)=.*hmac(?:=|%3d)", re.DOTALL | re.IGNORECASE).match

_object_key = re.compile(r"key=[^&=]*\.[A-Za-z][A-Za-z0-9]{1,4}", re.IGNORECASE).fullmatch
"""Of an object store behind a script, `key=a/b.tif`: no key that is given out has the form of a file name."""


def canonical(url: str) -> str:
    """What a URL identifies: without fragment, default port, and the signatures that change for one object.

    Whatever else proves who asks may be all that tells one file from another: it has a mark in its place.
    Not for paging links: there, a parameter that looks like a key may be the cursor.
    """
    if _plain(url):
        return without_token(url)
    place, query = _divided(url)
    kept = "&".join(map(_marked, _without_signature(query))) if query else ""
    return without_token(f"{place}?{kept}" if kept else place)


def _divided(url: str) -> tuple[str, str]:
    start, _, query = url.partition("#")[0].partition("?")
    slash = start.find("/", start.find("://") + 3)
    return f"{origin(start)}{start[slash:] if slash >= 0 else '/'}", query


def _without_signature(query: str) -> list[str]:
    named = [(_name(pair).strip().lower(), pair) for pair in query.split("&")]
    names = {name for name, _ in named}
    parts = [part for signs, part in _SCHEMES if signs <= names]
    return [pair for name, pair in named if not any(part(name) for part in parts) and not _akamai(pair)]


def _marked(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={mark(value)}" if value and is_shy(unquote_plus(name)) else pair


def public(url: str) -> str:
    """A URL as it may be written down: absolute, without what proves who asks, with marks for tokens.

    Two URLs that only a key tells apart become one: no identity.
    """
    if _plain(url):
        return without_token(url)
    place, query = _divided(url)
    kept = _without_credentials(query)
    return without_token(f"{place}?{kept}" if kept else place)


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
    return "&".join(
        pair
        for name, pair in pairs
        if not (is_credential(name) or (azure and _azure(name.lower()))) or _object_key(pair)
    )


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
