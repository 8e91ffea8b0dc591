"""Ends of runs with worker processes: signals, a coordinator that is killed. Where keys of workers are."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.kill_loop import children_of
from support.mirrored import Mirrored, asset_requests, publish, wait_for
from support.one_request import CANARY
from support.server import Stall, When, tif
from support.stac_server import stac_item, static_catalog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
FILES = 8
SIZE = 600_000


def stalling(site):
    """A catalogue of files that come, and of one for each worker that stops in its middle, once."""
    items = publish(site, [f"i{n}" for n in range(FILES)], SIZE, etag='"1"')
    for n in range(FILES // 2):
        site.things[f"/i{n}.tif"].faults.append(Stall(400_000))
    return static_catalog(site, items)


def start(run_cli, url, dest, *words, env=None):
    """A run that is the leader of a group of processes, as one that a shell started."""
    running = run_cli.start(
        "mirror", url, dest, "--processes", 2, "-j", FILES, *words, env=env, under=["setsid"]
    )
    assert os.getpgid(running.process.pid) in (running.process.pid, os.getpgid(0))
    return running


def members(group):
    """The processes of a group that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, its_group = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(int(place.name))
    return found


def is_half_way(site, dest):
    """All files are asked for, and those that come whole are there; the coordinator knows: it has written
    the documents of their items."""
    asked = all(site.count(f"/i{n}.tif") for n in range(FILES))
    return asked and len(Mirrored(dest).files) == FILES // 2 == len(list(dest.glob("c1/i*/i*.json")))


def completes(run_cli, site, url, dest):
    """A rerun completes the mirror. Returns what it asks for."""
    site.log.clear()
    ended = run_cli("mirror", url, dest, "--processes", 2)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert sorted(Mirrored(dest).files.values()) == sorted(tif(SIZE, n) for n in range(FILES))
    return asset_requests(site)


@pytest.mark.parametrize("told", ["the coordinator", "all of the group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_ends_all_processes_and_the_next_run_completes(run_cli, site, dest, number, told):
    url = stalling(site)
    running = start(run_cli, url, dest)
    group = running.process.pid
    wait_for(lambda: is_half_way(site, dest))
    assert len(members(group)) == 3
    if told == "all of the group":
        os.killpg(group, number)
    else:
        running.process.send_signal(number)
    assert running.finish(60).code == 128 + number
    assert members(group) == []
    assert Mirrored(dest).receipt["exit_code"] == 128 + number
    assert Mirrored(dest).receipt["assets"]["verified_size"] == FILES // 2
    asked = completes(run_cli, site, url, dest)
    assert len(asked) == FILES // 2 and all("range" in seen.headers for seen in asked)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_signal_while_workers_begin_leaves_none(run_cli, site, dest, number):
    url = stalling(site)
    running = start(run_cli, url, dest)
    group = running.process.pid
    wait_for(lambda: len(members(group)) == 3)
    os.killpg(group, number)
    assert running.finish(60).code == 128 + number
    assert members(group) == []


def test_workers_end_with_a_coordinator_that_is_killed_and_the_next_run_begins(run_cli, site, dest):
    url = stalling(site)
    running = start(run_cli, url, dest)
    group = running.process.pid
    wait_for(lambda: is_half_way(site, dest))
    os.kill(group, signal.SIGKILL)
    running.process.communicate()
    completes(run_cli, site, url, dest)
    wait_for(lambda: members(group) == [])


def told_of(pid):
    """What anybody may read of a process: its command line and its variables."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


GIVEN = {
    "--api-key": (["--api-key", CANARY], {}),
    "-H": (["-H", f"X-Api-Key: {CANARY}"], {}),
    "MLHUB_API_KEY": ([], {"MLHUB_API_KEY": CANARY}),
    "MLHUB_ACCESS_TOKEN": ([], {"MLHUB_ACCESS_TOKEN": CANARY}),
}


@pytest.mark.parametrize("given", GIVEN)
def test_keys_reach_the_workers_and_are_seen_nowhere(run_cli, site, dest, given):
    words, env = GIVEN[given]
    go_on = []
    items = [stac_item("one", data=site.put("/one.tif", tif(2_000), faults=[When(lambda: bool(go_on))]))]
    root = {"MLHUB_ROOT_URL": site.url("/")} if env else {}
    running = start(run_cli, static_catalog(site, items), dest, *words, "-vvv", env={**env, **root})
    wait_for(lambda: site.count("/one.tif") == 1)
    workers = children_of(running.process.pid)
    assert len(workers) == 2
    assert not any(CANARY.encode() in told_of(worker) for worker in workers)
    assert CANARY.encode() in told_of(running.process.pid), "else nothing was looked at"
    go_on.append(True)
    ended = running.finish()
    assert ended.code == 0, ended.err
    [asked] = [seen for seen in site.log if seen.path == "/one.tif"]
    assert CANARY in str(asked.headers) + asked.target
    assert CANARY not in ended.out + ended.err
    assert [path for path in dest.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []


def test_a_destination_that_is_moved_ends_it_in_one_line(run_cli, site, dest):
    url = stalling(site)
    running = start(run_cli, url, dest, "-R", 0, "--timeout", 2)
    wait_for(lambda: is_half_way(site, dest))
    moved = dest.rename(dest.with_name("moved"))
    ended = running.finish()
    assert ended.code == 7 and not dest.exists(), ended.err
    completes(run_cli, site, url, moved)
