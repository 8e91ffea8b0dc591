"""`mlhub-async selftest`: what it says of a sound disk, of one that holds no mirror, and what it leaves."""

import asyncio
import os
import sys

import pytest

from mlhub_async.cli.selftest.checks import Check, Finding, Trial, Verdict
from mlhub_async.cli.selftest.crash_trials import keeps_apart, locks
from mlhub_async.cli.selftest.filesystem import CASES, alike
from mlhub_async.cli.selftest.loopback import content, flaw, serving
from mlhub_async.core.errors import StorageError
from mlhub_async.storage.ledger.schema import file_system, on_network
from support.mirrored import wait_for
from support.mounts import mounted

NO_LOCKS = """
import errno, fcntl, os, runpy
def none(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.lockf = none
runpy.run_module("mlhub_async", run_name="__main__")
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place/mine.txt").write_text("mine")
    return tmp_path / "place"


def test_a_sound_disk_holds_in_every_row_and_is_left_as_it_was(run_cli, place):
    done = run_cli("selftest", place, "--kills", 2, "--json")
    assert done.code == 0, done.out
    *rows, summary = done.events
    verdicts = {row["check"]: row["verdict"] for row in rows}
    assert set(verdicts.values()) <= {"ok", "warning"}
    assert {
        "atomic replace",
        "lock, two processes",
        "kill -9, 2 times",
        "two runs at once",
    } <= verdicts.keys()
    assert summary["event"] == "summary" and summary["exit_code"] == 0 and summary["failed"] == []
    assert os.listdir(place) == ["mine.txt"]


def test_a_disk_without_locks_is_refused_with_words_that_name_the_cause(run_cli, place):
    done = run_cli.start_raw(sys.executable, "-c", NO_LOCKS, "selftest", place, "--kills", 1).finish()
    assert done.code == 7
    rows = done.out.splitlines()
    assert len(rows) == 13 and all(row.startswith(("ok ", "WARN ", "FAIL ")) for row in rows)
    assert "locks no files" in done.out and "FAIL  lock, two processes" in done.out
    assert "cannot hold a mirror" in done.err
    assert os.listdir(place) == ["mine.txt"]


async def test_a_lock_that_everybody_gets_is_found_by_asking_from_another_process(tmp_path, monkeypatch):
    """The other processes are on a system that lets everybody have the lock."""
    (tmp_path / "sitecustomize.py").write_text("import fcntl\nfcntl.lockf = lambda *_: None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with serving() as site:
        assert not (await locks(tmp_path / "store")).good
        apart = await keeps_apart(site, tmp_path / "dest")
    assert not apart.good and "11" not in apart.words


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_directory_that_is_none_is_7_on_one_line(run_cli, place, kind):
    path = place / ("mine.txt" if kind == "a file" else "nowhere")
    done = run_cli("selftest", path)
    assert done.code == 7 and done.err.count("\n") == 1 and str(path) in done.err


def test_a_disk_with_no_room_is_7_before_anything_is_tried(run_cli, place):
    with mounted(place, "size=1M"):
        done = run_cli("selftest", place)
        assert done.code == 7 and "free some space" in done.err and done.out == ""
        assert os.listdir(place) == []


def test_interrupted_it_leaves_nothing_behind(run_cli, place):
    running = run_cli.start("selftest", place)
    wait_for(lambda: len(os.listdir(place)) > 1)
    running.interrupt()
    assert running.finish().code == 130
    assert os.listdir(place) == ["mine.txt"]


def test_names_that_a_disk_tells_apart_are_no_pair(tmp_path):
    found = alike(tmp_path, [("a", "b"), ("same", "same")])
    assert found == [("same", "same")]
    assert ("ss", "\u00df") in CASES


async def test_a_bad_finding_is_a_failure_only_where_it_matters(tmp_path):
    def refuses(_):
        raise StorageError("no room")

    def breaks(_):
        return 1 // 0

    row = await Check("a", lambda _: Finding("bad", good=False), "do that", matters=False).row(tmp_path / "1")
    assert (row.verdict, row.advice) == (Verdict.WARNING, "do that")
    row = await Check("a", refuses, "do that").row(tmp_path / "2")
    assert (row.verdict, row.found) == (Verdict.FAILED, "no room")
    row = await Check("a", lambda _: Finding("good"), "do that").row(tmp_path / "3")
    assert (row.verdict, row.advice) == (Verdict.OK, "")
    with pytest.raises(ZeroDivisionError):
        await Check("a", breaks, "").row(tmp_path / "4")


async def test_a_trial_that_never_ends_has_failed(tmp_path):
    async def waits(_):
        await asyncio.Event().wait()

    row = await Trial("a", waits, "do that", limit=0.01).row(tmp_path / "1")
    assert (row.verdict, row.advice) == (Verdict.FAILED, "do that") and "in time" in row.found


def test_a_half_file_under_a_final_name_would_be_seen(tmp_path):
    path = tmp_path / "selftest/many-1/data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(content("many", 1))
    assert flaw(tmp_path, "many", 2, whole=False) == ""
    assert flaw(tmp_path, "many", 2, whole=True) == "many-0 is missing"
    path.write_bytes(content("many", 1)[:-1])
    assert "wrong bytes" in flaw(tmp_path, "many", 2, whole=False)


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="no list of mounts here")
def test_a_mount_point_with_a_space_in_its_name_is_recognised(tmp_path):
    place = tmp_path / "my data"
    with mounted(place):
        assert file_system(place / "below") == "tmpfs"
        assert file_system(tmp_path) != "tmpfs" or not on_network(tmp_path)
