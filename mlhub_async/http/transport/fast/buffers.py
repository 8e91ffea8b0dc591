"""Receive buffers: a small one while a response arrives, and for a large body two large ones in turns.

Of two large ones one is filled while the sink writes the other, so that no byte is copied between socket and
file. The small buffer that was used last is the first that is used again: its bytes are in the CPU's cache.
"""

from __future__ import annotations

FIRST_BUFFER_BYTES = 64 << 10
"""A small buffer at first. Most small bodies fit in."""
BUFFER_BYTES = 256 << 10
"""A small buffer after the first body that needs more. uvloop reads as much at a time."""
LARGE_BUFFER_BYTES = 1 << 20
"""The buffers for larger bodies: fewer calls of the writer thread."""
MAX_LARGE_BUFFERS = 32
"""Large buffers in use at a time. A connection that gets none uses its small one."""
MAX_FREE_BUFFERS = 8
"""Buffers of each kind that are kept for later bodies."""
_NONE = bytearray()
_NO_VIEW = memoryview(_NONE)


class BufferPool:
    """The buffers of all connections, `MAX_LARGE_BUFFERS` large ones at most."""

    def __init__(self) -> None:
        self.small_bytes = FIRST_BUFFER_BYTES
        self.free_small: list[bytearray] = []
        self._free: list[bytearray] = []
        self._large_count = 0

    def use_larger(self) -> None:
        """Small buffers have `BUFFER_BYTES` from now on."""
        if self.small_bytes < BUFFER_BYTES:
            self.small_bytes = BUFFER_BYTES
            self.free_small.clear()

    def take(self) -> bytearray | None:
        """A large buffer, None if too many are in use. It is counted until `give_back`."""
        if self._large_count == MAX_LARGE_BUFFERS:
            return None
        self._large_count += 1
        return self._free.pop() if self._free else bytearray(LARGE_BUFFER_BYTES)

    def give_back(self, count: int, *unused: bytearray | None) -> None:
        """`count` buffers are no longer in use. Those among `unused` that are large may be reused."""
        self._large_count -= count
        found = [buffer for buffer in unused if buffer is not None and len(buffer) == LARGE_BUFFER_BYTES]
        self._free += found[: MAX_FREE_BUFFERS - len(self._free)]


class ReceiveBuffer:
    """The buffer of one connection. Bytes of `data` from `consumed` to `filled` are not yet read.

    The pieces that are read are views of `data`: after `hand_over` it is not written to until `released`.
    It has no memory before the first bytes of a response, nor after `rest`.
    """

    __slots__ = (
        "_buffers",
        "_in_use",
        "_large_count",
        "_spare",
        "consumed",
        "data",
        "filled",
        "view",
    )

    def __init__(self, buffers: BufferPool) -> None:
        self._buffers = buffers
        self._in_use: bytearray | None = None
        self._spare: bytearray | None = None
        self._large_count = 0
        self._use(_NONE)

    def _use(self, buffer: bytearray, content: memoryview | None = None) -> None:
        self.data = buffer
        self.view = memoryview(buffer)
        self.consumed, self.filled = 0, 0 if content is None else len(content)
        if content is not None:
            self.view[: len(content)] = content

    @property
    def full(self) -> bool:
        """Whether no more bytes can be received."""
        return 0 < len(self.data) == self.filled

    def free(self) -> memoryview:
        """A view of the free part, for the next read from the socket. Never empty."""
        if not self.data:
            free = self._buffers.free_small
            self.data = free.pop() if free else bytearray(self._buffers.small_bytes)
            self.view = memoryview(self.data)
        elif self.filled == len(self.data):
            # A read that was under way when reading was paused. The buffer may be in use: replace it.
            unread = self.view[self.consumed :]
            self._use(bytearray(len(unread) + len(self.data)), unread)
        return self.view[self.filled :]

    def rest(self) -> None:
        """Nothing refers to the bytes of the response any more: another connection may use the memory."""
        free = self._buffers.free_small
        if len(self.data) == self._buffers.small_bytes and len(free) < MAX_FREE_BUFFERS:
            free.append(self.data)
        self.data, self.view = _NONE, _NO_VIEW
        self.consumed = self.filled = 0

    def take_all(self) -> memoryview:
        """All unread bytes, which count as consumed."""
        data = self.view[self.consumed : self.filled]
        self.consumed = self.filled = 0
        return data

    def fit(self, size: int) -> bool:
        """Make room for so many bytes in all, unread ones included. False if they are too many."""
        if len(self.data) < size <= BUFFER_BYTES:
            self._buffers.use_larger()
            self._use(bytearray(BUFFER_BYTES), self.view[self.consumed : self.filled])
        return size <= len(self.data)

    def enlarge(self) -> None:
        """Use a large buffer: a large body begins."""
        if not self._large_count and (buffer := self._buffers.take()) is not None:
            self._large_count = 1
            self._use(buffer, self.view[self.consumed : self.filled])

    def hand_over(self, more: bool) -> None:
        """The sink still uses the last piece: receive into another buffer, or nowhere if there is none.

        `more`: the body is not complete.
        """
        self._in_use, spare, self._spare = self.data, self._spare, None
        if spare is None and more and self._large_count == 1 and (spare := self._buffers.take()) is not None:
            self._large_count = 2
        if spare is not None:
            self._use(spare)
        else:
            self.consumed = self.filled = len(self.data)

    def released(self) -> None:
        """The sink no longer uses the bytes that were handed over."""
        buffer, self._in_use = self._in_use, None
        if buffer is self.data:
            self.consumed = self.filled = 0
        elif buffer is not None:
            self._spare = buffer

    def shrink(self) -> None:
        """The body is complete, and nothing is handed over: give back what was used for it."""
        self._buffers.give_back(self._large_count, self.data, self._spare)
        self._large_count, self._spare = 0, None
        self.rest()

    def drop(self) -> None:
        """Nothing more will be received. The sink may still use the last piece: its buffer is not reused."""
        self._buffers.give_back(self._large_count)
        self._large_count = 0
