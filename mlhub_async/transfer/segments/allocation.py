"""Which stream brings which bytes of one body: every byte once, and in order as far as possible.

Pure: it knows neither network nor disk.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_FACTOR = 8
"""A stream is slow that brings so many times less than the others do on average."""
SLOW_SHARE = 16
"""A slow stream keeps this part of what is left of its segment, and of the least size of a segment."""
MAX_LEAD_SEGMENTS = 3
"""Segments per stream by which the others may be ahead of one before they take bytes from it."""


@dataclass(slots=True, eq=False, repr=False)
class Segment:
    """The bytes that one stream brings: from `position`, the next one, to before `stop`.

    `limit` is where the answer that carries them ends: so far the stream could go on.
    """

    position: int
    stop: int
    limit: int
    first: int = 0
    left_at_start: int = 0
    """bytes of the body that were still to come when the stream began"""

    @property
    def left(self) -> int:
        return self.stop - self.position

    def end(self) -> None:
        """Note that its stream is over and cannot bring more than this."""
        self.limit = self.stop


class ByteAllocation:
    """The bytes of one body from `first` to before `total`, all of them for `main` to begin with.

    `main` is the segment of the transfer's own stream. No segment is made with fewer than `min_bytes`,
    but the last one and one that is taken from a slow stream.
    """

    def __init__(self, first: int, total: int, min_bytes: int) -> None:
        self.main = Segment(first, total, total, first, total - first)
        self._min_bytes = min_bytes
        self._active = [self.main]
        self._unassigned: list[tuple[int, int]] = []
        self._written: dict[int, int] = {}

    @property
    def left(self) -> int:
        """Bytes that have not come yet."""
        unassigned = sum(stop - first for first, stop in self._unassigned)
        return sum(segment.left for segment in self._active) + unassigned

    @property
    def divisible(self) -> bool:
        """Whether another stream would find bytes to bring."""
        large = any(segment.left >= 2 * self._min_bytes for segment in self._active)
        return bool(self._unassigned) or large

    def take(self, size: int) -> Segment | None:
        """A segment of about `size` bytes for one more stream; None if none is left.

        It is made of the first bytes that no stream brings, else of the last ones that another would
        bring. It is also made of those of a stream that has fallen behind, because bytes that lie beyond
        a gap cannot be proven to a later run.
        """
        if self._active:
            last = min(self._active, key=lambda segment: segment.position)
            if not self._unassigned:
                self._cut(max(self._active, key=lambda segment: segment.left), size)
            elif self._lead_over(last) > MAX_LEAD_SEGMENTS * len(self._active) * size:
                self._cut(last, size)
        if not self._unassigned:
            return None
        first, stop = self._unassigned.pop(0)
        if stop - first - size >= self._min_bytes:
            self._unassigned.insert(0, (first + size, stop))
            stop = first + size
        segment = Segment(first, stop, stop, first, self.left + stop - first)
        self._active.append(segment)
        return segment

    def _lead_over(self, segment: Segment) -> int:
        """Bytes beyond this segment that other streams have begun with."""
        return self._unassigned[0][0] - segment.stop

    def _cut(self, segment: Segment, size: int) -> None:
        """Take from a segment half of what is left of it at the most, and nearly all from a slow stream."""
        slow = self._is_slow(segment)
        min_bytes = max(self._min_bytes // SLOW_SHARE, 1) if slow else self._min_bytes
        share = SLOW_SHARE if min_bytes < self._min_bytes else 2
        kept = max(min(segment.left // share, size), min_bytes)
        if segment.left - kept >= min_bytes:
            self._unassigned.insert(0, (segment.position + kept, segment.stop))
            segment.stop = segment.position + kept

    def _is_slow(self, segment: Segment) -> bool:
        """Whether the others brought far more each since this stream began."""
        brought, all_together = segment.position - segment.first, segment.left_at_start - self.left
        return (brought + self._min_bytes // 2) * SLOW_FACTOR * len(self._active) < all_together

    def note_written(self, first: int, end: int) -> None:
        """Note that the bytes from `first` to before `end` are in the file."""
        if first < end:
            self._written[first] = end

    def release(self, segment: Segment, end: int) -> None:
        """Note that a stream is over, whose bytes before `end` are in the file.

        The rest goes to a stream that would come to it anyway, else it is to be taken again.
        """
        segment.end()
        self._active.remove(segment)
        if end >= segment.stop:
            return
        gaps = _joined(sorted([*self._unassigned, (end, segment.stop)]))
        for other in self._active:
            if other.stop < other.limit and other.stop in gaps:
                stop = gaps.pop(other.stop)
                other.stop = min(stop, other.limit)
                if other.stop < stop:
                    gaps[other.stop] = stop
        self._unassigned = sorted(gaps.items())

    def contiguous_end(self, position: int) -> int:
        """Where the written bytes end that follow `position` without a gap."""
        self._written = {first: end for first, end in self._written.items() if end > position}
        for first, end in sorted(self._written.items()):
            if first <= position < end:
                position = end
        return position

    def has_gap(self, position: int) -> bool:
        """Whether bytes are written beyond a gap after `position`: one stream would bring them again."""
        contiguous = self.contiguous_end(position)
        return any(end > contiguous for end in self._written.values())


def _joined(gaps: list[tuple[int, int]]) -> dict[int, int]:
    """Where each gap ends, by where it begins; gaps that touch become one."""
    found: dict[int, int] = {}
    begin = -1
    for first, stop in gaps:
        begin = begin if found.get(begin) == first else first
        found[begin] = stop
    return found
