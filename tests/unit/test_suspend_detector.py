"""Failures shortly after a suspension of this process use up no attempt, and slowness is not noticed."""

import asyncio
import re
from pathlib import Path

import pytest

import mlhub_async
from mlhub_async.core.errors import Transient
from mlhub_async.core.model import Head
from mlhub_async.core.options import RetryPolicy
from mlhub_async.core.urls import Origin
from mlhub_async.http.documents import DocumentSink
from mlhub_async.http.hop import Hop
from mlhub_async.http.resilience.gate import OriginLimits
from mlhub_async.http.resilience.retry import Retry
from mlhub_async.http.resilience.suspend import (
    CHECK_SECONDS,
    GRACE_SECONDS,
    SUSPEND_GAP_SECONDS,
    SuspendDetector,
)
from mlhub_async.http.watchdog import Watchdog


class Clocks:
    """The monotonic clock, and the time for which the machine was suspended, which it does not show."""

    def __init__(self):
        self.now, self.suspended = 1000.0, 7.0
        self.detector = SuspendDetector(clock=lambda: self.now, suspended=lambda: self.suspended)

    def turn(self, seconds):
        """Let time pass in which the event loop runs as it should."""
        for _ in range(int(seconds / CHECK_SECONDS)):
            self.now += CHECK_SECONDS
            self.detector.count()


def test_a_loop_that_turns_is_awake():
    clocks = Clocks()
    clocks.turn(3 * GRACE_SECONDS)
    clocks.now += SUSPEND_GAP_SECONDS
    assert not clocks.detector.lately()


@pytest.mark.parametrize("which", ["now", "suspended"], ids=["stopped", "suspended"])
def test_a_gap_is_remembered_for_a_while(which):
    clocks = Clocks()
    setattr(clocks, which, getattr(clocks, which) + SUSPEND_GAP_SECONDS + 0.1)
    assert clocks.detector.lately()
    clocks.turn(GRACE_SECONDS - CHECK_SECONDS)
    assert clocks.detector.lately()
    clocks.turn(2 * CHECK_SECONDS)
    assert not clocks.detector.lately()


async def no_wait(_):
    await asyncio.sleep(0)


async def test_what_fails_after_a_sleep_uses_up_no_attempt():
    clocks, tries = Clocks(), []
    retry = Retry(RetryPolicy(attempts=2), sleep=no_wait, suspended_lately=clocks.detector.lately)

    async def attempt():
        tries.append(clocks.now)
        if len(tries) == 1:
            clocks.now += SUSPEND_GAP_SECONDS + 1
        clocks.turn(10)
        raise Transient("connection lost")

    with pytest.raises(Transient):
        await retry(attempt)
    assert len(tries) > 6 and len([when for when in tries if when > tries[1] + GRACE_SECONDS]) <= 2


class Suspended:
    """A detector by which there is a suspension before every check, or none."""

    def __init__(self, steps):
        self.total, self.steps = 0, steps

    def count(self):
        self.total += self.steps
        return self.total


@pytest.mark.parametrize(("steps", "ends"), [(0, "slower than 1000 bytes/s"), (1, "")])
async def test_a_slow_body_is_aborted_unless_the_process_was_suspended(steps, ends):
    watchdog, limits = Watchdog(0.02, 1000, Suspended(steps)), OriginLimits(1)
    hop = Hop(DocumentSink("http://h.test/"), limits, limits.gate(Origin("http", "h.test", 80)), "/")
    hop.owner = asyncio.create_task(asyncio.Event().wait())
    hop.start(Head(200, {}, "http://h.test/"))
    watchdog.begin(hop)
    await asyncio.wait([hop.owner], timeout=0.2)
    watchdog.close()
    assert hop.abort_reason.startswith(ends) and hop.owner.done() == bool(ends)
    hop.owner.cancel()


async def test_it_watches_while_it_is_asked_to_and_leaves_no_timer():
    detector = SuspendDetector()
    with detector.watching():
        assert detector._timer is not None and not detector.lately()
    assert detector._timer is None


WALL = re.compile(r"\btime\.(?:time|time_ns|localtime|gmtime|strftime|ctime)\(|\b(?:now|utcnow|today)\(")


def test_the_wall_clock_is_only_written_down():
    """No timeout and no proof reads it: it names a moment for people and for signatures,
    guesses (in `sources/api/slices`) where to cut a listing that stays open at its end, and (in
    `http/resilience/retry_after`) how far away a date is that an answer without a Date of its own asks to
    come back at. `api/pages/serving/files/conditions` compares it with the last change of a file, which is no
    strong validator within the same second (RFC 9110 section 8.8.2.2)."""
    package = Path(mlhub_async.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if WALL.search(path.read_text())
    }
    assert {name for name in found if not name.startswith("demo/")} == {
        "api/pages/facts/gathering.py",
        "api/pages/serving/files/conditions.py",
        "api/pages/serving/files/responses.py",
        "api/progress.py",
        "cli/actions/auth.py",
        "cli/terminal/output.py",
        "core/telemetry.py",
        "engine/executors/remote/worker.py",
        "engine/finish/ro_crate.py",
        "engine/finish/shards/merge.py",
        "engine/mirror.py",
        "http/auth/signers/sigv4.py",
        "http/resilience/retry_after.py",
        "sources/api/slices.py",
        "storage/ledger/schema.py",
    }
