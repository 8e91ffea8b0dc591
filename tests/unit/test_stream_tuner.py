"""How many streams a large body is brought by, on servers that are made of a formula and a clock."""

from dataclasses import dataclass, field

import pytest

from mlhub_async.transfer.segments.tuning import TRIAL_COOLDOWN_SECONDS, StreamTuner

MIB = 1 << 20
GIB = 1 << 30


@dataclass
class Body:
    """A body on its way: `rate(streams)` bytes of it come per second, by the MiB, and `others` beside."""

    rate: object
    size: int = 64 * GIB
    room: int = 64
    others: object = lambda streams: 0
    now: float = 0.0
    came: float = 0.0
    beside: float = 0.0
    tried: list = field(default_factory=lambda: [1])
    busy: float = 0.0
    tuner: StreamTuner | None = None

    def run(self, seconds, most=8, **how):
        self.tuner = self.tuner or StreamTuner(
            most, lambda: self.now, cpu_seconds=lambda: self.busy * self.now, **how
        )
        until = self.now + seconds
        while self.now < until and self.came < self.size:
            streams = min(self.tuner.allowed, self.room)
            if streams != self.tried[-1]:
                self.tried.append(streams)
            took = MIB / self.rate(streams)
            self.now += took
            self.came += MIB
            self.beside += took * self.others(streams)
            self.tuner.adjust(int(self.came + self.beside), streams, int(self.size - self.came))
        return self.tuner.allowed


def limited(each, line=10 * GIB):
    """Each connection gets so much, all together no more than the line has."""
    return lambda streams: min(each * streams, line)


@pytest.mark.parametrize("each", [200_000, 5 * MIB, 60 * MIB])
def test_where_each_connection_is_limited_there_are_soon_as_many_as_may_be(each):
    body = Body(limited(each))
    assert body.run(max(20, 40 * MIB / each)) == 8
    assert body.tried == [1, 2, 4, 8]


@pytest.mark.parametrize("line", [MIB, 100 * MIB, 2 * GIB])
def test_where_the_line_is_the_limit_one_stream_stays_one(line):
    body = Body(limited(line, line))
    assert body.run(8 + 20 * MIB / line) == 1
    assert body.tried == [1, 2, 1]


def test_what_did_not_pay_is_tried_again_ever_more_rarely():
    body = Body(limited(GIB, GIB))
    body.run(60)
    assert body.tried == [1, 2, 1, 2, 1, 2, 1]


def test_there_are_as_many_as_the_line_has_room_for():
    body = Body(limited(10 * MIB, 40 * MIB))
    body.run(30)
    assert body.tried[:5] == [1, 2, 4, 8, 4]
    assert body.run(100) == 4 and set(body.tried) <= {1, 2, 4, 5, 8}


def test_where_a_line_grows_wider_more_are_found_to_pay_one_by_one():
    body = Body(limited(10 * MIB, 20 * MIB))
    assert body.run(TRIAL_COOLDOWN_SECONDS) == 2
    body.rate = limited(10 * MIB)
    body.run(120)
    assert body.tried[-1] == 8 and body.tried[-3:] == [6, 7, 8]


def test_nothing_is_tried_for_what_is_soon_over():
    body = Body(limited(GIB), size=2 * GIB)
    body.run(10)
    assert body.tried == [1]


def test_nothing_is_tried_while_it_is_our_own_processor_that_is_slow():
    body = Body(limited(5 * MIB), busy=0.9)
    assert body.run(30) == 1 and body.tried == [1]


@pytest.mark.parametrize("luck", [1.0, 1.7])
def test_one_look_that_was_better_by_chance_is_not_enough(luck):
    """The line is fast for a moment while two are tried."""
    body = Body(lambda streams: 50 * MIB * (luck if streams == 2 and int(body.now * 2) % 2 else 1))
    body.run(20)
    assert set(body.tried) <= {1, 2} and body.tried[-1] == 1


def test_what_is_only_taken_from_other_files_is_no_gain():
    body = Body(lambda streams: 20 * MIB * streams, others=lambda streams: 100 * MIB - 20 * MIB * streams)
    body.run(8)
    assert body.tried == [1, 2, 1]


def test_streams_that_went_for_want_of_room_are_not_counted_on():
    body = Body(limited(5 * MIB))
    body.run(30)
    body.room = 3
    body.run(30)
    assert body.tried[-1] == 3 and body.tuner.allowed >= 3
    body.room = 64
    assert body.run(60) == 8


def test_a_given_number_is_there_from_the_beginning_and_only_measured():
    body = Body(limited(MIB, MIB))
    assert body.run(60, given=True, most=5) == 5
    assert body.tried == [1, 5] and body.tuner.rate == pytest.approx(MIB, rel=0.1)
