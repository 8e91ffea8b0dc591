"""One document read whole: decoded while it streams, and never more of it than fits in memory."""

from __future__ import annotations

import zlib

from ..core.errors import TransferError, Transient
from ..core.model import Head
from ..core.ports import Buffer
from ..core.urls import redacted
from .decoding import CODINGS, Decoder
from .status import OK

MAX_DOCUMENT = 64 << 20
"""Decoded bytes of one document; a page larger than this wants a smaller limit."""


class DocumentSink:
    """Collects one document in memory, decoded and capped while it streams (FAULTS B16, D12)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts: list[bytes] = []
        self._size = 0
        self._decoder: Decoder | None = None

    def start(self, head: Head) -> None:
        if head.status != OK:
            raise TransferError(f"{redacted(self._url)}: unexpected status {head.status}", status=head.status)
        encoding = head.headers.get("content-encoding", "identity").strip().lower()
        if encoding in CODINGS:
            self._decoder = Decoder(encoding)
        elif encoding not in ("", "identity"):
            raise TransferError(f"{redacted(self._url)}: content encoding {encoding!r} was not asked for")

    def write(self, data: Buffer) -> None:
        if self._decoder is not None:
            try:
                data = self._decoder.feed(data, MAX_DOCUMENT - self._size)
            except zlib.error as error:
                raise Transient(f"{redacted(self._url)}: broken gzip ({error})", kind="decoding") from None
        self._size += len(data)
        if self._size > MAX_DOCUMENT:
            raise TransferError(
                f"{redacted(self._url)}: more than {MAX_DOCUMENT >> 20} MiB in one document; "
                "a smaller --limit makes smaller pages",
                kind="too-big",
            )
        self._parts.append(bytes(data))

    def whole(self) -> bytes:
        if self._decoder is not None and not self._decoder.ended:
            raise Transient(f"{redacted(self._url)}: compressed document ends early", kind="truncated")
        return b"".join(self._parts)
