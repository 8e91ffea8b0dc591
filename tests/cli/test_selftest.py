"""`mlhub-async selftest` on a sound disk and on disks that cannot hold a mirror."""

import asyncio
import contextlib
import os
import sys
import time

import pytest

from mlhub_async.cli.selftest.checks import AsyncCheck, Check, Finding, Verdict
from mlhub_async.cli.selftest.crash_trials import check_lock, check_two_runs
from mlhub_async.cli.selftest.filesystem import CASE_PAIRS, CHECKS, same_file_pairs
from mlhub_async.cli.selftest.loopback import asset_bytes, find_damage, serve
from mlhub_async.core.errors import StorageError
from mlhub_async.storage.file_systems import file_system, on_network
from support.mirrored import wait_for
from support.mounts import mounted

NO_LOCKS = """
import errno, fcntl, os, runpy
def refuse(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.lockf = refuse
runpy.run_module("mlhub_async", run_name="__main__")
"""

NO_WRITES_IN_PLACE = """
import builtins, errno, os, runpy
def refuse(file, mode="r", *more, **words):
    if "+" in mode:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    return real(file, mode, *more, **words)
real, builtins.open = open, refuse
runpy.run_module("mlhub_async", run_name="__main__")
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place/mine.txt").write_text("mine")
    return tmp_path / "place"


def test_a_sound_disk_passes_every_check_and_is_left_unchanged(run_cli, place):
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


def test_a_disk_without_locks_fails_with_a_message_that_names_the_cause(run_cli, place):
    done = run_cli.start_raw(sys.executable, "-c", NO_LOCKS, "selftest", place, "--kills", 1).finish()
    assert done.code == 7
    rows = done.out.splitlines()
    assert len(rows) == 14 and all(row.startswith(("ok ", "WARN ", "FAIL ")) for row in rows)
    assert "locks no files" in done.out and "FAIL  lock, two processes" in done.out
    assert "cannot hold a mirror" in done.err
    assert os.listdir(place) == ["mine.txt"]


async def test_a_lock_that_excludes_nobody_is_found_by_another_process(tmp_path, monkeypatch):
    """In the other processes every lock call succeeds."""
    (tmp_path / "sitecustomize.py").write_text("import fcntl\nfcntl.lockf = lambda *_: None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with serve() as site:
        assert not (await check_lock(tmp_path / "store")).ok
        finding = await check_two_runs(site, tmp_path / "dest")
    assert not finding.ok and "11" not in finding.text


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_missing_directory_is_exit_code_7_on_one_line(run_cli, place, kind):
    path = place / ("mine.txt" if kind == "a file" else "nowhere")
    done = run_cli("selftest", path)
    assert done.code == 7 and done.err.count("\n") == 1 and str(path) in done.err


def test_a_disk_without_space_is_exit_code_7_before_any_check(run_cli, place):
    with mounted(place, "size=1M"):
        done = run_cli("selftest", place)
        assert done.code == 7 and "free some space" in done.err and done.out == ""
        assert os.listdir(place) == []


def test_an_interrupted_selftest_leaves_nothing_behind(run_cli, place):
    running = run_cli.start("selftest", place)
    wait_for(lambda: len(os.listdir(place)) > 1)
    running.interrupt()
    assert running.finish().code == 130
    assert os.listdir(place) == ["mine.txt"]


def test_names_that_are_different_files_are_no_pair(tmp_path):
    found = same_file_pairs(tmp_path, [("a", "b"), ("same", "same")])
    assert found == [("same", "same")]
    assert ("ss", "\u00df") in CASE_PAIRS


async def test_a_bad_finding_is_a_failure_only_in_a_required_check(tmp_path):
    def refuses(_):
        raise StorageError("no room")

    def breaks(_):
        return 1 // 0

    row = await Check("a", lambda _: Finding("bad", ok=False), "do that", required=False).row(tmp_path / "1")
    assert (row.verdict, row.advice) == (Verdict.WARNING, "do that")
    row = await Check("a", refuses, "do that").row(tmp_path / "2")
    assert (row.verdict, row.found) == (Verdict.FAILED, "no room")
    row = await Check("a", lambda _: Finding("good"), "do that").row(tmp_path / "3")
    assert (row.verdict, row.advice) == (Verdict.OK, "")
    with pytest.raises(ZeroDivisionError):
        await Check("a", breaks, "").row(tmp_path / "4")


@pytest.mark.skipif(os.rename not in os.supports_dir_fd, reason="files are renamed by path here")
@pytest.mark.parametrize(
    ("before", "verdict"),
    [(None, Verdict.OK), ("absent", Verdict.WARNING), ("half", Verdict.FAILED)],
)
async def test_a_file_may_be_absent_while_it_is_replaced_and_never_half(
    tmp_path, monkeypatch, before, verdict
):
    rename = os.rename

    def not_at_once(source, target, *, src_dir_fd, dst_dir_fd):
        with contextlib.suppress(FileNotFoundError):
            if before == "absent":
                os.unlink(target, dir_fd=dst_dir_fd)
            if before == "half":
                with open(os.open(target, os.O_WRONLY, dir_fd=dst_dir_fd), "wb") as file:
                    file.write(b"a" * 20_000)
        time.sleep(0.001)  # so that the reader runs
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    if before:
        monkeypatch.setattr(os, "rename", not_at_once)
    row = await next(one for one in CHECKS if one.name == "atomic replace").row(tmp_path / "1")
    assert row.verdict is verdict
    assert ("when no run is under way" in row.advice) == (verdict is Verdict.WARNING)


def test_a_disk_without_writes_in_place_is_told_by_what_it_lacks(run_cli, place):
    """As rclone mounts are without a cache for writes."""
    done = run_cli.start_raw(sys.executable, "-c", NO_WRITES_IN_PLACE, "selftest", place, "--kills", 1)
    ended = done.finish()
    assert ended.code == 7 and "FAIL  writes in place" in ended.out and "--vfs-cache-mode writes" in ended.out


async def test_a_check_that_does_not_end_fails(tmp_path):
    async def waits(_):
        await asyncio.Event().wait()

    row = await AsyncCheck("a", waits, "do that", timeout=0.01).row(tmp_path / "1")
    assert (row.verdict, row.advice) == (Verdict.FAILED, "do that") and "in time" in row.found


def test_a_truncated_file_under_a_final_name_is_found(tmp_path):
    path = tmp_path / "selftest/many-1/data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(asset_bytes("many", 1))
    assert find_damage(tmp_path, "many", 2, complete=False) == ""
    assert find_damage(tmp_path, "many", 2, complete=True) == "many-0 is missing"
    path.write_bytes(asset_bytes("many", 1)[:-1])
    assert "wrong bytes" in find_damage(tmp_path, "many", 2, complete=False)


@pytest.mark.skipif(not os.path.exists("/proc/self/mounts"), reason="no list of mounts here")
def test_a_mount_point_with_a_space_in_its_name_is_recognised(tmp_path):
    place = tmp_path / "my data"
    with mounted(place):
        assert file_system(place / "below") == "tmpfs"
        assert file_system(tmp_path) != "tmpfs" or not on_network(tmp_path)
