"""Which worker has which jobs: how many each gets at a time, and what becomes of those of one that ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ....core.model import Job

if TYPE_CHECKING:
    from ....transfer.dedupe import InFlight

WINDOW_SECONDS = 0.15
"""A worker is given jobs ahead for so long, at the rate at which it has settled some."""
MIN_WINDOW, MAX_WINDOW = 32, 200
"""Jobs that a worker has at a time, those that wait there included."""
MIN_FRAME = 50
"""Fewer jobs are sent only after a moment, or if the worker has nothing to do."""
WINDOW_BYTES = 256 << 20
"""If the jobs of a worker have so many bytes it gets no more, but for a few of any size."""
FEW_JOBS = 8
MAX_LOSSES = 2
"""A job fails if so many workers ended while it was tried alone."""


@dataclass(slots=True)
class Assignment:
    """A job that is under way, or is to be given to another worker.

    `own`: how other transfers in this process know it. `losses`: workers that ended while it was tried alone.
    `partial`: the partial file that it was given with.
    """

    number: int
    job: Job
    own: InFlight | None = None
    losses: int = 0
    partial: str = ""


@dataclass(slots=True)
class WorkerState:
    """What one worker has. `window`: how many jobs it may have. `repeats`: it has jobs that another worker
    ended with, and gets no others meanwhile."""

    number: int
    window: float
    jobs: dict[int, Assignment] = field(default_factory=dict)
    bytes: int = 0
    settled: int = 0
    repeats: bool = False

    @property
    def room(self) -> int:
        return max(0, round(self.window) - len(self.jobs))


class Assignments:
    """Gives jobs to workers by `send`. `slots`: transfers that a worker makes at a time.

    The jobs of a worker that ended go as one group to a worker that has no others: most workers end by
    something else than a job. If that worker ends as well, each job of the group is tried alone: its worker
    has no other, and no other job is tried meanwhile. So a job is never blamed for what another one does,
    also where one job ends all workers.
    """

    def __init__(
        self,
        send: Callable[[int, list[Assignment]], None],
        slots: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers: dict[int, WorkerState] = {}
        self.backlog: deque[Assignment] = deque()
        self._send = send
        self._least = min(2 * slots, MIN_WINDOW)
        self._few = min(slots, FEW_JOBS)
        self._clock = clock
        self._measured_at = clock()
        self._groups: deque[list[Assignment]] = deque()
        self._suspects: deque[Assignment] = deque()
        self._tried: Assignment | None = None
        self._review()

    def is_full(self, unrecorded: int) -> bool:
        """Whether enough jobs wait, or enough have no outcome in the ledger: so many are `unrecorded`.

        Each of these keeps its item in memory. Without the second limit the outcomes of workers that are
        faster than the ledger, for a moment, would add up.
        """
        return len(self.backlog) >= self._enough or unrecorded >= 3 * self._enough

    def _review(self) -> None:
        windows = sum(worker.window for worker in self.workers.values())
        self._enough = max(windows, self._least) / 2

    @property
    def waiting(self) -> int:
        return len(self.backlog) + len(self._suspects) + sum(map(len, self._groups))

    def join(self, worker: int) -> None:
        self.workers[worker] = WorkerState(worker, self._least)
        self._review()

    def settle(self, worker: int, number: int) -> Assignment | None:
        """The job of this number has an outcome; None if somebody else had given it before."""
        state = self.workers.get(worker)
        if state is None or (found := state.jobs.pop(number, None)) is None:
            return None
        state.settled += 1
        state.bytes -= found.job.asset.size or 0
        state.repeats = state.repeats and bool(state.jobs)
        if found is self._tried:
            self._tried = None
        return found

    def lose(self, worker: int) -> Iterator[Assignment]:
        """A worker has ended. The jobs that are given to nobody any more."""
        state = self.workers.pop(worker)
        self._review()
        group = [*state.jobs.values()]
        if self._tried is not None and self._tried.number in state.jobs:
            one, self._tried = self._tried, None
            one.losses += 1
            if one.losses >= MAX_LOSSES:
                yield one
            else:
                self._suspects.appendleft(one)
        elif state.repeats or len(group) == 1:
            self._suspects += group
        elif group:
            self._groups.append(group)

    def give(self, *, all_of_them: bool = False) -> None:
        """Give jobs that wait to workers that have room. `all_of_them`: also a few only."""
        reserved = self._give_again() if self._suspects or self._groups else None
        if not self.backlog:
            return
        share = -(-len(self.backlog) // max(1, len(self.workers)))  # all get some of a short backlog
        for worker in sorted(self.workers.values(), key=lambda one: len(one.jobs) / one.window):
            if worker.repeats or worker is reserved:
                continue
            if self.backlog and self._wants(worker, all_of_them=all_of_them):
                self._fill(worker, min(worker.room, share))

    def _wants(self, worker: WorkerState, *, all_of_them: bool) -> bool:
        if worker.room < worker.window / 4:
            return False
        enough = min(MIN_FRAME, worker.window // 4)
        return all_of_them or not worker.jobs or len(self.backlog) >= enough

    def _fill(self, worker: WorkerState, most: int) -> None:
        frame: list[Assignment] = []
        while self.backlog and len(frame) < most:
            if worker.bytes >= WINDOW_BYTES and len(worker.jobs) >= self._few:
                break
            frame.append(self._add(worker, self.backlog.popleft()))
        if frame:
            self._send(worker.number, frame)

    def _add(self, worker: WorkerState, one: Assignment) -> Assignment:
        worker.jobs[one.number] = one
        worker.bytes += one.job.asset.size or 0
        return one

    def _give_again(self) -> WorkerState | None:
        """Give what workers ended with to workers without jobs. Returns one that is to become such."""
        free = [worker for worker in self.workers.values() if not worker.repeats]
        free.sort(key=lambda one: len(one.jobs))
        for worker in free:
            if not (again := self._next_again(take=not worker.jobs)):
                return None
            if worker.jobs:
                return worker
            worker.repeats = True
            self._send(worker.number, [self._add(worker, one) for one in again])
        return None

    def _next_again(self, *, take: bool) -> list[Assignment]:
        """The next job to be tried alone, or else the next group; empty if there is nothing to give now."""
        if self._suspects and self._tried is None:
            if not take:
                return [self._suspects[0]]
            self._tried = self._suspects.popleft()
            return [self._tried]
        if not self._groups:
            return []
        return self._groups.popleft() if take else self._groups[0]

    def measure(self) -> None:
        """Adjust the windows to the rates. To be called several times a second."""
        now = self._clock()
        seconds, self._measured_at = now - self._measured_at, now
        for worker in self.workers.values():
            rate, worker.settled = worker.settled / max(seconds, 0.01), 0
            wanted = min(self._least + rate * WINDOW_SECONDS, MAX_WINDOW)
            worker.window += (wanted - worker.window) / (2 if wanted > worker.window else 8)
        self._review()
