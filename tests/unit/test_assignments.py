"""Which worker gets which jobs, and what becomes of the jobs of one that ended."""

import pytest

from mlhub_async.core.model import Asset, Job
from mlhub_async.engine.executors.remote.assignments import (
    MAX_WINDOW,
    WINDOW_BYTES,
    Assignment,
    Assignments,
)


class Crew:
    """Assignments whose messages are kept, by worker."""

    def __init__(self, workers, slots=4):
        self.now = 0.0
        self.given = {}
        self.all = Assignments(self._send, slots, lambda: self.now)
        for worker in workers:
            self.join(worker)

    def _send(self, worker, frame):
        self.given[worker] += [one.number for one in frame]

    def join(self, worker):
        self.given[worker] = []
        self.all.join(worker)

    def add(self, numbers, size=None):
        for number in numbers:
            job = Job(Asset(f"https://h.test/{number}", "data", f"i{number}", "c", size=size), f"c/{number}")
            self.all.backlog.append(Assignment(number, job))

    def give(self):
        self.all.give(all_of_them=True)

    def settle(self, worker):
        for number in [*self.all.workers[worker].jobs]:
            assert self.all.settle(worker, number).number == number


def test_all_workers_get_some_of_a_few_jobs():
    crew = Crew([1, 2])
    crew.add(range(6))
    crew.give()
    assert sorted(map(len, crew.given.values())) == [3, 3]


def test_a_worker_that_settles_many_is_given_more_ahead():
    crew = Crew([1])
    for _ in range(30):
        crew.add(range(5_000))
        crew.give()
        crew.now += 0.1
        crew.settle(1)
        crew.all.measure()
        crew.all.backlog.clear()
    assert 150 < crew.all.workers[1].window <= MAX_WINDOW


def test_few_large_jobs_are_enough():
    crew = Crew([1, 2], slots=64)
    crew.add(range(100), size=WINDOW_BYTES)
    crew.give()
    assert sorted(map(len, crew.given.values())) == [8, 8]


def test_an_outcome_that_comes_twice_counts_once():
    crew = Crew([1])
    crew.add([7])
    crew.give()
    assert crew.all.settle(1, 7).number == 7
    assert crew.all.settle(1, 7) is None and crew.all.settle(2, 7) is None


@pytest.mark.parametrize("ends_all", [False, True])
@pytest.mark.parametrize("poison", range(8))
def test_a_job_that_ends_its_workers_is_found_and_all_others_are_done(poison, ends_all):
    """`ends_all`: all other workers end with its own, whatever they do."""
    crew, done, lost, worker, rounds = Crew([1, 2]), [], [], 2, 0
    crew.add(range(8))
    for _ in range(60):
        crew.give()
        there = [number for number, state in crew.all.workers.items() if poison in state.jobs]
        ending = [*crew.all.workers] if there and ends_all else there
        rounds += bool(there)
        for number in [*crew.all.workers]:
            if number in ending:
                lost += [one.number for one in crew.all.lose(number)]
                worker += 1
                crew.join(worker)
            else:
                done += crew.all.workers[number].jobs
                crew.settle(number)
    assert lost == [poison] and sorted(done) == [n for n in range(8) if n != poison]
    assert rounds == 4, "its group ended two workers, it alone ended two more"


def test_only_one_job_is_tried_alone_at_a_time():
    crew = Crew([1, 2, 3])
    crew.add(range(6))
    for _ in range(2):
        crew.give()
        for worker in [*crew.all.workers]:
            assert list(crew.all.lose(worker)) == []
        for worker in (1, 2, 3):
            crew.join(worker)
    for _ in range(6):
        crew.give()
        [busy] = [number for number, state in crew.all.workers.items() if state.jobs]
        assert len(crew.all.workers[busy].jobs) == 1
        crew.settle(busy)
    assert crew.all.waiting == 0


def test_a_worker_that_is_ended_from_outside_blames_no_job():
    """Whatever is tried alone is ended once by somebody else, and is done the next time."""
    crew, worker, done, ended = Crew([1]), 1, [], set()
    crew.add(range(4))
    for _ in range(40):
        crew.give()
        having = frozenset(crew.all.workers[worker].jobs)
        if having and having not in ended:
            ended.add(having)
            assert list(crew.all.lose(worker)) == []
            worker += 1
            crew.join(worker)
        else:
            done += having
            crew.settle(worker)
    assert sorted(done) == [0, 1, 2, 3]


def test_jobs_of_a_worker_that_ended_share_a_worker_with_no_others():
    crew = Crew([1])
    crew.add(range(4))
    crew.give()
    assert list(crew.all.lose(1)) == []
    crew.join(2)
    crew.add(range(10, 14))
    crew.give()
    assert crew.given[2] == [0, 1, 2, 3]
    crew.settle(2)
    crew.give()
    assert crew.given[2][4:] == [10, 11, 12, 13]
