"""Parses URLs by RFC 3986, and refuses those that two parsers could read in two ways.

Functions that are called per file are written for a URL that needs no change: one match of a regular
expression.
"""

from __future__ import annotations

import ipaddress
import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes

from .. import pattern_on_use
from ..errors import TransferError
from .redaction import redacted, term_safe
from .stores import is_store_address, store_address

MAX_URL_CHARS = 65_536
PORTS = {"http": 80, "https": 443, "file": 0}

_PORT = r"[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_NAMED = r"(?:[a-z0-9_-]+\.)*+[a-z][a-z0-9-]*+"
_LEGAL = r"A-Za-z0-9\-._~!$&'()*+,;=:@/?"
_TAIL = rf"[{_LEGAL}]*+(?:%[0-9A-Fa-f]{{2}}[{_LEGAL}]*+)*+"
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.~-]*+"

_is_clean = re.compile(
    rf"(?:https?://(?=[^/:]{{1,253}}[/:])(?:{_NAMED}|{_IPV4})(?::(?:{_PORT}))?|file://)/{_TAIL}", re.ASCII
).fullmatch
_relative_path = re.compile(rf"(?:\./)?+((?:{_SEGMENT}/)*+{_SEGMENT})", re.ASCII).fullmatch
_is_port = re.compile(_PORT, re.ASCII).fullmatch
_DOTTED_QUAD = pattern_on_use(_IPV4, re.ASCII)
_is_host_name = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,252}", re.ASCII).fullmatch
_NUMBER = pattern_on_use(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?", re.ASCII)
_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII).match
_AUTHORITY = pattern_on_use(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*", re.ASCII)
_BEFORE_HOST = ("\\\\", "/\\", "\\/")
_ILLEGAL = pattern_on_use(rf"%(?![0-9A-Fa-f]{{2}})|[^{_LEGAL}%]+")
_CONTROL = pattern_on_use("[\x00-\x1f\x7f\ud800-\udfff]")
_plain_suffix = re.compile(
    r"[a-z]++://[^/?#%]*+/(?:[^/?#%]*+/)*+[^./?#%][^/?#%]*(\.[A-Za-z0-9]{1,8})", re.ASCII
).fullmatch
_URL_PATH = pattern_on_use(r"(https?://[^/?]*)(/[^?]*)")
_END_OF_HOST = pattern_on_use("[/?#]")


class Origin(NamedTuple):
    """Scheme, host and port: what credentials, limits and connections belong to.

    `host` is in lower case and without brackets; `port` is the default of the scheme where the URL has none.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{_bracketed(self.host)}{port}"


def origin(url: str) -> Origin:
    """The origin of a URL that `parse` returned. Raises `TransferError` for one that it would refuse."""
    end = url.find("/", 8)
    return _origin(url if end < 0 else url[:end])


@lru_cache(maxsize=1024)
def _origin(prefix: str) -> Origin:
    scheme, _, rest = prefix.partition("://")
    scheme = scheme.lower()
    if scheme == "file":
        return Origin("file", "", 0)
    try:
        host, port = _authority(_END_OF_HOST.split(rest, maxsplit=1)[0])
        return Origin(scheme, host, port or PORTS[scheme])
    except (ValueError, KeyError):
        raise _bad_href(prefix, "it has no origin") from None


def parse(href: object, base: str | None = None) -> str:
    """The absolute http, https or file URL that `href` means, as it is sent byte for byte.

    Legal characters stay as they were written (signatures depend on it), others are percent-encoded, a
    fragment is dropped. `base` is a URL that was parsed before; without it a relative href is refused.
    Raises `TransferError`, kind "bad-href" or "unsupported-scheme".
    """
    if not isinstance(href, str) or not href.strip(" "):
        raise TransferError("the href is missing, empty or not text", kind="bad-href")
    if len(href) <= MAX_URL_CHARS and _is_clean(href):
        return href
    try:
        return _resolve(href.strip(" "), base)
    except ValueError as error:
        raise _bad_href(href, str(error)) from None


def _resolve(href: str, base: str | None) -> str:
    if len(href) > MAX_URL_CHARS:
        raise ValueError(f"it is longer than {MAX_URL_CHARS} characters")
    if base is not None and "?" not in base and (relative := _relative_path(href)):
        directory = base[: base.rfind("/") + 1]
        if not directory.endswith("//"):
            return _checked(directory + relative[1])
    if _CONTROL.search(href):
        raise ValueError("it contains control characters")
    if "\\" in href:
        href = _with_slashes(href)
    if _has_scheme(href):
        return _absolute(href)
    if base is None:
        raise ValueError("it is relative, and nothing says to what")
    if href[:2] in _BEFORE_HOST:
        raise ValueError("it has a backslash where a host would be")
    if href.startswith("//"):
        return _absolute(base.partition(":")[0] + ":" + href)
    return _checked(_join(base, href.partition("#")[0]))


def _with_slashes(href: str) -> str:
    """The href with slashes for the backslashes in its path, which Windows wrote: browsers read them so.

    Those where a host would be are refused later; those in a query are data.
    """
    authority = _AUTHORITY.match(href)
    if authority is None and (_has_scheme(href) or href[:2] in _BEFORE_HOST):
        return href
    begin = authority[0] if authority else ""
    path, mark, query = href[len(begin) :].partition("?")
    return begin + path.replace("\\", "/") + mark + query


def _checked(url: str) -> str:
    return url if _is_clean(url) else _absolute(url)


def _join(base: str, href: str) -> str:
    """RFC 3986 section 5.2 for a path or a query. Unlike `urljoin` it keeps empty segments, as of S3 keys."""
    start = base.partition("?")[0]
    cut = start.find("/", start.find("://") + 3)
    root, here = (start[:cut], start[cut:]) if cut > 0 else (start, "/")
    path, question, query = href.partition("?")
    if not path:
        return root + here + question + query if question else base
    path = path if path.startswith("/") else here[: here.rfind("/") + 1] + path
    return root + _without_dots(path) + question + query


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and segments[-1] in (".", "..") else "")


def _absolute(href: str) -> str:
    scheme, _, rest = href.partition(":")
    scheme, rest = scheme.lower(), rest.partition("#")[0]
    if scheme not in PORTS:
        if is_store_address(href):
            store_address(href)  # raises what is wrong with it
        message = (
            f"the href has the scheme {term_safe(scheme, 20)!r}; only http, https and file can be fetched"
        )
        raise TransferError(message, kind="unsupported-scheme")
    host, tail = _split_host(rest)
    if scheme == "file":
        if host.lower() not in ("", "localhost") or not tail.startswith("/"):
            raise ValueError("a file URL needs an absolute path on this machine")
        return "file://" + _escaped(tail)
    name, port = _authority(host)
    authority = _bracketed(name) + (f":{port}" if port else "")
    return f"{scheme}://{authority}{'' if tail.startswith('/') else '/'}{_escaped(tail)}"


def _split_host(rest: str) -> tuple[str, str]:
    """The host as written, and all that follows it."""
    if not rest.startswith("//"):
        return "", rest
    host = _END_OF_HOST.split(rest[2:], maxsplit=1)[0]
    return host, rest[2 + len(host) :]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _escaped(tail: str) -> str:
    return _ILLEGAL.sub(lambda bad: quote(bad[0], safe=""), tail)


def _authority(text: str) -> tuple[str, int | None]:
    """Host and port. Raises `ValueError` for what two parsers could read in two ways."""
    if not text:
        raise ValueError("it has no host")
    if "@" in text or "\\" in text:
        raise ValueError("its host must not contain a user name, a password or a backslash")
    host, _, port = text.rpartition(":") if ":" in text and not text.endswith("]") else (text, "", "")
    if port and not _is_port(port):
        raise ValueError("its port is not a number from 1 to 65535")
    return _host(host), int(port) if port else None


def _host(text: str) -> str:
    if text.startswith("[") and text.endswith("]"):
        return _address6(text[1:-1])
    host = text.lower() if text.isascii() else _punycode(text)
    if not _is_host_name(host) or ".." in host:
        raise ValueError("its host is not a host name")
    if _NUMBER.fullmatch(host) and not _DOTTED_QUAD.fullmatch(host):
        raise ValueError("its host is a number, but not an IPv4 address in the usual form")
    return host


def _address6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address("" if "%" in text else text))
    except ValueError:
        raise ValueError("its host is not an IPv6 address") from None


def _punycode(text: str) -> str:
    """Raises `ValueError` for a name that IDNA changes: full-width letters, ligatures, sharp s."""
    try:
        host = text.encode("idna").decode("ascii").lower()
        faithful = host.encode("ascii").decode("idna") == unicodedata.normalize("NFC", text.lower())
    except UnicodeError:
        faithful = False
    if not faithful:
        raise ValueError("its host is not an international host name in its usual form")
    return host


def _bad_href(href: str, reason: str) -> TransferError:
    return TransferError(f"the href cannot be used, {reason}: {redacted(href)}", kind="bad-href")


def normalised(url: str) -> str:
    """A parsed URL without dot segments, as hrefs that are resolved against it are: one file has one URL."""
    found = _URL_PATH.match(url)
    return found[1] + _without_dots(found[2]) + url[found.end() :] if found else url


def from_path(path: Path) -> str:
    """The file URL of a path, made absolute, and resolved as far as it has ".." in it."""
    path = path.absolute()
    if ".." in path.parts:
        after = len(path.parts) - path.parts[::-1].index("..")
        path = Path(*path.parts[:after]).resolve().joinpath(*path.parts[after:])
    return path.as_uri()


def to_path(url: str, windows: bool = os.name == "nt") -> Path:
    """The path that a file URL names. It is not checked whether it may be read. Raises `TransferError`."""
    path = os.fsdecode(unquote_to_bytes(re.split("[?#]", url.removeprefix("file://"), maxsplit=1)[0]))
    if not url.startswith("file:///") or "\0" in path:
        raise _bad_href(url, "it does not name a local file")
    return Path(path[1:] if windows and re.match("/[A-Za-z]:(?:/|$)", path) else path)


def filename(url: str) -> str:
    """The last segment of the path, percent-decoded once and not checked; "" if there is none."""
    path = url.partition("#")[0].partition("?")[0]
    cut = path.rfind("/")
    return "" if path[:cut].endswith(":/") else unquote(path[cut + 1 :])


def suffix(url: str) -> str:
    """The file name's extension, such as ".tif"; "" if it has none of at most 8 ASCII letters and digits."""
    if (found := _plain_suffix(url)) is not None:
        return found[1]
    stem, dot, tail = filename(url).rpartition(".")
    fit = len(tail) <= 8 and tail.isascii() and tail.isalnum() and stem.strip(".")
    return dot + tail if fit else ""
