"""Separates what a URL identifies from signatures, credentials and tokens; changes of its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import quote, unquote_plus

from .. import pattern_on_use
from ..errors import TransferError
from .parsing import MAX_URL_CHARS, origin, parse
from .redaction import (
    has_download_token,
    has_secure_link,
    is_credential,
    is_secret,
    mask_tokens,
    placeholder,
    without_user,
)

_is_plain = re.compile(r"(?:https?://[a-z0-9._-]+(?::(?!80/|443/)\d+)?|file://)/[^?#]*+", re.ASCII).fullmatch
split_plain = re.compile(
    r"(https?://[a-z0-9._-]+(?::[0-9]+)?)((?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*+)++)", re.ASCII
).fullmatch
"""Origin and path of a URL of the plain form, as most files have: it is sent as it is written."""

# So short that they may mean something else: parts of a signature only where there is a `sig` too.
_AZURE = pattern_on_use("sig|s[ertpvis]|srt|sip|spr|sdd|ses|skoid|sktid|sk[tesv]|saoid|suoid|scid|rsc[cdelt]")
_SIGNATURE = pattern_on_use("sig|signature|x-amz-signature|x-goog-signature|hdnts|hdnea|__token__")

_CLOUD = pattern_on_use(
    "signature|expires|policy|key-pair-id|awsaccesskeyid|ossaccesskeyid|googleaccessid|security-token"
)
_SIGNING_SCHEMES = (
    ({"x-amz-signature"}, pattern_on_use("x-amz-.*", re.DOTALL)),
    ({"x-goog-signature"}, pattern_on_use("x-goog-.*", re.DOTALL)),
    ({"signature", "expires"}, _CLOUD),
    ({"signature", "policy"}, _CLOUD),
    ({"sig", "se"}, _AZURE),
    ({"sig", "sv"}, _AZURE),
    ({"sig", "skv"}, _AZURE),
    ({"md5", "expires"}, pattern_on_use("md5|expires")),
)
"""Of each scheme the parameters that every signature has, and all that may belong to it, in lower case.

That of `md5` is the secure link of nginx; alone it is a digest like others.
"""
_AKAMAI_TOKEN = pattern_on_use("(?:hdnts|hdnea|__token__)=.*hmac(?:=|%3d)", re.DOTALL | re.IGNORECASE)
_TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
"""That of Microsoft, in whose name the Planetary Computer signs."""
_PLACEHOLDER = pattern_on_use(r"[=/]~[0-9a-f]{16}(?=[&#?]|\Z)")

_OBJECT_KEY = pattern_on_use(r"key=[^&=]*\.[A-Za-z][A-Za-z0-9]{1,4}", re.IGNORECASE)
"""`key=a/b.tif`, of a script before an object store: no API key has the form of a file name."""


def canonical(url: str) -> str:
    """The same text for all URLs of one object: without fragment, default port and signatures.

    Other credentials may be all that distinguishes two files: they are replaced by placeholders. Not for
    paging links: there, a parameter that looks like a key may be the cursor.
    """
    if _is_plain(url):
        return mask_tokens(url) if "/download/" in url else url
    base, query = _split_query(url)
    kept = "&".join(map(_masked, _without_signature(query))) if query else ""
    return mask_tokens(f"{base}?{kept}" if kept else base)


def identify(href: str) -> str:
    """`canonical(parse(href))`, in a fraction of its time for a URL of the plain form. Raises as `parse`."""
    plain = split_plain(href)
    if plain and _is_own(plain[1]) and "/download/" not in href and len(href) <= MAX_URL_CHARS:
        return href
    return canonical(parse(href))


@lru_cache(maxsize=1024)
def _is_own(place: str) -> bool:
    """Whether an origin is written as in canonical URLs."""
    try:
        return canonical(parse(f"{place}/")) == f"{place}/"
    except TransferError:
        return False


def _split_query(url: str) -> tuple[str, str]:
    """The URL without default port, query and fragment; the query."""
    start, _, query = url.partition("#")[0].partition("?")
    slash = start.find("/", start.find("://") + 3)
    return f"{origin(start)}{start[slash:] if slash >= 0 else '/'}", query


def _without_signature(query: str) -> list[str]:
    named = [(_name(pair).strip().lower(), pair) for pair in query.split("&")]
    names = {name for name, _ in named}
    belongs = [belonging for required, belonging in _SIGNING_SCHEMES if required <= names]
    return [
        pair
        for name, pair in named
        if not any(form.fullmatch(name) for form in belongs) and not _AKAMAI_TOKEN.match(pair)
    ]


def split_shared_access(url: str) -> tuple[str, str]:
    """The URL without a shared access signature of Azure Storage, and the parameters of that; "" for none."""
    start, _, query = url.partition("?")
    names = {_name(pair).lower() for pair in query.split("&")}
    if not any(required <= names for required, belongs in _SIGNING_SCHEMES if belongs is _AZURE):
        return url, ""
    pairs = [(bool(_AZURE.fullmatch(_name(pair).lower())), pair) for pair in query.split("&")]
    kept = "&".join(pair for is_part, pair in pairs if not is_part)
    signature = "&".join(pair for is_part, pair in pairs if is_part)
    return f"{start}?{kept}" if kept else start, signature


def without_signature(url: str) -> str:
    """The URL without the parameters of a signature that it has, of whatever scheme."""
    start, _, query = url.partition("?")
    kept = "&".join(_without_signature(query))
    return f"{start}?{kept}" if kept else start


def _masked(pair: str, more: Sequence[str] = ()) -> str:
    """`more`: names of further parameters that are secret in this query."""
    name, _, value = pair.partition("=")
    hide = is_secret(unquote_plus(name)) or _name(pair).lower() in more
    return f"{name}={placeholder(value)}" if value and hide else pair


def with_placeholders(url: str) -> str:
    """Any text that may be a URL, with placeholders for signatures, tokens and keys in its query."""
    start, question, rest = url.partition("?")
    query, end, fragment = rest.partition("#")
    names = ("md5",) if has_secure_link(query) else ()
    masked = [_masked(pair, names) for pair in query.split("&")]
    return mask_tokens(start + question + "&".join(masked)) + end + fragment


def has_placeholder(url: str) -> bool:
    """Whether a URL has a placeholder, so that it cannot be fetched as it is."""
    return "~" in url and bool(_PLACEHOLDER.search(url))


def is_of_planetary_computer(signature: str) -> bool:
    """Whether a shared access signature is made in the name of the Planetary Computer: anybody gets one."""
    return f"sktid={_TENANT}" in signature


def without_secrets(url: str) -> str:
    """A URL as it may be stored: absolute, without credentials, with placeholders for tokens.

    It is no identity: two URLs that differ in a key only become the same.
    """
    if _is_plain(url):
        return mask_tokens(url)
    base, query = _split_query(url)
    kept = _identifying(query)
    return mask_tokens(f"{base}?{kept}" if kept else base)


def without_credentials(url: str) -> str:
    """Any text that may be a URL, as it was written: without a user name and credentials in its query."""
    start, question, rest = url.partition("?")
    query, end, fragment = rest.partition("#")
    kept = _identifying(query)
    start = without_user(start) if "://" in start else start
    return mask_tokens(start + (question if kept or not query else "") + kept) + end + fragment


def _identifying(query: str) -> str:
    """The query without the parameters that only authenticate."""
    pairs = [(_name(pair), pair) for pair in query.split("&")]
    azure, secure_link = any(name.lower() == "sig" for name, _ in pairs), has_secure_link(query)
    return "&".join(
        pair
        for name, pair in pairs
        if (
            not (is_credential(name) or (azure and _AZURE.fullmatch(name.lower())))
            and not (secure_link and name.lower() == "md5")
        )
        or _OBJECT_KEY.fullmatch(pair)
    )


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def without_parameters(url: str, *names: str) -> str:
    """The URL without all query parameters of these names."""
    rest, sharp, fragment = url.partition("#")
    start, _, query = rest.partition("?")
    kept = "&".join(pair for pair in query.split("&") if _name(pair) not in names)
    return (f"{start}?{kept}" if kept else start) + sharp + fragment


def without_parameter_values(url: str, unwanted: Callable[[str], bool]) -> str:
    """The URL without the query parameters, of whatever name, whose decoded value is unwanted."""
    rest, sharp, fragment = url.partition("#")
    start, _, query = rest.partition("?")
    kept = "&".join(p for p in query.split("&") if not unwanted(unquote_plus(p.partition("=")[2])))
    return (f"{start}?{kept}" if kept else start) + sharp + fragment


def with_parameter(url: str, name: str, value: str) -> str:
    """The URL with exactly one query parameter of this name, as the last one; name and value are encoded."""
    rest, sharp, fragment = without_parameters(url, name).partition("#")
    glue = "&" if "?" in rest else "?"
    return f"{rest}{glue}{quote(name, safe='')}={quote(value, safe='')}{sharp}{fragment}"


def is_expiring(url: str) -> bool:
    """Whether a URL is signed or has an MLHub download token: after a while it must be read anew."""
    if "?" not in url:
        return has_download_token(url)
    query = url.partition("?")[2].partition("#")[0]
    names = [_name(pair).lower() for pair in query.split("&")]
    return any(map(_SIGNATURE.fullmatch, names)) or has_secure_link(query) or has_download_token(url)
