"""Every byte of a body is brought by exactly one stream, whatever becomes of the streams."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mlhub_async.transfer.segments.allocation import ByteAllocation

MIN_BYTES = 4


class Streams:
    """Streams that bring bytes of one body. `brought` counts how often each byte came."""

    def __init__(self, first, total, min_bytes=MIN_BYTES):
        self.allocation = ByteAllocation(first, total, min_bytes)
        self.first, self.total = first, total
        self.brought = [0] * total
        self.active = {self.allocation.main: first}

    def take(self, size):
        if (segment := self.allocation.take(size)) is not None:
            assert segment.left > 0
            self.active[segment] = segment.position

    def bring(self, segment, count):
        """As a stream does: not beyond its stop, which another one may have moved meanwhile."""
        count = min(count, segment.left)
        for position in range(segment.position, segment.position + count):
            self.brought[position] += 1
        segment.position += count
        self.allocation.note_written(self.active[segment], segment.position)
        if not segment.left:
            self.end(segment)

    def end(self, segment):
        first = self.active.pop(segment)
        self.allocation.note_written(first, segment.position)
        self.allocation.release(segment, segment.position)

    def check(self):
        assert self.allocation.left == self.brought.count(0) - self.first
        assert max(self.brought) <= 1
        end = self.allocation.contiguous_end(self.first)
        assert self.brought[self.first : end].count(0) == 0
        assert end == self.total or not self.brought[end]
        assert self.allocation.has_gap(self.first) == (1 in self.brought[end:])


@settings(max_examples=100)
@given(st.data(), st.integers(0, 50), st.integers(1, 400))
def test_each_byte_is_brought_once_and_none_is_left_out(data, first, size):
    streams = Streams(first, first + size, data.draw(st.sampled_from([1, 4, 16, 64])))
    for _ in range(data.draw(st.integers(0, 60))):
        choice = data.draw(st.sampled_from(["take", "bring", "bring", "end"]))
        if choice == "take":
            streams.take(data.draw(st.integers(1, 60)))
        elif streams.active:
            segment = data.draw(st.sampled_from(list(streams.active)))
            if choice == "bring":
                streams.bring(segment, data.draw(st.integers(0, 50)))
            else:
                streams.end(segment)
        streams.check()
    for _ in range(4 * size):
        if not streams.active:
            streams.take(20)
        for segment in list(streams.active):
            streams.bring(segment, 5)
    streams.check()
    assert streams.allocation.contiguous_end(first) == streams.total


def test_what_a_stream_leaves_is_taken_again_unless_another_one_would_come_to_it_anyway():
    streams = Streams(0, 100)
    streams.take(20)
    main, segment = streams.active
    assert (main.stop, segment.position, segment.stop) == (20, 20, 40)
    streams.bring(segment, 5)
    streams.end(segment)
    assert main.stop == 20, "it would come to bytes that are written already"
    streams.take(20)
    [_, segment] = streams.active
    assert (segment.position, segment.stop) == (25, 45)
    streams.end(segment)
    streams.bring(main, 100)
    assert streams.allocation.contiguous_end(0) == 25


def test_a_stream_that_brought_nothing_leaves_no_trace():
    streams = Streams(0, 100)
    streams.take(20)
    main, segment = streams.active
    streams.end(segment)
    assert main.stop == 100


def test_segments_are_taken_in_order_and_the_last_bytes_are_shared():
    streams = Streams(0, 100)
    for _ in range(5):
        streams.take(20)
    brought = [(segment.position, segment.stop) for segment in streams.active]
    assert brought == [(0, 10), (20, 40), (40, 60), (60, 80), (80, 100), (10, 20)]


def test_the_others_take_bytes_from_a_stream_that_has_fallen_behind():
    streams = Streams(0, 10_000)
    streams.take(20)
    main, slow = streams.active
    streams.bring(main, 20)
    for _ in range(20):
        streams.take(20)
        segment = list(streams.active)[-1]
        if segment.position < 40:
            break
        streams.bring(segment, 20)
    assert (slow.position, slow.stop) == (20, 21) and (segment.position, segment.stop) == (21, 40)


def test_no_segment_is_smaller_than_the_minimum():
    streams = Streams(0, 2 * MIN_BYTES - 1)
    streams.take(1)
    assert list(streams.active) == [streams.allocation.main] and not streams.allocation.divisible
