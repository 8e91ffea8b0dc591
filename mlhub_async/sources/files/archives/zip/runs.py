"""Reads many small members of a ZIP by few requests: those that lie near each other come with one range."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Protocol

from .....core.formats.archives.zip_directory import ZipMember
from .....core.ports import Buffer

RANGE_BYTES = 8 << 20
"""So much one request asks for at most, and what the last member in it has beyond that."""
GAP_BYTES = 64 << 10
"""Bytes that nobody wants are read with others if they are fewer than these, as a request costs more."""
_limit_of = attrgetter("member.limit")


class ZipOrder(Protocol):
    """See `ports.MemberOrder`."""

    @property
    def member(self) -> ZipMember: ...


Whole = Callable[[ZipOrder, memoryview], Awaitable[None] | None]
"""Takes an order, and the bytes of the archive from the member's local header to its limit."""


def runs_of(members: Sequence[ZipMember]) -> Iterator[range]:
    """Numbers of the members, which are sorted by offset, that one request asks for."""
    first, begin = 0, members[0].offset if members else 0
    for number, (before, member) in enumerate(pairwise(members), 1):
        limit, offset = before.limit, member.offset
        if offset - limit > GAP_BYTES or limit - begin >= RANGE_BYTES:
            yield range(first, number)
            first, begin = number, offset
    if members:
        yield range(first, len(members))


class MemberSplitter:
    """Takes the bytes of a range in order, and gives each member as soon as all of its bytes are there."""

    def __init__(self, orders: Sequence[ZipOrder], whole: Whole) -> None:
        """`orders` are for members, sorted by offset, and at least one."""
        self._orders = orders
        self._limits = list(map(_limit_of, orders))
        self._whole = whole
        self._number = 0
        """that of the present member"""
        self._position = orders[0].member.offset
        """the offset in the archive of the next byte"""
        self._begun = bytearray()
        """the first bytes of the present member, if they came before the others"""

    def take(self, data: Buffer) -> Awaitable[None] | None:
        view, position = memoryview(data), self._position
        end = self._position = position + len(data)
        number = bisect_right(self._limits, end, self._number)
        busy: Awaitable[None] | None = None
        for order in self._orders[self._number : number]:
            member = order.member
            if self._begun:
                piece = self._completed(view[: member.limit - position])
            else:
                piece = view[member.offset - position : member.limit - position]
            busy = self._whole(order, piece) or busy
        self._number = number
        if number < len(self._orders):
            present = self._orders[number].member
            self._begun += view[max(present.offset - position, 0) :]
        return busy

    def _completed(self, rest: memoryview) -> memoryview:
        whole, self._begun = self._begun, bytearray()
        whole += rest
        return memoryview(whole)
