"""The express lane: the ordinary small file, from the one answer that brings it to its name on disk.

Nearly every file of a catalogue of chips is one. Whatever is not ordinary about an answer is not decided
here: head and bytes are handed on to the intake as if they came just now, and it decides as always.
The lane is there for its cost alone: it halves what this program does for a file of 16 KiB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from ..core.checksum import DIGEST_FIELDS
from ..core.errors import MlhubError
from ..core.formats.sniffing import SNIFF_BYTES, unexpected_markup
from ..core.model import Head, Job, Proof, Record
from ..core.ports import Buffer, Sink, Store
from ..core.telemetry import Meter
from ..http.status import OK
from ..http.validators import content_length, strong_validator


class SmallFileSink:
    """The sink of a transfer's first attempt. `otherwise` gives the sink for what is not ordinary."""

    __slots__ = ("_job", "_length", "_meter", "_otherwise", "_pieces", "_sink", "_started", "_store")

    def __init__(self, job: Job, store: Store, meter: Meter, otherwise: Callable[[], Sink]) -> None:
        self._job = job
        self._store = store
        self._meter = meter
        self._otherwise = otherwise
        self._sink: Sink | None = None
        self._started: Head | None = None
        self._pieces: list[bytes] = []
        self._length = 0

    def start(self, head: Head) -> None:
        self._started = head
        if not self._ordinary(head):
            self._sink = self._otherwise()
            self._sink.start(head)

    def _ordinary(self, head: Head) -> bool:
        """The whole of it, as it is, of a known and small length, with nothing published to compare."""
        fields, size = head.headers, self._job.asset.size
        self._length = length = content_length(fields) or 0
        return (
            head.status == OK
            and 0 < length <= self._store.small_bytes
            and size in (None, length)
            and "content-encoding" not in fields
            and DIGEST_FIELDS.isdisjoint(fields)
        )

    def write(self, data: Buffer) -> Awaitable[None] | None:
        if self._sink is not None:
            return self._sink.write(data)
        self._pieces.append(bytes(data))
        return None

    def record(self) -> Record | None:
        """What is on disk now, under its name; None if the intake has the bytes instead."""
        if self._sink is not None or self._started is None:
            return None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        asset, digest = self._job.asset, hashlib.sha256(data)
        proven = asset.checksum is None or asset.checksum.digest == digest.digest()
        if proven and self._whole(data) and (mtime := self._placed(data)):
            self._meter.received += len(data)
            proof = Proof.SIZE if asset.checksum is None else Proof.CHECKSUM
            name = strong_validator(self._started.headers)
            return Record(self._job.path, len(data), digest.hexdigest(), mtime, proof, name)
        self.hand_over()
        return None

    def hand_over(self) -> None:
        """Let the intake have what came, as if it came now. Raises whatever it finds wrong."""
        if self._sink is None and self._started is not None:
            self._sink = self._otherwise()
            self._sink.start(self._started)
            for piece in self._pieces:
                busy = self._sink.write(piece)
                assert busy is None, "a small body is never waited for"

    def _whole(self, data: bytes) -> bool:
        assert self._started is not None
        said, media_type = self._started.headers.get("content-type", ""), self._job.asset.media_type
        first = data[:SNIFF_BYTES]
        return len(data) == self._length and not unexpected_markup(first, self._job.path, media_type, said)

    def _placed(self, data: bytes) -> int:
        """The file's mtime; 0 where the disk refused, which the intake will be told as well."""
        try:
            return self._store.put(self._job.path, data)
        except MlhubError:
            return 0


def eligible(job: Job) -> bool:
    """Whether the lane may be tried: nothing is known of the file yet, nothing is still to be found out."""
    wanted = job.asset.checksum
    unknown = job.previous is None and not job.suffix_pending
    return unknown and (wanted is None or wanted.algorithm == "sha256")
