"""After a sleep of ours failures are nobody's fault: they use up no attempt for a while."""

import asyncio
import re
from pathlib import Path

import pytest

import mlhub_async
from mlhub_async.core.errors import Transient
from mlhub_async.core.options import RetryPolicy
from mlhub_async.http.resilience.retry import (
    CHECK_SECONDS,
    GRACE_SECONDS,
    SUSPEND_GAP,
    Retry,
    SuspendDetector,
)


class Clocks:
    """The monotonic clock, and how long the machine slept, which that clock does not show."""

    def __init__(self):
        self.now, self.slept = 1000.0, 7.0
        self.awake = SuspendDetector(clock=lambda: self.now, slept=lambda: self.slept)

    def pass_by(self, seconds):
        """Time in which the loop turns as it should."""
        for _ in range(int(seconds / CHECK_SECONDS)):
            self.now += CHECK_SECONDS
            self.awake._look()


def test_a_loop_that_turns_is_awake():
    clocks = Clocks()
    clocks.pass_by(3 * GRACE_SECONDS)
    clocks.now += SUSPEND_GAP
    assert not clocks.awake.lately()


@pytest.mark.parametrize("which", ["now", "slept"], ids=["stopped", "suspended"])
def test_a_gap_is_remembered_for_a_while(which):
    clocks = Clocks()
    setattr(clocks, which, getattr(clocks, which) + SUSPEND_GAP + 0.1)
    assert clocks.awake.lately()
    clocks.pass_by(GRACE_SECONDS - CHECK_SECONDS)
    assert clocks.awake.lately()
    clocks.pass_by(2 * CHECK_SECONDS)
    assert not clocks.awake.lately()


async def no_wait(_):
    await asyncio.sleep(0)


async def test_what_fails_after_a_sleep_uses_up_no_attempt():
    clocks, tries = Clocks(), []
    retry = Retry(RetryPolicy(attempts=2), sleep=no_wait, asleep=clocks.awake.lately)

    async def attempt():
        tries.append(clocks.now)
        if len(tries) == 1:
            clocks.now += SUSPEND_GAP + 1
        clocks.pass_by(10)
        raise Transient("connection lost")

    with pytest.raises(Transient):
        await retry(attempt)
    assert len(tries) > 6 and len([when for when in tries if when > tries[1] + GRACE_SECONDS]) <= 2


async def test_it_watches_while_it_is_asked_to_and_leaves_no_timer():
    awake = SuspendDetector()
    with awake.watching():
        assert awake._timer is not None and not awake.lately()
    assert awake._timer is None


WALL = re.compile(r"\btime\.(?:time|time_ns|localtime|gmtime|strftime|ctime)\(|\b(?:now|utcnow|today)\(")


def test_the_wall_clock_is_only_written_down():
    """No timeout and no proof reads it: it names a moment for people, guesses (in `sources/api/slices`) where
    to cut a listing that stays open at its end, and (in `http/status`) how far away a date is that an answer
    without a Date of its own asks to come back at."""
    package = Path(mlhub_async.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if WALL.search(path.read_text())
    }
    assert {name for name in found if not name.startswith("demo/")} == {
        "cli/output.py",
        "core/telemetry.py",
        "engine/mirror.py",
        "http/status.py",
        "sources/api/slices.py",
        "storage/ledger/schema.py",
    }
