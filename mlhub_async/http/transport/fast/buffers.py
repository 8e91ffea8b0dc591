"""Where a connection receives: in a buffer of its own and, while a large body comes, in larger ones in turn.

While the sink works on one of them the next one fills, so no byte is copied on its way to the file.
"""

from __future__ import annotations

BUFFER_SIZE = 256 << 10
"""Bytes one read can take: as much as uvloop reads at a time."""
LARGE_BUFFER_SIZE = 1 << 20
"""The same for a body that is larger than that: fewer turns of the disk's thread."""
MAX_LARGE = 32
"""Large buffers that are out at a time; who gets none goes on with the one it has."""
MAX_KEPT = 8


class BufferPool:
    """The large buffers of all connections: so many at most, and some kept for the next body."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []
        self._out = 0

    def take(self) -> bytearray | None:
        if self._out == MAX_LARGE:
            return None
        self._out += 1
        return self._free.pop() if self._free else bytearray(LARGE_BUFFER_SIZE)

    def give_back(self, count: int, *unused: bytearray | None) -> None:
        """So many are not out any more. Those that nobody works on serve again."""
        self._out -= count
        found = [buffer for buffer in unused if buffer is not None and len(buffer) == LARGE_BUFFER_SIZE]
        self._free += found[: MAX_KEPT - len(self._free)]


class ReceiveBuffer:
    """Bytes of `data` from `taken` to `filled` have come and are nobody's yet."""

    __slots__ = ("_buffers", "_lent", "_out", "_own", "_spare", "data", "filled", "taken", "view")

    def __init__(self, buffers: BufferPool) -> None:
        self._buffers = buffers
        self._own = bytearray(BUFFER_SIZE)
        self._lent: bytearray | None = None
        self._spare: bytearray | None = None
        self._out = 0
        self._use(self._own)

    def _use(self, buffer: bytearray, rest: memoryview | None = None) -> None:
        self.data = buffer
        self.view = memoryview(buffer)
        self.taken, self.filled = 0, 0 if rest is None else len(rest)
        if rest is not None:
            self.view[: len(rest)] = rest

    @property
    def full(self) -> bool:
        return self.filled == len(self.data)

    def room(self) -> memoryview:
        if self.filled == len(self.data):
            # A read that was on its way when reading was paused: what is here stays as it is.
            rest = self.view[self.taken :]
            self._use(bytearray(len(rest) + len(self.data)), rest)
        return self.view[self.filled :]

    def rest(self) -> memoryview:
        """All that has come, taken."""
        data = self.view[self.taken : self.filled]
        self.taken = self.filled = 0
        return data

    def enlarge(self) -> None:
        """A large body comes."""
        if not self._out and (buffer := self._buffers.take()) is not None:
            self._out = 1
            self._use(buffer, self.view[self.taken : self.filled])

    def lend(self, more: bool) -> None:
        """What was just taken is still worked on: receive elsewhere, or nowhere. `more` is to come."""
        self._lent, spare, self._spare = self.data, self._spare, None
        if spare is None and more and self._out == 1 and (spare := self._buffers.take()) is not None:
            self._out = 2
        if spare is not None:
            self._use(spare)
        else:
            self.taken = self.filled = len(self.data)

    def returned(self) -> None:
        """Nobody works on the bytes any more that were lent."""
        lent, self._lent = self._lent, None
        if lent is self.data:
            self.taken = self.filled = 0
        elif lent is not None:
            self._spare = lent

    def shrink(self) -> None:
        """The large body is over; nothing is lent."""
        if self._out:
            self._buffers.give_back(self._out, self.data, self._spare)
            self._out, self._spare = 0, None
            self._use(self._own)

    def drop(self) -> None:
        """Nothing will be received any more; somebody may still work on what has been."""
        self._buffers.give_back(self._out)
        self._out = 0
