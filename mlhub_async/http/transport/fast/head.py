"""The head of a response, checked: what it says, and how its body is framed (RFC 9112, section 6).

The grammar is llhttp's, through httptools. On top of it nothing that two readers could read in two ways
is accepted: a body is framed in one way, or the answer is refused.
"""

from __future__ import annotations

from enum import Enum, auto

import httptools

from ...status import FIRST_FINAL, REDIRECTION, WITHOUT_BODY

END_OF_HEAD = b"\r\n\r\n"
MAX_HEAD = 64 << 10
MAX_FIELDS = 128
MAX_NAMES = 256
MAX_LENGTH_DIGITS = 18


class Framing(Enum):
    """What ends a body."""

    NONE = auto()
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()


_FIELD: dict[bytes, str] = {}
"""Field names as they come, and as we speak of them: the same few for every answer of a host."""


def _lower(name: bytes) -> str:
    field = name.decode("latin-1").lower()
    if len(_FIELD) < MAX_NAMES:
        _FIELD[name] = field
    return field


class ResponseParser:
    """One response as its head describes it. `parser` goes on to take the chunks of its body."""

    __slots__ = ("body", "complete", "empty", "fields", "framing", "keeps", "left", "parser", "status")

    def __init__(self, head: memoryview) -> None:
        """Raises `BadAnswerError`. `head`: from the status line to the empty line, both included."""
        self.fields: dict[str, str] = {}
        self.body: list[bytes] = []
        self.empty = 0
        self.complete = self.keeps = False
        self.parser = httptools.HttpResponseParser(self)
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            raise BadResponseError("it switches protocols") from None
        except httptools.HttpParserError as error:
            raise BadResponseError(str(error)[:80]) from None
        self.status: int = self.parser.get_status_code()
        if self.status in REDIRECTION and (location := self.fields.get("location")):
            # The one field that is read as text: everybody writes UTF-8 there.
            self.fields["location"] = location.encode("latin-1").decode("utf-8", "surrogateescape")
        self.left = 0
        self.framing = self._framing()
        if self.framing is Framing.CLOSE:
            self.keeps = False

    def on_headers_complete(self) -> None:
        self.keeps = self.parser.should_keep_alive()  # once a body is whole the parser has forgotten it

    def on_header(self, name: bytes, value: bytes) -> None:
        """The first of several fields of one name counts, except for those that frame the body."""
        field = _FIELD.get(name) or _lower(name)
        text = value.decode("latin-1").rstrip(" \t")
        if field == "transfer-encoding" and field in self.fields:
            raise BadResponseError("its transfer coding leaves the length in doubt")
        self.fields.setdefault(field, text)
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
        self.left = int(length)
        return Framing.LENGTH if self.left else Framing.NONE

    def take_chunks(self, data: memoryview) -> bytes:
        """Decode a piece of a chunked body; `complete` tells when the last chunk has come."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise BadResponseError(str(error)[:80]) from None
        pieces, self.body = self.body, []
        self.empty = 0 if pieces else self.empty + len(data)
        if self.empty > MAX_HEAD and not self.complete:
            raise BadResponseError(f"more than {MAX_HEAD} bytes between two chunks, or in a trailer")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def refuse_endless(data: bytearray, start: int, end: int) -> None:
    """Raises `BadAnswerError` where what has come of a head will never be one."""
    count = end - start
    if count >= MAX_HEAD:
        raise BadResponseError(f"a head of more than {MAX_HEAD} bytes")
    if not data.startswith(b"HTTP/"[:count], start):
        raise BadResponseError("it does not begin as HTTP does")
    if data.find(b"\n\n", start, end) >= 0:
        raise BadResponseError("its lines do not end as HTTP's do")


class BadResponseError(Exception):
    """The bytes that came are no HTTP response that could be trusted."""


class DroppedError(Exception):
    """The connection ended before the answer did.

    `begun`: something of the answer had come; `headed`: its whole head, so that it is the body that is cut.
    """

    def __init__(self, begun: bool, headed: bool, cause: Exception | None) -> None:
        super().__init__("connection lost")
        self.begun = begun
        self.headed = headed
        self.cause = cause
