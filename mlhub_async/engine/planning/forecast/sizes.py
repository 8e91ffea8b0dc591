"""The size of one file, from the head of a GET for one byte. Never a HEAD, which servers answer otherwise.

The byte is the second one: some servers send the whole file for the first (`bytes=0-0`).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from ....core.errors import TransferError, Transient
from ....core.model import Asset, Head, Request
from ....core.urls import has_placeholder, parse
from ....http.client import Http
from ....http.decoding.body import AS_STORED, is_encoded
from ....http.status import OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE
from ....http.validators import content_length, content_range

if TYPE_CHECKING:
    from ....core.ports import Buffer

LONGEST_SECONDS = 30.0
"""A host that holds a request back longer, as one that is down, gives no size."""
MAX_BODY_BYTES = 16 << 10
"""More is not read where one byte was asked for: the connection is closed."""


class Measured(NamedTuple):
    """The size of a file in bytes. None: `why`, the kind of the error or what the answer lacks.

    A file that does not exist has no bytes. `ranged`: the host sends parts of files.
    """

    size: int | None
    why: str = ""
    ranged: bool = True


class _Enough(TransferError):
    """The head has said what was asked for: the body is not read."""


class SizeSink:
    """Reads the size out of a head. Raises `_Enough` where the answer is the whole file."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._received = 0

    def start(self, head: Head) -> None:
        self.head = head
        if head.status not in (PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE):
            raise _Enough("")

    def write(self, data: Buffer) -> None:
        self._received += len(data)
        if self._received > MAX_BODY_BYTES:
            raise _Enough("")


def size_in(head: Head) -> Measured:
    """What an answer to the request for the second byte says about the whole file."""
    ranged = head.status != OK
    if is_encoded(head.headers, head.url.partition("?")[0]):
        return Measured(None, "encoded", ranged)  # the lengths are those of the compressed form
    span = content_range(head.headers)
    if span is not None:
        return Measured(span.total, "" if span.total is not None else "no-length")
    length = content_length(head.headers) if head.status == OK else None  # of a 416 only Content-Range tells
    return Measured(length, "" if length is not None else "no-length", ranged)


async def measure(http: Http, asset: Asset) -> Measured:
    """Ask for the size of a file, once."""
    try:
        return size_in(await _head(http, asset, 1))
    except TransferError as error:
        return Measured(0 if error.absent else None, error.kind)
    except TimeoutError:
        return Measured(None, "timeout")


async def is_honest(http: Http, asset: Asset, size: int) -> bool:
    """Whether a file has a last byte where its size says, and none behind it; True where that cannot be told.

    Two requests. A host that ignores ranges, or fails, proves nothing.
    """
    try:
        last = await _head(http, asset, size - 1)
        beyond = await _head(http, asset, size)
    except (TransferError, TimeoutError):
        return True
    span = content_range(last.headers)
    if last.status == RANGE_NOT_SATISFIABLE:
        return False
    if last.status == PARTIAL_CONTENT and span is not None and span.total not in (None, size):
        return False
    after = content_range(beyond.headers)
    return not (beyond.status == PARTIAL_CONTENT and after is not None and after.first == size)


async def _head(http: Http, asset: Asset, offset: int) -> Head:
    """The head of the answer for one byte. Raises `TransferError` or `TimeoutError`."""
    if asset.unavailable:
        raise TransferError(asset.unavailable, kind="unavailable")
    url = parse(asset.href)
    if has_placeholder(url):
        raise TransferError("the href of a saved plan", kind="no-href")
    sink, auth = SizeSink(), asset.schemes(asset.href)
    async with asyncio.timeout(LONGEST_SECONDS):
        if auth:
            url = await http.sign_url(url, auth) or url
        fields = {**AS_STORED, "range": f"bytes={offset}-{offset}"}
        with contextlib.suppress(_Enough):
            await http.get(Request(url, headers=fields, auth=auth), sink)
    if sink.head is None:
        raise Transient("no response", kind="protocol")
    return sink.head
