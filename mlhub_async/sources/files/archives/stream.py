"""A whole archive as one stream of bytes, from its first to its last; what breaks off goes on from there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ....core.errors import TransferError, Transient
from ....core.model import Head, Request
from ....core.ports import Buffer
from ....core.urls import redacted
from ....http.decoding.body import AS_STORED, is_encoded
from ....http.status import NOT_MODIFIED, PARTIAL_CONTENT
from ....http.validators import content_length, content_range, strong_validator
from ...items.streams import RawReader

Take = Callable[[Buffer], Awaitable[None] | None]


class Unchanged(Exception):
    """The archive is of the version that is known: its bytes were not read."""


class ArchiveStream:
    """The archive at `url`. `known` is the validator of the version that is known, "" for none."""

    def __init__(self, url: str, known: str = "") -> None:
        self.validator = ""
        self.position = 0
        """bytes that were taken"""
        self.total: int | None = None
        self._url = url
        self._known = known
        self._skipped = 0
        self._take: Take = lambda data: None

    async def read(self, reader: RawReader, take: Take) -> None:
        """Give all bytes to `take`, once each and in order, with retries.

        Raises `Unchanged`, and what the reader raises in the end; what `take` raises comes through.
        """
        self._take = take
        await reader.retry(lambda: self._attempt(reader), progress=lambda: self.position >> 16)

    async def _attempt(self, reader: RawReader) -> None:
        fields = dict(AS_STORED)
        if self.position:
            fields["range"] = f"bytes={self.position}-"
            if self.validator.startswith('"'):
                fields["if-match"] = self.validator
        elif self._known.startswith('"'):
            fields["if-none-match"] = self._known
        await reader.get(Request(self._url, headers=fields), self)
        if self.total is not None and self.position != self.total:
            raise Transient(
                f"{redacted(self._url)}: {self.position} of {self.total} bytes came", kind="truncated"
            )

    def start(self, head: Head) -> None:
        """See `ports.Sink`."""
        tag = strong_validator(head.headers)
        if head.status == NOT_MODIFIED or (not self.position and tag and tag == self._known):
            raise Unchanged
        if is_encoded(head.headers):
            raise TransferError(f"{redacted(self._url)}: the server sends it encoded", kind="encoding")
        if not self.position:
            self.validator, self.total = tag, content_length(head.headers)
            return
        span = content_range(head.headers)
        if head.status == PARTIAL_CONTENT and span is not None:
            self._skipped = 0
            fits = span.first == self.position and span.total in (None, self.total)
        else:
            self._skipped, fits = self.position, content_length(head.headers) == self.total
        if not (fits and self.validator and tag == self.validator):
            error = Transient(
                f"{redacted(self._url)}: the rest of it cannot be had: run again", kind="changed"
            )
            error.final = True
            raise error

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """See `ports.Sink`."""
        left_out = min(self._skipped, len(data))
        self._skipped -= left_out
        piece = data[left_out:] if left_out else data
        self.position += len(piece)
        return self._take(piece) if len(piece) else None
