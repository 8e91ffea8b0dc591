"""A whole archive as one stream of bytes, from its first to its last; what breaks off goes on from there.

Where a listing publishes its size and digest, they are compared with the bytes that come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ....core import checksum
from ....core.checksum import Hasher
from ....core.errors import Corrupt, TransferError, Transient
from ....core.model import Checksum, Head, Request
from ....core.ports import Buffer
from ....core.urls import redacted
from ....http.decoding.body import AS_STORED, is_encoded
from ....http.status import NOT_MODIFIED, PARTIAL_CONTENT
from ....http.validators import content_length, content_range, is_later, modified_at, strong_validator
from ...items.streams import RawReader
from .addresses import ArchiveFile

Take = Callable[[Buffer], Awaitable[None] | None]


class Unchanged(Exception):
    """The archive is of the version that is known: its bytes were not read."""


class ArchiveStream:
    """An archive. `known` is the validator of the version that is known, "" for none, and `known_modified`
    its Last-Modified in seconds since 1970, 0 for none."""

    def __init__(self, archive: ArchiveFile, known: str = "", known_modified: float = 0) -> None:
        self.validator = ""
        self.modified = 0.0
        self.position = 0
        """bytes that were taken"""
        self.total: int | None = None
        self._url = archive.url
        self._name = archive.name
        self._known = known
        self._known_modified = known_modified
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
            self._refuse_lagging(head)
            if self._known:
                raise Unchanged
        if is_encoded(head.headers, self._name):
            raise TransferError(f"{redacted(self._url)}: the server sends it encoded", kind="encoding")
        if not self.position:
            self.validator, self.total = tag, content_length(head.headers)
            self.modified = modified_at(head.headers)
            return
        span = content_range(head.headers)
        if head.status == PARTIAL_CONTENT and span is not None:
            self._skipped = 0
            fits = span.first == self.position and span.total in (None, self.total)
        else:
            self._skipped, fits = self.position, content_length(head.headers) == self.total
        if not (fits and self.validator and tag == self.validator) or is_later(head.headers, self.modified):
            error = Transient(
                f"{redacted(self._url)}: the rest of it cannot be had: run again", kind="changed"
            )
            error.final = True
            raise error

    def _refuse_lagging(self, head: Head) -> None:
        """Ask once more, without a condition, where it was modified since and has the ETag of before."""
        if not is_later(head.headers, self._known_modified):
            return
        self._known = ""
        if head.status == NOT_MODIFIED:
            raise Transient(
                f"{redacted(self._url)}: it has the ETag of the version before", kind="range", tries=3
            )

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """See `ports.Sink`."""
        left_out = min(self._skipped, len(data))
        self._skipped -= left_out
        piece = data[left_out:] if left_out else data
        self.position += len(piece)
        return self._take(piece) if len(piece) else None


class PublishedBytes:
    """Compares an archive that is read from its first byte to its last. Without a digest nothing is compared.

    `version` is the published digest, by which a later run knows the archive; "" without one.
    """

    def __init__(self, archive: ArchiveFile) -> None:
        self._archive = archive
        known = checksum.parse(archive.checksum) if archive.checksum else None
        self._digest: Checksum | None = known if known is not None and known.usable else None
        self._hasher: Hasher | None = None
        self._size = 0
        self.version = archive.checksum if self._digest is not None else ""

    async def read_twice_if_wrong(self, read: Callable[[], Awaitable[None]]) -> None:
        """Read the archive, and once more where its bytes are not the published ones. Raises `Corrupt`."""
        try:
            await read()
        except Corrupt:
            await read()

    def taking(self, take: Take) -> Take:
        """Begin at the first byte: gives what takes the bytes, and hands them on to `take`."""
        self._size = 0
        self._hasher = checksum.hasher(self._digest.algorithm) if self._digest is not None else None

        def taken(data: Buffer) -> Awaitable[None] | None:
            self._size += len(data)
            if self._hasher is not None:
                self._hasher.update(data)
            return take(data)

        return taken

    def check(self) -> None:
        """All bytes have come. Raises `Corrupt` where they are not the published ones."""
        check_size(self._archive, self._size)
        if self._digest is None or self._hasher is None:
            return
        if not checksum.matches(self._digest, self._hasher.digest()):
            raise Corrupt(
                f"{redacted(self._archive.url)}: the bytes are not those of its {self._digest.algorithm}",
                kind="checksum-mismatch",
            )

    def check_all(self, data: bytes) -> None:
        """The same for an archive that is in memory."""
        self.taking(lambda _: None)(data)
        self.check()


def check_size(archive: ArchiveFile, total: int) -> None:
    """Raises `Corrupt` where an archive of `total` bytes has another size than its listing says."""
    if archive.size is not None and archive.size != total:
        raise Corrupt(
            f"{redacted(archive.url)}: the listing says {archive.size} bytes, the server sends {total}",
            kind="size-mismatch",
        )
