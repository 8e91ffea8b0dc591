"""Parses the head of a response and determines the framing of its body (RFC 9112 section 6).

The parser is llhttp, through httptools. In addition, a response is refused if its framing is ambiguous, as
two recipients could interpret it differently (RFC 9112 section 11.2).
"""

from __future__ import annotations

from enum import Enum, auto

import httptools

from ....core.checksum import DIGEST_LIST_FIELDS
from ...status import FIRST_FINAL, REDIRECTION, WITHOUT_BODY
from ...validators import MAX_LENGTH_DIGITS

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 << 10
MAX_FIELDS = 128
MAX_CACHED_FIELD_NAMES = 256


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

    `keep_alive`: the connection may be reused. `parser` also decodes a chunked body.
    """

    __slots__ = (
        "body",
        "bytes_without_data",
        "complete",
        "fields",
        "framing",
        "keep_alive",
        "parser",
        "remaining",
        "status",
    )

    def __init__(self, head: memoryview) -> None:
        """Parse `head`: from the status line to the empty line, inclusive. Raises `BadResponseError`."""
        self.fields: dict[str, str] = {}
        self.body: list[bytes] = []
        self.bytes_without_data = 0
        self.complete = self.keep_alive = False
        self.parser = httptools.HttpResponseParser(self)
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            raise BadResponseError("it switches protocols") from None
        except httptools.HttpParserError as error:
            raise BadResponseError(str(error)[:80]) from None
        self.status: int = self.parser.get_status_code()
        if self.status in REDIRECTION and (location := self.fields.get("location")):
            # Servers write UTF-8 here.
            self.fields["location"] = location.encode("latin-1").decode("utf-8", "surrogateescape")
        self.remaining = 0
        self.framing = self._framing()
        if self.framing is Framing.CLOSE:
            self.keep_alive = False

    def on_headers_complete(self) -> None:
        self.keep_alive = self.parser.should_keep_alive()  # the parser forgets it at the end of the body

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of several fields of one name the first counts, of digests all. A second Transfer-Encoding is an
        error."""
        field = _FIELD_NAMES.get(name) or _lower(name)
        text = value.decode("latin-1").rstrip(" \t")
        if field not in self.fields:
            self.fields[field] = text
        elif field == "transfer-encoding":
            raise BadResponseError("its transfer coding leaves the length in doubt")
        elif field in DIGEST_LIST_FIELDS:
            self.fields[field] += f", {text}"
        if len(self.fields) > MAX_FIELDS:
            raise BadResponseError(f"more than {MAX_FIELDS} header fields")

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            raise BadResponseError("bytes after the end of the body")

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
        if not (length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
            raise BadResponseError("its Content-Length is no length")
        self.remaining = int(length)
        return Framing.LENGTH if self.remaining else Framing.NONE

    def take_chunks(self, data: memoryview) -> bytes:
        """Decode received bytes of a chunked body. `complete` is set at the last chunk."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BadResponseError(str(error)[:80]) from None
        pieces, self.body = self.body, []
        self.bytes_without_data = 0 if pieces else self.bytes_without_data + len(data)
        if self.bytes_without_data > MAX_HEAD_BYTES and not self.complete:
            raise BadResponseError(f"more than {MAX_HEAD_BYTES} bytes between two chunks, or in a trailer")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def check_partial_head(data: bytearray, start: int, end: int) -> None:
    """Raises `BadResponseError` if the received part of a head cannot become a valid one."""
    count = end - start
    if count >= MAX_HEAD_BYTES:
        raise BadResponseError(f"a head of more than {MAX_HEAD_BYTES} bytes")
    if not data.startswith(b"HTTP/"[:count], start):
        raise BadResponseError("it does not begin with HTTP/")
    if data.find(b"\n\n", start, end) >= 0:
        raise BadResponseError("its lines do not end with CRLF")


class BadResponseError(Exception):
    """The received bytes are no valid HTTP response."""


class DroppedError(Exception):
    """The connection was closed before the end of the response. `cause` is the error, None for a plain close.

    `response_begun`: a part of the response was received; `head_complete`: its whole head.
    """

    def __init__(self, response_begun: bool, head_complete: bool, cause: Exception | None) -> None:
        super().__init__("connection lost")
        self.response_begun = response_begun
        self.head_complete = head_complete
        self.cause = cause
