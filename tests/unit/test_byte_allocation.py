"""Every byte of a body is somebody's, and nobody else's, whatever becomes of those who bring it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mlhub_async.transfer.segments.allocation import ByteAllocation

LEAST = 4


class Streams:
    """Streams that bring bytes of one body, each with what it has brought: `brought` counts every byte."""

    def __init__(self, first, total, least=LEAST):
        self.shares = ByteAllocation(first, total, least)
        self.first, self.total = first, total
        self.brought = [0] * total
        self.under_way = {self.shares.front: first}

    def take(self, size):
        if (claim := self.shares.take(size)) is not None:
            assert claim.left > 0
            self.under_way[claim] = claim.at

    def bring(self, claim, count):
        """As a stream does: not beyond where it is to stop, which may have come nearer meanwhile."""
        count = min(count, claim.left)
        for at in range(claim.at, claim.at + count):
            self.brought[at] += 1
        claim.at += count
        self.shares.land(self.under_way[claim], claim.at)
        if not claim.left:
            self.end(claim)

    def end(self, claim):
        first = self.under_way.pop(claim)
        self.shares.land(first, claim.at)
        self.shares.drop(claim, claim.at)

    def check(self):
        assert self.shares.left == self.brought.count(0) - self.first
        assert max(self.brought) <= 1
        reach = self.shares.reach(self.first)
        assert self.brought[self.first : reach].count(0) == 0
        assert reach == self.total or not self.brought[reach]
        assert self.shares.apart(self.first) == (1 in self.brought[reach:])


@settings(max_examples=100)
@given(st.data(), st.integers(0, 50), st.integers(1, 400))
def test_each_byte_is_brought_once_and_all_are_in_the_end(data, first, size):
    streams = Streams(first, first + size, data.draw(st.sampled_from([1, 4, 16, 64])))
    for _ in range(data.draw(st.integers(0, 60))):
        choice = data.draw(st.sampled_from(["take", "bring", "bring", "end"]))
        if choice == "take":
            streams.take(data.draw(st.integers(1, 60)))
        elif streams.under_way:
            claim = data.draw(st.sampled_from(list(streams.under_way)))
            if choice == "bring":
                streams.bring(claim, data.draw(st.integers(0, 50)))
            else:
                streams.end(claim)
        streams.check()
    for _ in range(4 * size):
        if not streams.under_way:
            streams.take(20)
        for claim in list(streams.under_way):
            streams.bring(claim, 5)
    streams.check()
    assert streams.shares.reach(first) == streams.total


def test_what_nobody_brings_goes_back_to_who_would_come_to_it_anyway():
    streams = Streams(0, 100)
    streams.take(20)
    front, part = streams.under_way
    assert (front.stop, part.at, part.stop) == (20, 20, 40)
    streams.bring(part, 5)
    streams.end(part)
    assert front.stop == 20, "it would come to what is here already"
    streams.take(20)
    [_, part] = streams.under_way
    assert (part.at, part.stop) == (25, 45)
    streams.end(part)
    streams.bring(front, 100)
    assert streams.shares.reach(0) == 25


def test_a_part_that_brought_nothing_is_as_if_it_had_never_been():
    streams = Streams(0, 100)
    streams.take(20)
    front, part = streams.under_way
    streams.end(part)
    assert front.stop == 100


def test_parts_are_taken_in_order_and_the_last_ones_are_shared():
    streams = Streams(0, 100)
    for _ in range(5):
        streams.take(20)
    brought = [(claim.at, claim.stop) for claim in streams.under_way]
    assert brought == [(0, 10), (20, 40), (40, 60), (60, 80), (80, 100), (10, 20)]


def test_from_one_that_has_fallen_behind_the_others_take():
    streams = Streams(0, 10_000)
    streams.take(20)
    front, slow = streams.under_way
    streams.bring(front, 20)
    for _ in range(20):
        streams.take(20)
        claim = list(streams.under_way)[-1]
        if claim.at < 40:
            break
        streams.bring(claim, 20)
    assert (slow.at, slow.stop) == (20, 21) and (claim.at, claim.stop) == (21, 40)


def test_nothing_smaller_than_the_least_is_made_of_what_one_brings():
    streams = Streams(0, 2 * LEAST - 1)
    streams.take(1)
    assert list(streams.under_way) == [streams.shares.front] and not streams.shares.divisible
