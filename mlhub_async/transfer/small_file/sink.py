"""The small-file path as the sink of a request of the general path: for all that no lane can ask for.

An answer that is not ordinary is not judged here: its head and bytes are handed to the receiver as if they
came just then, and the receiver decides as it does for all others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...core.errors import MlhubError
from ...core.model import Head, Job, Record
from ...core.telemetry import Meter
from ...http.status import OK
from ...http.validators import content_length
from .checks import checked, is_ordinary, record_of

if TYPE_CHECKING:
    from ...core.ports import Buffer, Sink, Store


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
        self._length = length = content_length(head.headers) or 0
        limit = self._store.small_bytes
        is_file = head.status == OK and not head.url.endswith("/")  # a redirect may lead to a directory
        return is_file and is_ordinary(head.headers, length, self._job.asset, limit)

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
        fields, size = self._head.headers, len(data)
        whole = size == self._length and self._store.small_bytes > 0  # the disk may be slow by now
        sha256 = checked(self._job, fields, data) if whole else ""
        if sha256 and (mtime_ns := self._write_file(data)):
            self._meter.received += size
            return record_of(self._job, fields, size, sha256, mtime_ns)
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

    def _write_file(self, data: bytes) -> int:
        """The file's mtime (ns); 0 where the disk refused, as it will refuse the receiver."""
        try:
            return self._store.put(self._job.path, data)
        except MlhubError:
            return 0
