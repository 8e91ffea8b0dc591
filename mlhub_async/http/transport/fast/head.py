"""Parses the head of a response and determines the framing of its body (RFC 9112 section 6).

The parser is llhttp, through httptools. In addition, a response is refused if its framing is ambiguous, as
two recipients could interpret it differently (RFC 9112 section 11.2). Lines that are folded are joined first.
"""

from __future__ import annotations

from enum import Enum, auto
from itertools import pairwise
from typing import TYPE_CHECKING

import httptools

from ....core import decimal_number, pattern_on_use
from ....core.checksum import LIST_FIELDS
from ....core.model import LINE_SEPARATOR, SET_COOKIE
from ...status import FIRST_FINAL, REDIRECTION, WITHOUT_BODY
from ..failures import TLS_ALERT, TLS_IN_PLACE_OF_HTTP

if TYPE_CHECKING:
    from ....core.ports import Buffer

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 << 10
MAX_FIELDS = 128
MAX_CACHED_FIELD_NAMES = 256
_folds = pattern_on_use(rb"(?<![ \t])[ \t]*\r\n[ \t]+")


class Framing(Enum):
    """What determines the end of a body: there is none, Content-Length, chunked coding, or the close."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()


_FIELD_NAMES: dict[bytes, str] = {}
"""Cache of field names: as received, and in lower case."""


def _lower(name: bytes) -> str:
    field = name.decode("latin-1").lower()
    if len(_FIELD_NAMES) < MAX_CACHED_FIELD_NAMES:
        _FIELD_NAMES[name] = field
    return field


class ResponseParser:
    """One response. `fields` are by lower-case name; `remaining`: bytes of a body with Content-Length
    that are still to be received.

    `keep_alive`: the connection may be reused.
    """

    __slots__ = ("_parser", "fields", "framing", "keep_alive", "remaining", "status")

    def __init__(self, head: memoryview, *, has_body: bool = True) -> None:
        """Parse `head`: from the status line to the empty line, inclusive. Raises `BadResponseError`.

        `has_body` False: that of a response to HEAD.
        """
        try:
            self._parse(head)
        except BadResponseError:
            if not _has_fold(bytes(head)):
                raise
            line, _, rest = bytes(head).partition(b"\r\n")
            self._parse(line + b"\r\n" + _folds.sub(b" ", rest))
        self.status: int = self._parser.get_status_code()
        del self._parser  # it refers to this object: a cycle for each response waits for a rare collection
        if self.status in REDIRECTION and (location := self.fields.get("location")):
            # Servers write UTF-8 here.
            self.fields["location"] = location.encode("latin-1").decode("utf-8", "surrogateescape")
        self.remaining = 0
        self.framing = self._framing() if has_body else Framing.NONE
        if self.framing is Framing.CLOSE:
            self.keep_alive = False

    def _parse(self, head: Buffer) -> None:
        self.fields: dict[str, str] = {}
        self.keep_alive = False
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            raise BadResponseError("it switches protocols") from None
        except httptools.HttpParserCallbackError as error:
            # Its own message is that a callback failed; the exception of that is its context.
            raise error.__context__ or BadResponseError("a field is not valid") from None
        except httptools.HttpParserError as error:
            raise BadResponseError(str(error)[:80]) from None

    def on_headers_complete(self) -> None:
        self.keep_alive = self._parser.should_keep_alive()  # the parser forgets it at the end of the body

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of several fields of one name the first counts, of lists and cookies all. A second
        Transfer-Encoding is an error."""
        field = _FIELD_NAMES.get(name) or _lower(name)
        text = value.decode("latin-1").rstrip(" \t")
        if field not in self.fields:
            self.fields[field] = text
        elif field == "transfer-encoding":
            raise BadResponseError("its transfer coding leaves the length in doubt")
        elif field in LIST_FIELDS:
            self.fields[field] += f", {text}"
        elif field == SET_COOKIE:
            self.fields[field] += LINE_SEPARATOR + text
        if len(self.fields) > MAX_FIELDS:
            raise BadResponseError(f"more than {MAX_FIELDS} header fields")

    def _framing(self) -> Framing:
        length, coding = self.fields.get("content-length"), self.fields.get("transfer-encoding")
        if self.status < FIRST_FINAL or self.status in WITHOUT_BODY:
            return Framing.NONE
        if coding is not None:
            if length is not None or coding.strip().lower() != "chunked":
                raise BadResponseError("its transfer coding leaves the length in doubt")
            return Framing.CHUNKED
        if length is None:
            return Framing.CLOSE
        if decimal_number(length) is None:
            raise BadResponseError("its Content-Length is no length")
        self.remaining = int(length)
        return Framing.LENGTH if self.remaining else Framing.NONE


def _has_fold(head: bytes) -> bool:
    """Whether a field line goes on in the next line (obs-fold, RFC 9112 section 5.2)."""
    return any(
        below.startswith((b" ", b"\t")) and b":" in line.lstrip(b":")
        for line, below in pairwise(head.split(b"\r\n"))
    )


def check_partial_head(data: bytearray, start: int, end: int) -> None:
    """Raises `BadResponseError` if the received part of a head cannot become a valid one."""
    count = end - start
    if count >= MAX_HEAD_BYTES:
        raise BadResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")
    if not data.startswith(b"HTTP/"[:count], start):
        speaks_tls = data.startswith(TLS_ALERT, start)
        raise BadResponseError(TLS_IN_PLACE_OF_HTTP if speaks_tls else "it does not begin with HTTP/")
    if data.find(b"\n\n", start, end) >= 0:
        raise BadResponseError("its lines do not end with CRLF")


class BadResponseError(Exception):
    """The received bytes are no valid HTTP response. `head_complete`: its head is valid."""

    head_complete = False


class DroppedError(Exception):
    """The connection was closed before the end of the response. `cause` is the error, None for a plain close.

    `response_begun`: a part of the response was received; `head_complete`: its whole head.
    """

    def __init__(self, response_begun: bool, head_complete: bool, cause: Exception | None) -> None:
        super().__init__("connection lost")
        self.response_begun = response_begun
        self.head_complete = head_complete
        self.cause = cause
