"""Programs that break a promise are found out by the judge that finds nothing wrong with this one."""

import sys

import pytest

from support.kill_loop import LAUNCH, QUICK, looping
from support.mirrored import publish
from support.oracle import Offered, flaws
from support.server import tif
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.mark.parametrize(("mutant", "promise"), [("direct", "I1"), ("blind", "I1"), ("leaky", "I5")])
def test_the_kill_loop_finds_out_who_breaks_a_promise_within_ten_rounds(tmp_path, mutant, promise):
    with looping(tmp_path, seed=11, program=(*QUICK[:-1], mutant)) as loop:
        while loop.tally.rounds < 10 and not _broken(loop, promise):
            loop.round()
        assert _broken(loop, promise), loop.tally


def test_the_kill_loop_finds_out_who_joins_parts_of_two_versions(tmp_path):
    with looping(tmp_path, seed=11, program=(*QUICK[:-1], "splicing"), count=0, huge=3) as loop:
        while loop.tally.rounds < 10 and not _broken(loop, "I1"):
            loop.round()
        assert _broken(loop, "I1"), loop.tally


def _broken(loop, promise):
    return any(promise in words for words in loop.tally.violations)


@pytest.mark.parametrize(("mutant", "broken"), [("none", []), ("early", ["I2"])])
def test_a_kill_at_the_first_rename_shows_whether_the_ledger_was_told_too_early(
    run_cli, site, dest, mutant, broken
):
    names, offered = ["a", "b"], Offered()
    for seed, name in enumerate(names):
        offered.add(f"c1/{name}/data.tif", tif(20_000, seed))
    url = static_catalog(site, publish(site, names))
    words = (sys.executable, LAUNCH, mutant, "mirror", url, dest, "-j", 1)
    died = run_cli.start_raw(*words, env={"MLHUB_DIE": "rename:1"}).finish()
    assert died.code == -9
    assert [words[:2] for words in flaws(dest, offered)] == broken
    assert run_cli.start_raw(*words).finish().code == 0
    assert flaws(dest, offered, 0) == []
