"""The table of `--if-exists`: what is done with a file that is there, by its state and by `--verify`."""

import inspect

import pytest

from mlhub_async.core.options import CHOICES
from mlhub_async.transfer.existing import Decision, ExistingFilePolicy
from mlhub_async.transfer.expectations import Checks

TABLE = """
    the file is                            resume      skip    overwrite  refresh     error
    recorded, asset described as then      KEEP*       KEEP*   FETCH      REVALIDATE  REFUSE
    recorded, asset described otherwise    REVALIDATE  KEEP*   FETCH      REVALIDATE  REFUSE
    recorded in its item document only     REREAD      REREAD  FETCH      REVALIDATE  REFUSE
    not recorded                           FETCH       KEEP    FETCH      FETCH       REFUSE
"""
HEAD, *ROWS = TABLE.strip().splitlines()
WORDS = HEAD.split()[3:]
STATES = ["unchanged", "changed", "recovered", "unrecorded"]


def cells():
    """Value of `--if-exists`, state of the file, decision as the table writes it."""
    for state, row in zip(STATES, ROWS, strict=True):
        for word, decision in zip(WORDS, row.split()[-len(WORDS) :], strict=True):
            yield word, state, decision


def decided(policy, state):
    if state == "unrecorded":
        return policy.unrecorded
    return policy.of_recorded(unchanged=state != "changed", recovered=state == "recovered")


@pytest.mark.parametrize("verify", CHOICES["verify"])
@pytest.mark.parametrize(("if_exists", "state", "decision"), list(cells()))
def test_the_decision_is_the_one_in_the_table(if_exists, state, decision, verify):
    rereads = verify in ("checksum", "deep")
    wanted = {"KEEP*": "REREAD" if rereads else "KEEP"}.get(decision, decision)
    policy = ExistingFilePolicy.of(if_exists, Checks.of(verify))
    assert decided(policy, state) is Decision[wanted]


def test_the_table_has_every_value_of_the_option():
    assert set(WORDS) == set(CHOICES["if_exists"])
    with pytest.raises(KeyError):
        ExistingFilePolicy.of("sometimes", Checks())


def test_the_documentation_shows_the_same_table():
    shown = [line.split() for line in inspect.getdoc(ExistingFilePolicy).splitlines()]
    assert all(line.split() in shown for line in [HEAD, *ROWS])


@pytest.mark.parametrize("verify", CHOICES["verify"])
@pytest.mark.parametrize("if_exists", CHOICES["if_exists"])
def test_only_resume_relies_on_what_an_earlier_run_recorded_of_other_assets_and_whole_items(
    if_exists, verify
):
    policy = ExistingFilePolicy.of(if_exists, Checks.of(verify))
    assert policy.links_known_urls == (if_exists == "resume")
    assert policy.keeps_unchanged_items == (if_exists == "resume" and verify in ("auto", "size"))
    assert policy.heeds_changes == (if_exists != "skip")
