"""Makes untrusted text fit to be shown or stored: no secret of a URL, no control character for a terminal."""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import unquote_plus

from .. import pattern_on_use

MAX_SHOWN_CHARS = 300

_CREDENTIAL = (
    r"x-amz-.*|x-goog-.*|signature|expires|key-pair-id|policy|awsaccesskeyid|ossaccesskeyid|googleaccessid"
    r"|security-token|key|api[_-]?key|access[_-]?token|(?:ocp-apim-)?subscription-key|sas|sas_token"
    r"|hdnts|hdnea|__token__|auth|authorization|password|passwd|pwd|secret|session|jwt"
)
_OF_LOGINS = "|sig|token|code|ticket|saml(?:request|response)|(?:id|refresh)_token|private_link|resourcekey"
_CREDENTIAL_NAME = pattern_on_use(_CREDENTIAL, re.IGNORECASE | re.DOTALL)

# A `token` may say what is fetched, as a cursor does: it is not shown, but never left out of a URL.
_SECRET_NAME = pattern_on_use(_CREDENTIAL + _OF_LOGINS, re.IGNORECASE | re.DOTALL)

_USERINFO = pattern_on_use(
    r"^(\s*+(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]*+)"
    r"(?:[^/?#]*@|[^/?#@:\[\]]*:(?!\d*(?:[/?#]|$))[^@]*@)",
    re.DOTALL,
)
"""The second form is a password with a slash in it: no valid URL, but not to be shown either."""

_DOWNLOAD_TOKEN = pattern_on_use(
    r"(/download/)(?![^/?#]*\.[A-Za-z0-9]{1,8}(?:[/?#]|$))([^/?#]{32,})(?=[?#]|$)",
)

_TOKEN = pattern_on_use(
    r"([?&](?:t|%[57]4)(?:o|%[46]f)(?:k|%[46]b)(?:e|%[46]5)(?:n|%[46]e)=)([^&]+)", re.IGNORECASE
)
_SECURE_LINK = pattern_on_use(r"(?=.*(?:^|[&;])md5=)(?:^|.*[&;])expires=", re.IGNORECASE | re.DOTALL)
_PLACEHOLDER = pattern_on_use("~[0-9a-f]{16}")

_UNSAFE = pattern_on_use(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def term_safe(text: object, limit: int = 80) -> str:
    """Text of unknown origin on one line of at most `limit` characters.

    Escape sequences, line breaks and changes of direction are made visible.
    """
    shown = escape_controls((text if isinstance(text, str) else str(text))[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def escape_controls(line: str) -> str:
    """A line of any length for a terminal: every character that could act on it is made visible."""
    return line if line.isascii() and line.isprintable() else _UNSAFE.sub(_visible, line)


def escape_json_controls(line: bytes) -> bytes:
    """The same for a line of JSON, whose value does not change."""
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
    """Any text that may be a URL, without user name and password."""
    return _USERINFO.sub(r"\1", url)


def redacted(url: str) -> str:
    """Any text that may be a URL, as people and logs may see it: without secrets, at most 300 characters."""
    bare = without_user(url).partition("#")[0]
    start, question, query = _DOWNLOAD_TOKEN.sub(r"\1***", bare).partition("?")
    secure_link = has_secure_link(query)
    shown = [_shown(pair, secure_link) for pair in re.split("([&;])", query)]
    return term_safe(start + question + "".join(shown), MAX_SHOWN_CHARS)


def _shown(pair: str, secure_link: bool) -> str:
    """A value that is a URL with a query or a user name is hidden entirely."""
    name, equals, value = pair.partition("=")
    if not equals:
        return "***" if len(pair) >= 32 else pair
    nested = unquote_plus(value)
    hide = is_secret(unquote_plus(name)) or (secure_link and name.lower() == "md5")
    hide = hide or ("://" in nested and ("?" in nested or "@" in nested))
    return f"{name}=***" if hide else pair


def mask_tokens(url: str) -> str:
    """A URL without a fragment, with placeholders for its tokens."""
    if "/download/" in url and not url.startswith("file:"):
        url = _DOWNLOAD_TOKEN.sub(_masked, url)
    return _TOKEN.sub(_masked, url) if "?" in url else url


def _masked(found: re.Match[str]) -> str:
    return found[1] + placeholder(found[2])


def placeholder(value: str) -> str:
    """A text in place of a secret value, another one for each value. A placeholder stays as it is."""
    if _PLACEHOLDER.fullmatch(value):
        return value
    return f"~{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def is_secret(name: str) -> bool:
    """Whether the value of a query parameter with this decoded name must not be shown."""
    return bool(_SECRET_NAME.fullmatch(name.strip()))


def is_credential(name: str) -> bool:
    """Whether a query parameter with this decoded name only authenticates, and identifies nothing."""
    return bool(_CREDENTIAL_NAME.fullmatch(name.strip()))


def has_secure_link(query: str) -> bool:
    """Whether a query has the signature of a secure link of nginx: `md5` and the time at which it ends."""
    return "md5=" in query.lower() and bool(_SECURE_LINK.search(query))


def has_download_token(url: str) -> bool:
    """Whether the path is MLHub's /download/<token>: a long last segment without a file name extension."""
    return "/download/" in url and bool(_DOWNLOAD_TOKEN.search(url.partition("?")[0]))
