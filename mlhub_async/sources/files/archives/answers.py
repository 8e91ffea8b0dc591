"""The answers to requests for a member: head and bytes as of a server that has it as a file."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Iterable, Iterator
from functools import partial

from ....core.concurrency import LazyAwaitable
from ....core.errors import TransferError
from ....core.model import Head, Request
from ....core.ports import Buffer, Sink
from ....core.urls import redacted
from ....http.status import NOT_MODIFIED, OK, PARTIAL_CONTENT

_rest = re.compile(r"bytes=([0-9]{1,18})-").fullmatch


class MemberAnswer:
    """The answer to one request for a member of `size` bytes. `first`: the first byte that is asked for.

    All bytes from the first of the member on are given to `write`, which leaves out those before `first`, or
    before what is set as `skipped`. Raises `TransferError` for a range that ends before the member.
    """

    def __init__(self, request: Request, sink: Sink, size: int, etag: str) -> None:
        self._sink = sink
        self._begun = False
        self.unchanged = request.headers.get("if-none-match") == etag
        self.first = self.skipped = _first_byte(request, size, etag)
        fields = {"content-length": str(size - self.first), "etag": etag}
        status = OK
        if self.unchanged:
            status, fields = NOT_MODIFIED, {"etag": etag}
        elif self.first:
            status, fields["content-range"] = PARTIAL_CONTENT, f"bytes {self.first}-{size - 1}/{size}"
        self.head = Head(status, fields, request.url)

    def begin(self) -> None:
        """Give the head, unless that was done: to be called in the end, as a member may be empty."""
        if not self._begun:
            self._begun = True
            self._sink.start(self.head)

    def begin_with_digest(self, sha256: str) -> None:
        """Give the head at once, of all bytes with their digest (RFC 9530): the sink may want no more, and
        raise. `sha256` has hexadecimal digits."""
        if self.head.status == OK:
            digest = f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"
            self.head = self.head._replace(headers={**self.head.headers, "repr-digest": digest})
        self.begin()

    def write(self, piece: Buffer) -> Awaitable[None] | None:
        self.begin()
        left_out = min(self.skipped, len(piece))
        self.skipped -= left_out
        piece = memoryview(piece)[left_out:] if left_out else piece
        return self._sink.write(piece) if len(piece) else None

    def write_all(self, pieces: Iterable[Buffer]) -> Awaitable[None] | None:
        rest = iter(pieces)
        for piece in rest:
            if (busy := self.write(piece)) is not None:
                return LazyAwaitable(partial(self._write_rest, busy, rest))
        return None

    async def _write_rest(self, busy: Awaitable[None], pieces: Iterator[Buffer]) -> None:
        await busy
        for piece in pieces:
            if (again := self.write(piece)) is not None:
                await again


def _first_byte(request: Request, size: int, etag: str) -> int:
    asked = request.headers.get("range", "")
    found = _rest(asked)
    if asked and found is None:
        raise TransferError(f"{redacted(request.url)}: a member is read to its end", kind="range")
    first = int(found[1]) if found else 0
    return first if first < size and request.headers.get("if-range", etag) == etag else 0
