"""No history of changes, faults, kills and spoilt state breaks a promise.

The suite tries the same few each time; `MLHUB_PROOF=long` tries many new ones.
"""

import os
import sys
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.timelines import Runner, Timelines

LONG = os.environ.get("MLHUB_PROOF") == "long"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
FEW = settings(max_examples=8, stateful_step_count=12, derandomize=True, database=None)
MANY = settings(max_examples=300, stateful_step_count=30, print_blob=True)


@pytest.fixture(params=["none"])
def machine(request):
    """The machine, bound to runs of the program or of one of its mutants."""
    runner = Runner(request.param)
    yield type("Bound", (Timelines,), {"runner": runner})
    runner.close()


@pytest.mark.timeout(7200 if LONG else 600)
def test_no_history_breaks_a_promise(machine):
    profile = MANY if LONG else FEW
    run_state_machine_as_test(machine, settings=settings(profile, suppress_health_check=CHECKS))


@pytest.mark.parametrize(("machine", "fault"), [("none", None), ("blind", "I1")], indirect=["machine"])
def test_an_object_that_turns_into_another_under_a_cut_body_shows_who_resumes_blindly(machine, fault):
    history = machine()
    try:
        number = history.publish(600_000, "strong", (), declared=False, away=False)
        history.trouble(number, 400_000, "turn")
        with pytest.raises(AssertionError, match=fault) if fault else nullcontext():
            history.converge()
    finally:
        history.teardown()
