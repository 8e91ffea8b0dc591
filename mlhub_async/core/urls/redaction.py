"""Hides secrets and terminal control from whoever reads a message: what may be shown of hostile text."""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import unquote_plus

LONGEST_SHOWN = 300

_CREDENTIAL = (
    r"x-amz-.*|x-goog-.*|signature|expires|key-pair-id|policy|awsaccesskeyid|ossaccesskeyid|googleaccessid"
    r"|security-token|key|api[_-]?key|access[_-]?token|(?:ocp-apim-)?subscription-key|sas|sas_token"
    r"|hdnts|hdnea|__token__|auth|authorization|password|passwd|pwd|secret|session|jwt"
)
_credential = re.compile(_CREDENTIAL, re.IGNORECASE | re.DOTALL).fullmatch

# A `token` may say what is fetched, as a cursor does: not shown, but never left out of a URL.
_shy = re.compile(_CREDENTIAL + "|sig|token|code", re.IGNORECASE | re.DOTALL).fullmatch

_USERINFO = re.compile(
    r"^(\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*)"
    r"(?:[^/?#]*@|[^/?#@:\[\]]*:(?!\d*(?:[/?#]|$))[^@]*@)",
    re.DOTALL,
)
"""The second form is a password with a slash in it: no valid URL, and no reason to show it."""

_DOWNLOAD_TOKEN = re.compile(
    r"(/download/)(?![^/?#]*\.[A-Za-z0-9]{1,8}(?:[/?#]|$))([^/?#]{32,})(?=[?#]|$)",
)

_TOKEN = re.compile(
    r"([?&](?:t|%[57]4)(?:o|%[46]f)(?:k|%[46]b)(?:e|%[46]5)(?:n|%[46]e)=)([^&]+)", re.IGNORECASE
)
_is_mark = re.compile("~[0-9a-f]{16}").fullmatch

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def term_safe(text: object, limit: int = 80) -> str:
    """Text of unknown origin on one line: no escape sequence, no line break, no change of direction."""
    shown = inert((text if isinstance(text, str) else str(text))[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def inert(line: str) -> str:
    """A whole line for a terminal: whatever could act on it is made visible, however long it is."""
    return line if line.isascii() and line.isprintable() else _UNSAFE.sub(_visible, line)


def inert_json(line: bytes) -> bytes:
    """The same for a line of JSON, which means afterwards what it meant before."""
    if line.isascii() and b"\x7f" not in line:
        return line
    return _UNSAFE.sub(_escaped, line.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code < 65_536 else json.dumps(found[0])[1:-1]


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65_536 else f"\\U{code:08x}"


def without_user(url: str) -> str:
    return _USERINFO.sub(r"\1", url)


def redacted(url: str) -> str:
    """Any URL, or what was meant to be one, as people and logs may see it; at most 300 characters."""
    bare = without_user(url).partition("#")[0]
    start, mark, query = _DOWNLOAD_TOKEN.sub(r"\1***", bare).partition("?")
    return term_safe(start + mark + "".join(map(_shown, re.split("([&;])", query))), LONGEST_SHOWN)


def _shown(pair: str) -> str:
    """A value that is itself a URL with a query or a user name is hidden whole."""
    name, equals, value = pair.partition("=")
    if not equals:
        return "***" if len(pair) >= 32 else pair
    nested = unquote_plus(value)
    hide = is_shy(unquote_plus(name)) or ("://" in nested and ("?" in nested or "@" in nested))
    return f"{name}=***" if hide else pair


def without_token(url: str) -> str:
    """A URL without a fragment in which a mark, another one for each, stands for what a token says."""
    if "/download/" in url and not url.startswith("file:"):
        url = _DOWNLOAD_TOKEN.sub(_mark, url)
    return _TOKEN.sub(_mark, url) if "?" in url else url


def _mark(found: re.Match[str]) -> str:
    return found[1] + mark(found[2])


def mark(value: str) -> str:
    """What stands for a value that nobody may see: another one for each. A mark stands for itself."""
    if _is_mark(value):
        return value
    return f"~{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def is_shy(name: str) -> bool:
    """Whether the value of a query parameter of this name, decoded, is not to be shown."""
    return bool(_shy(name.strip()))


def is_credential(name: str) -> bool:
    """Whether a query parameter of this name, decoded, only proves who asks."""
    return bool(_credential(name.strip()))


def download_token(url: str) -> bool:
    """Whether the path is MLHub's /download/<opaque token>: a long last segment without an extension."""
    return "/download/" in url and bool(_DOWNLOAD_TOKEN.search(url.partition("?")[0]))
