"""Who brings which bytes of one body: every byte is brought once, and in order as far as that can be.

Knows of no network and no disk; the property test of it needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW = 8
"""So many times less than the others bring is slow."""
SLIVER = 16
"""What is left to a slow one: of what it had to bring, and of the least part."""
AHEAD = 3
"""Parts by which the others may be ahead of one that is slow, before they take from it."""


@dataclass(slots=True, eq=False)
class Segment:
    """What one stream is to bring: from `at`, its next byte, to before `stop`. It could go on to `limit`."""

    at: int
    stop: int
    limit: int
    first: int = 0
    since: int = 0
    """bytes that were left to all when it began"""

    @property
    def left(self) -> int:
        return self.stop - self.at

    def end(self) -> None:
        """The stream is over: nobody must count on more of it."""
        self.limit = self.stop


class ByteAllocation:
    """The bytes from `first` to before `total`. All of them are claimed by the `front` to begin with.

    No part is smaller than `least`, but the last.
    """

    def __init__(self, first: int, total: int, least: int) -> None:
        self.front = Segment(first, total, total, first, total - first)
        self._least = least
        self._claims = [self.front]
        self._todo: list[tuple[int, int]] = []
        self._landed: dict[int, int] = {}

    @property
    def left(self) -> int:
        """Bytes that have not come yet."""
        return sum(claim.left for claim in self._claims) + sum(stop - first for first, stop in self._todo)

    @property
    def divisible(self) -> bool:
        """Whether there is anything to take."""
        return bool(self._todo) or any(claim.left >= 2 * self._least for claim in self._claims)

    def take(self, size: int) -> Segment | None:
        """The first bytes that nobody brings, about so many, else some that another one brings last.

        Also those of one that has fallen behind: nothing of what lies after it is proven meanwhile.
        """
        if self._claims:
            slow = min(self._claims, key=lambda claim: claim.at)
            if not self._todo:
                self._cut(max(self._claims, key=lambda claim: claim.left), size)
            elif self._todo[0][0] - slow.at > slow.left + AHEAD * len(self._claims) * size:
                self._cut(slow, size)
        if not self._todo:
            return None
        first, stop = self._todo.pop(0)
        if stop - first - size >= self._least:
            self._todo.insert(0, (first + size, stop))
            stop = first + size
        claim = Segment(first, stop, stop, first, self.left + stop - first)
        self._claims.append(claim)
        return claim

    def _cut(self, claim: Segment, size: int) -> None:
        """Take from a claim half of it at the most, and most of it if its stream is slow."""
        least = max(self._least // SLIVER, 1) if self._slow(claim) else self._least
        kept = max(min(claim.left // (SLIVER if least < self._least else 2), size), least)
        if claim.left - kept >= least:
            self._todo.insert(0, (claim.at + kept, claim.stop))
            claim.stop = claim.at + kept

    def _slow(self, claim: Segment) -> bool:
        """Whether the others brought far more each, of what has come since it began."""
        brought, all_of_it = claim.at - claim.first, claim.since - self.left
        return (brought + self._least // 2) * SLOW * len(self._claims) < all_of_it

    def land(self, first: int, end: int) -> None:
        """These bytes are on the disk."""
        if first < end:
            self._landed[first] = end

    def drop(self, claim: Segment, end: int) -> None:
        """A stream is over, of whose bytes those before `end` have landed: who would come to the others
        anyway goes on, else they are to be taken."""
        claim.end()
        self._claims.remove(claim)
        if end >= claim.stop:
            return
        holes = _joined(sorted([*self._todo, (end, claim.stop)]))
        for other in self._claims:
            if other.stop < other.limit and other.stop in holes:
                stop = holes.pop(other.stop)
                other.stop = min(stop, other.limit)
                if other.stop < stop:
                    holes[other.stop] = stop
        self._todo = sorted(holes.items())

    def reach(self, at: int) -> int:
        """Where what has landed ends that follows the bytes before `at` without a hole."""
        self._landed = {first: end for first, end in self._landed.items() if end > at}
        for first, end in sorted(self._landed.items()):
            if first <= at < end:
                at = end
        return at

    def apart(self, at: int) -> bool:
        """Whether something has landed beyond a hole: one stream would bring it again."""
        reach = self.reach(at)
        return any(end > reach for end in self._landed.values())


def _joined(holes: list[tuple[int, int]]) -> dict[int, int]:
    """Where each hole ends, by where it begins; those that touch are one."""
    found: dict[int, int] = {}
    begin = -1
    for first, stop in holes:
        begin = begin if found.get(begin) == first else first
        found[begin] = stop
    return found
