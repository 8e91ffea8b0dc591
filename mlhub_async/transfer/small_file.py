"""The small-file path: an ordinary small file goes from one answer straight to its final name.

Nearly every file of a catalogue of image chips is one. It is there for speed alone: it halves what this
program does for a file of 16 KiB. An answer that is not ordinary is not judged here: its head and bytes
are handed to the receiver as if they came just then, and the receiver decides as it does for all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from ..core.checksum import DIGEST_FIELDS
from ..core.errors import MlhubError
from ..core.formats.directories import kind_of_directory
from ..core.formats.sniffing import SNIFF_BYTES, is_undecided, unexpected_text
from ..core.model import Head, Job, Proof, Record
from ..core.ports import Buffer, Sink, Store
from ..core.telemetry import Meter
from ..http.status import OK
from ..http.validators import content_length, strong_validator


class SmallFileSink:
    """The sink of a transfer's first request. `receiver` gives the sink for all that is not ordinary."""

    __slots__ = ("_head", "_job", "_length", "_meter", "_pieces", "_receiver", "_store", "_successor")

    def __init__(self, job: Job, store: Store, meter: Meter, receiver: Callable[[], Sink]) -> None:
        self._job = job
        self._store = store
        self._meter = meter
        self._receiver = receiver
        self._successor: Sink | None = None
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._length = 0

    def start(self, head: Head) -> None:
        self._head = head
        if not self._is_ordinary(head):
            self._successor = self._receiver()
            self._successor.start(head)

    def _is_ordinary(self, head: Head) -> bool:
        """A whole body of a known and small length, not encoded, with no digest in the header fields.

        Not from a URL that a directory may have."""
        fields, size = head.headers, self._job.asset.size
        self._length = length = content_length(fields) or 0
        return (
            head.status == OK
            and 0 < length <= self._store.small_bytes
            and size in (None, length)
            and "content-encoding" not in fields
            and "content-range" not in fields
            and DIGEST_FIELDS.isdisjoint(fields)
            and not head.url.endswith("/")
        )

    def write(self, data: Buffer) -> Awaitable[None] | None:
        if self._successor is not None:
            return self._successor.write(data)
        self._pieces.append(bytes(data))
        return None

    def record(self) -> Record | None:
        """The record of the file under its final name, once the answer is complete.

        None where the receiver has the bytes instead. Raises what the receiver finds wrong with them.
        """
        if self._successor is not None or self._head is None:
            return None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        asset, digest = self._job.asset, hashlib.sha256(data)
        matches = asset.checksum is None or asset.checksum.digest == digest.digest()
        if matches and self._is_sound(data) and (mtime := self._write_file(data)):
            self._meter.received += len(data)
            proof = Proof.SIZE if asset.checksum is None else Proof.CHECKSUM
            version = strong_validator(self._head.headers)
            return Record(self._job.path, len(data), digest.hexdigest(), mtime, proof, version)
        self.hand_over()
        return None

    def hand_over(self) -> None:
        """Give head and bytes to the receiver, if it does not have them. Raises what it finds wrong."""
        if self._successor is None and self._head is not None:
            self._successor = self._receiver()
            self._successor.start(self._head)
            for piece in self._pieces:
                writing = self._successor.write(piece)
                assert writing is None, "bytes of a small body never wait for the disk"

    def _is_sound(self, data: bytes) -> bool:
        """Whether all bytes are there, and are no text where no text can be."""
        assert self._head is not None
        if len(data) != self._length:
            return False
        content_type, media_type = self._head.headers.get("content-type", ""), self._job.asset.media_type
        first, path = data[:SNIFF_BYTES], self._job.path
        refused = unexpected_text(first, path, media_type, content_type)
        return not refused and not is_undecided(first, path, media_type)

    def _write_file(self, data: bytes) -> int:
        """The file's mtime (ns); 0 where the disk refused, as it will refuse the receiver."""
        try:
            return self._store.put(self._job.path, data)
        except MlhubError:
            return 0


def is_eligible(job: Job) -> bool:
    """Whether the small-file path can be tried: there is no earlier version, and the path is final.

    Its digest, if one is published, must be the SHA-256 that is computed anyway.
    """
    published = job.asset.checksum
    new = job.previous is None and not job.suffix_pending
    if kind_of_directory(job.asset.href, job.asset.media_type):
        return False
    return new and (published is None or published.algorithm == "sha256")
