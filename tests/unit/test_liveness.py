"""Workers that say nothing are given up after their time, and not for what stopped the coordinator too."""

from mlhub_async.engine.executors.remote.liveness import MAX_TICK_SECONDS, Liveness


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def given_up(liveness, clock, seconds, step=0.5):
    """Those who are given up while time goes by."""
    found = []
    for _ in range(round(seconds / step)):
        clock.now += step
        found += liveness.silent()
    return found


def test_a_silent_worker_is_given_up_once_and_one_that_speaks_is_not():
    clock = Clock()
    liveness = Liveness(10, clock)
    liveness.hear(1)
    liveness.hear(2)
    assert given_up(liveness, clock, 9) == []
    liveness.hear(2)
    assert given_up(liveness, clock, 2) == [1]
    assert given_up(liveness, clock, 6) == []
    assert given_up(liveness, clock, 4) == [2]


def test_a_worker_that_has_ended_is_not_given_up():
    clock = Clock()
    liveness = Liveness(10, clock)
    liveness.hear(1)
    liveness.forget(1)
    liveness.forget(2)
    assert given_up(liveness, clock, 30) == []


def test_the_time_for_which_all_processes_were_stopped_is_no_silence_of_a_worker():
    clock = Clock()
    liveness = Liveness(10, clock)
    liveness.hear(1)
    clock.now += 3_600
    assert [*liveness.silent()] == []
    assert given_up(liveness, clock, 10 - MAX_TICK_SECONDS) == []
    assert given_up(liveness, clock, 1) == [1]
