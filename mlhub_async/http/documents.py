"""The sink for JSON documents: decodes a body while it is received, up to a maximal size in memory.

A document that is damaged may be right the next time; one that is damaged twice in the same way stays so.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from ..core import pattern_on_use
from ..core.errors import TransferError, Transient
from ..core.json_text import BYTE_ORDER_MARK
from ..core.model import Document, Head, Request
from ..core.urls import redacted
from .decoding.body import PAST_CACHES, BodyDecoder, content_codings, decoder_for
from .decoding.decoders import DecodingError
from .status import OK, PARTIAL_CONTENT, PRECONDITION_FAILED, REDIRECTS, TRANSFORMED, classified
from .validators import is_whole

if TYPE_CHECKING:
    from ..core.ports import Buffer

MAX_DOCUMENT = 64 << 20
"""Decoded bytes of one document. Larger pages need a smaller --limit."""

_MAY_BE_JSON = (b"{", b"[", b"/", b"\xff\xfe", b"\xfe\xff")
"""First bytes of JSON objects and arrays, and of such with comments or in UTF-16, which are refused whole."""
_CONTROLS = pattern_on_use(rb"[\x00-\x08\x0e-\x1f\x7f]")
MAX_LEADING_SPACE_BYTES = 64 << 10


class DocumentSink:
    """Collects one document in memory. Raises `TransferError` for one of more than `MAX_DOCUMENT` bytes.

    `refuses_data`: raises `TransferError`, kind "page" for a text, else "data", as soon as the first bytes
    are not those of a JSON object or array, so that no more of a large file is read.
    """

    def __init__(self, url: str, *, refuses_data: bool = False) -> None:
        self._url = url
        self._undecided = refuses_data
        self._parts: list[bytes] = []
        self._size = 0
        self._decoder: BodyDecoder | None = None
        self.received_crc = 0
        """of the bytes as received, where these are encoded"""
        self.damage: Transient | None = None
        """why the encoded bytes could not be decoded"""

    def start(self, head: Head) -> None:
        part = head.status == PARTIAL_CONTENT and "content-range" not in head.headers
        if head.status not in (OK, TRANSFORMED, PARTIAL_CONTENT):
            raise TransferError(f"{redacted(self._url)}: unexpected status {head.status}", status=head.status)
        if part or not is_whole(head.headers):
            words = f"{redacted(self._url)}: only a part of it was sent"
            raise Transient(words, kind="range", tries=3, status=head.status)
        if codings := content_codings(head.headers):
            self._decoder = decoder_for(codings, "", redacted(self._url))

    def write(self, data: Buffer) -> None:
        if self._decoder is not None:
            self.received_crc = zlib.crc32(data, self.received_crc)
            try:
                data = self._decoder.feed(data, MAX_DOCUMENT - self._size)
            except DecodingError as error:
                message = f"{redacted(self._url)}: broken compression ({error})"
                self.damage = Transient(message, kind="decoding")
                raise self.damage from None
        self._size += len(data)
        if self._size > MAX_DOCUMENT:
            raise TransferError(
                f"{redacted(self._url)}: more than {MAX_DOCUMENT >> 20} MiB in one document; "
                "a smaller --limit makes smaller pages",
                kind="too-big",
            )
        self._parts.append(bytes(data))
        if self._undecided:
            self._refuse_data()

    def _refuse_data(self) -> None:
        begun = b"".join(self._parts).removeprefix(BYTE_ORDER_MARK).lstrip()
        if not begun and self._size < MAX_LEADING_SPACE_BYTES:
            return
        if not begun.startswith(_MAY_BE_JSON):
            found = "an HTML or XML page" if begun.startswith(b"<") else "a file of another format"
            kind = "page" if _is_text(begun) else "data"
            raise TransferError(f"{redacted(self._url)}: the answer is {found}, not JSON", kind=kind)
        self._undecided = False

    def whole(self) -> bytes:
        """The decoded document. Raises `Transient` if the compressed data ends early."""
        if self._decoder is not None and not self._decoder.ended:
            message = f"{redacted(self._url)}: compressed document ends early"
            self.damage = Transient(message, kind="truncated")
            raise self.damage
        return b"".join(self._parts)


class AnswerSink:
    """Collects the answer of an object store in memory, at most `MAX_DOCUMENT` bytes.

    Raises `TransferError`, `unmet`, where a condition of the request was not met.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts: list[bytes] = []
        self._size = 0
        self.fields: Mapping[str, str] = {}
        self.incomplete = False
        """whether an upload is to be gone on with"""

    def start(self, head: Head) -> None:
        if head.status == PRECONDITION_FAILED:
            words = f"{redacted(self._url)}: another object is there than the one that was known"
            raise classified(TransferError(words, kind="changed", status=head.status))
        self.fields, self.incomplete = head.headers, head.status in REDIRECTS
        self._parts.clear()

    def write(self, data: Buffer) -> None:
        self._size += len(data)
        if self._size > MAX_DOCUMENT:
            raise TransferError(f"{redacted(self._url)}: an answer without an end", kind="too-big")
        self._parts.append(bytes(data))

    def whole(self) -> bytes:
        return b"".join(self._parts)


class RequestForms:
    """The forms of one request that are tried, one per attempt: see `Request.instead`.

    A refusal of one form is followed by the next at once, another failure after the wait of the retry policy.
    """

    def __init__(self, request: Request, attempts: int) -> None:
        self._request = request
        self._attempts = attempts
        self._failures = 0

    async def attempt(self, read: Callable[[Request], Awaitable[Document]]) -> Document:
        """One attempt, with one or more forms."""
        while True:
            try:
                return await read(self._request)
            except TransferError as error:
                self._failures += 1
                is_temporary = isinstance(error, Transient)
                left = (self._attempts if is_temporary else max(self._attempts, 2)) - self._failures
                form = self._request.instead(error, left) if self._request.instead else None
                if form is None:
                    raise
                self._request = form._replace(instead=self._request.instead)
                if is_temporary:
                    raise


class DamageHistory:
    """The damaged bodies that came for one document. Bodies are told apart by any hash of their bytes."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def next_request(self, request: Request) -> Request:
        """The request; past caches, once a damaged body came."""
        return request._replace(headers={**PAST_CACHES, **request.headers}) if self._seen else request

    def judge(self, damage: Transient, body_hash: int) -> TransferError:
        """The error to raise: `damage`, or a final one if this very body came before."""
        if body_hash in self._seen:
            return TransferError(f"{damage.message}, the same twice", kind=damage.kind)
        self._seen.add(body_hash)
        return damage


def _is_text(begun: bytes) -> bool:
    return not _CONTROLS.search(begun[:1024])
