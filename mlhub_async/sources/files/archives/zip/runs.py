"""Reads many small members of a ZIP by few requests: those that lie near each other come with one range."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

from .....core.formats.archives.zip_directory import ZipMember
from .....core.ports import Buffer

RANGE_BYTES = 8 << 20
"""So much one request asks for at most, and what the last member in it has beyond that."""
GAP_BYTES = 64 << 10
"""Bytes that nobody wants are read with others if they are fewer than these, as a request costs more."""
Whole = Callable[[int, memoryview], Awaitable[None] | None]
"""Takes the number of a member and the bytes of the archive from its local header to its limit."""


def runs_of(members: Sequence[ZipMember]) -> Iterator[range]:
    """Numbers of the members, which are sorted by offset, that one request asks for."""
    first = 0
    for number in range(1, len(members)):
        member, before = members[number], members[number - 1]
        far = member.offset - before.limit > GAP_BYTES
        if far or before.limit - members[first].offset >= RANGE_BYTES:
            yield range(first, number)
            first = number
    if members:
        yield range(first, len(members))


class MemberSplitter:
    """Takes the bytes of a range in order, and gives each member as soon as all of its bytes are there."""

    def __init__(self, members: Sequence[ZipMember], numbers: range, whole: Whole) -> None:
        self._members = members
        self._numbers = iter(numbers)
        self._whole = whole
        self._position = members[numbers[0]].offset
        """the offset in the archive of the next byte"""
        self._number = next(self._numbers, -1)
        self._begun = bytearray()
        """the first bytes of the present member, if they came before the others"""

    def take(self, data: Buffer) -> Awaitable[None] | None:
        view, end = memoryview(data), self._position + len(data)
        busy: Awaitable[None] | None = None
        while self._number >= 0:
            member = self._members[self._number]
            begin = max(member.offset - self._position, 0)
            if member.limit > end:
                self._begun += view[begin:]
                break
            piece = view[begin : member.limit - self._position]
            if self._begun:
                self._begun += piece
                piece, self._begun = memoryview(self._begun), bytearray()
            busy = self._whole(self._number, piece) or busy
            self._number = next(self._numbers, -1)
        self._position = end
        return busy
