"""Decodes a chunked body (RFC 9112 section 7.1).

Unlike llhttp it accepts white space around chunk extensions, as recipients have to, and behind chunk sizes.
"""

from __future__ import annotations

from ....core import pattern_on_use
from .head import MAX_HEAD_BYTES, BadResponseError

_SIZE_LINE = pattern_on_use(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_TRAILER_LINE = pattern_on_use(rb"[ \t].*|[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00]*")


class ChunkedBody:
    """One chunked body while it is received. `complete`: its last chunk and its trailer have come."""

    __slots__ = ("_bytes_without_data", "_in_trailer", "_left", "_line", "_needs_line_end", "complete")

    def __init__(self) -> None:
        self.complete = False
        self._line = b""
        """the received part of a line that is not complete"""
        self._left = 0
        """bytes of the present chunk that are still to come"""
        self._needs_line_end = self._in_trailer = False
        self._bytes_without_data = 0

    def feed(self, data: memoryview) -> bytes:
        """The body bytes in the received ones. Raises `BadResponseError`."""
        raw, position, pieces = bytes(data), 0, []
        while position < len(raw):
            if self.complete:
                raise BadResponseError("bytes after the end of the body")
            if self._left:
                piece = raw[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                self._bytes_without_data = 0
            else:
                position = self._read_line(raw, position)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_line(self, raw: bytes, start: int) -> int:
        """Take the rest of a line, or what there is of it. Returns the position behind that."""
        end = raw.find(b"\n", start) + 1 or len(raw)
        self._line += raw[start:end]
        self._bytes_without_data += end - start
        if self._bytes_without_data > MAX_HEAD_BYTES:
            raise BadResponseError(f"more than {MAX_HEAD_BYTES} bytes between two chunks, or in a trailer")
        if self._line.endswith(b"\r\n"):
            line, self._line = self._line[:-2], b""
            self._take_line(line)
        elif self._line.endswith(b"\n"):
            raise BadResponseError("its lines do not end with CRLF")
        return end

    def _take_line(self, line: bytes) -> None:
        if self._needs_line_end:
            if line:
                raise BadResponseError("a chunk is longer than its size")
            self._needs_line_end = False
        elif self._in_trailer:
            self.complete = not line
            if line and not _TRAILER_LINE.fullmatch(line):
                raise BadResponseError("its trailer is no list of fields")
        elif (found := _SIZE_LINE.fullmatch(line)) is None:
            raise BadResponseError("a chunk has no size")
        else:
            self._left = int(found[1], 16)
            self._needs_line_end = self._left > 0
            self._in_trailer = not self._left
