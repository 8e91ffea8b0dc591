"""What the local disk and the operating system can do to a run."""

import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from mlhub_async.storage.local.body import BodyWriter
from mlhub_async.storage.local.writer import WriterThreads
from support.mirrored import Mirrored, assert_whole, asset_requests, publish, wait_for
from support.mounts import mounted, remount
from support.server import Change, Cut, Delay, Drip, Stall, When, tif
from support.stac_server import stac_item, static_catalog

UNLOCKED = """
import fcntl, runpy
fcntl.lockf = lambda *a: None
runpy.run_module("mlhub_async", run_name="__main__")
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


@pytest.fixture
def small_disk(dest):
    """DEST on a file system of one megabyte."""
    with mounted(dest, "size=1M"):
        yield dest


def test_a_link_under_the_final_name_is_replaced_and_its_target_untouched(run_cli, site, dest, outside):
    target = outside / "mine"
    target.write_bytes(b"mine")
    (dest / "c1/one").mkdir(parents=True)
    (dest / "c1/one/data.tif").symlink_to(target)
    run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest)
    assert target.read_bytes() == b"mine"
    assert not (dest / "c1/one/data.tif").is_symlink()


def test_a_directory_that_is_a_link_out_of_dest_is_not_followed(run_cli, site, dest, outside):
    dest.mkdir()
    (dest / "c1").symlink_to(outside)
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest)
    assert ended.code in (4, 7), ended.err
    assert list(outside.rglob("*")) == []


@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
def test_what_is_no_file_under_the_final_name_stays_and_is_told(run_cli, site, dest, make):
    (dest / "c1/one").mkdir(parents=True)
    getattr(os, make)(dest / "c1/one/data.tif")
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one", "two"])), dest)
    assert ended.code == 4, ended.err
    assert not (dest / "c1/one/data.tif").is_file()
    assert Mirrored(dest).bytes_of("two") == tif(20_000, 1)


def test_a_full_disk_ends_in_7_and_a_run_with_more_room_goes_on(run_cli, site, small_disk):
    names = [f"i{n}" for n in range(6)]
    url = static_catalog(site, publish(site, names, size=300_000, etag='"1"'))
    ended = run_cli("mirror", url, small_disk)
    assert ended.code == 7 and "space" in ended.err.lower(), ended.err
    for name, body in Mirrored(small_disk).files.items():
        assert body == tif(300_000, int(name.split("/")[1][1:]))
    remount(small_disk, "size=20M")
    assert run_cli("mirror", url, small_disk).code == 0
    Mirrored(small_disk).check(0)


def test_a_disk_that_is_full_before_the_run_is_told_without_a_traceback(run_cli, site, small_disk):
    (small_disk / "mine").write_bytes(bytes(900_000))
    with pytest.raises(OSError), open(small_disk / "more", "wb", buffering=0) as more:
        while True:
            more.write(bytes(4096))
    ended = run_cli("mirror", static_catalog(site, publish(site, ["one"])), small_disk)
    assert ended.code == 7, ended.err


def test_a_low_limit_on_descriptors_is_raised_as_far_as_the_system_lets_us(run_cli, site, dest):
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(60)]))
    few = ["sh", "-c", 'ulimit -Sn 40; exec "$@"', "sh"]
    ended = run_cli("mirror", url, dest, "-j", 64, under=few)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)


def limited(files):
    return ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]


@pytest.mark.parametrize("files", [40, 90])
def test_few_descriptors_cost_concurrency_and_nothing_else(run_cli, site, dest, files):
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(30)], 300_000, always=[Delay(0.02)]))
    ended = run_cli("mirror", url, dest, "-j", 64, under=limited(files))
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)


@pytest.mark.parametrize("files", [16, 18, 20])
def test_too_few_descriptors_are_told_with_what_to_do(run_cli, site, dest, files):
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(10)], always=[Delay(0.05)]))
    ended = run_cli("mirror", url, dest, "-j", 64, under=limited(files))
    assert ended.code == 7 and ("ulimit" in ended.err or "limit on open files" in ended.err), ended.err
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "gone"])
def test_a_damaged_ledger_costs_neither_requests_nor_files(run_cli, site, dest, damage):
    names = [f"i{n}" for n in range(5)]
    url = static_catalog(site, publish(site, names))
    assert run_cli("mirror", url, dest).code == 0
    for path in (dest / ".mlhub").glob("ledger*"):
        data = path.read_bytes()
        new = {"garbage": random.Random(1).randbytes(len(data)), "empty": b"", "cut": data[: len(data) // 2]}
        path.unlink() if damage == "gone" else path.write_bytes(new[damage])
    ended = run_cli("mirror", url, dest)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/{n}/data.tif": tif(20_000, s) for s, n in enumerate(names)}
    assert len(asset_requests(site)) == 5


def test_without_a_ledger_only_what_the_documents_do_not_prove_is_asked_for(run_cli, site, dest):
    names = ["kept", "spoilt", "gone", "changed", "undocumented", "garbled", "linked"]
    items = publish(site, names)
    url = static_catalog(site, items)
    assert run_cli("mirror", url, dest).code == 0
    shutil.rmtree(dest / ".mlhub")
    path = dest / "c1/spoilt/data.tif"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (dest / "c1/gone/data.tif").unlink()
    items[3]["properties"]["updated"] = "2021-01-01T00:00:00Z"
    url = static_catalog(site, items)
    (dest / "c1/undocumented/undocumented.json").unlink()
    (dest / "c1/garbled/garbled.json").write_text("[]")
    linked = dest / "c1/linked/linked.json"
    linked.symlink_to(linked.rename(dest.parent / "elsewhere.json"))
    ended = run_cli("mirror", url, dest)
    assert ended.code == 0, ended.err
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/{n}/data.tif": tif(20_000, s) for s, n in enumerate(names)}
    assert {name: site.count(f"/{name}.tif") for name in names} == {n: 1 + (n != "kept") for n in names}
    assert mirror.receipt["assets"]["unverifiable"] == 1, "how it was verified when it came is forgotten"


def test_a_ledger_that_lost_its_log_costs_requests_but_no_files(run_cli, site, dest):
    """As when only ledger.sqlite is copied away from a run that was killed: what is not folded in is gone."""
    names = [f"i{n}" for n in range(30)]
    items = publish(site, names)
    for name in names[10:]:
        site.things[f"/{name}.tif"].faults.append(Stall(10_000))
    url = site.json("/items.json", {"type": "FeatureCollection", "features": items})  # which has an order
    running = run_cli.start("mirror", url, dest, "-j", 2)
    wait_for(lambda: len(list(dest.glob("c1/*/*.tif"))) > 5)
    running.kill()
    lost = [*(dest / ".mlhub").glob("ledger.sqlite-*"), *(dest / ".mlhub").glob("journal.*")]
    assert len(lost) == 4
    for path in lost:
        path.unlink()
    for name in names:
        site.things[f"/{name}.tif"].faults.clear()
    ended = run_cli("mirror", url, dest)
    assert ended.code == 0, ended.err
    Mirrored(dest).check(0)
    assert Mirrored(dest).files == {f"c1/{n}/data.tif": tif(20_000, s) for s, n in enumerate(names)}
    assert run_cli("verify", dest).code == 0


def test_a_mirror_that_was_moved_is_still_known(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one", "two"]))
    assert run_cli("mirror", url, dest).code == 0
    moved = dest.parent / "moved"
    shutil.move(dest, moved)
    assert run_cli("mirror", url, moved).code == 0
    assert len(asset_requests(site)) == 2
    Mirrored(moved).check(0)


def test_a_reader_that_leaves_early_causes_no_traceback(run_cli, site, dest):
    left = threading.Event()
    url = static_catalog(site, publish(site, [f"i{n}" for n in range(30)], always=[When(left.is_set)]))
    running = run_cli.start("mirror", url, dest, "--json", "-j", 2)
    assert json.loads(running.process.stdout.readline())
    running.process.stdout.close()
    running.process.stdout = None
    left.set()
    ended = running.finish()
    assert ended.code == 141, ended.err


def test_a_run_that_slept_goes_on_where_it_was(run_cli, site, dest):
    body = tif(300_000)
    site.put("/one.tif", body, etag='"1"', always=[Drip(0.02, 20_000)])
    url = static_catalog(site, [stac_item("one", data=site.url("/one.tif"))])
    running = run_cli.start("mirror", url, dest, "--timeout", 1)
    wait_for(lambda: site.count("/one.tif"))
    asleep = subprocess.Popen(["sleep", "2"])
    running.process.send_signal(signal.SIGSTOP)
    asleep.wait()
    running.process.send_signal(signal.SIGCONT)
    assert running.finish().code == 0
    assert Mirrored(dest).bytes_of("one") == body


def test_killed_again_and_again_while_everything_changes_a_name_is_still_a_promise(run_cli, site, dest):
    rng = random.Random(7)
    names = [f"i{n}" for n in range(10)]
    offered = {name: [tif(400_000, seed)] for seed, name in enumerate(names)}
    for name in names:
        site.put(f"/{name}.tif", offered[name][0], etag='"0"', always=[Drip(0.004, 40_000)])
    url = static_catalog(site, [stac_item(name, data=site.url(f"/{name}.tif")) for name in names])
    for _ in range(8):
        for name in rng.sample(names, 3):
            new = tif(400_000, rng.randrange(1 << 30))
            faults = site.things[f"/{name}.tif"].faults
            faults.extend([Cut(rng.randrange(400_000)), Change(new, f'"{len(offered[name])}"')])
            offered[name].append(new)
        running = run_cli.start("mirror", url, dest, "-j", 3)
        enough = len(asset_requests(site)) + rng.randrange(1, 6)
        wait_for(
            lambda run=running, n=enough: len(asset_requests(site)) >= n or run.process.poll() is not None
        )
        running.kill()
        assert_whole(dest, offered)
    assert run_cli("mirror", url, dest).code == 0
    assert_whole(dest, offered)
    assert len(Mirrored(dest).files) == len(names)
    Mirrored(dest).check(0)
    assert run_cli("verify", dest).code == 0


def test_where_locks_do_nothing_two_runs_at_once_are_still_harmless(run_cli, site, dest):
    names = [f"i{n}" for n in range(20)]
    url = static_catalog(site, publish(site, names, size=300_000, etag='"1"', always=[Drip(0.003, 60_000)]))
    runs = [run_cli.start_raw(sys.executable, "-c", UNLOCKED, "mirror", url, dest, "-j", 4) for _ in range(2)]
    codes = sorted(run.finish().code for run in runs)
    assert codes[0] in (0, 5)
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    mirror.check(0)
    assert mirror.files == {f"c1/{n}/data.tif": tif(300_000, s) for s, n in enumerate(names)}


async def test_a_body_is_begun_anew_only_after_the_write_in_flight(tmp_path):
    gate = threading.Event()
    with closing(WriterThreads(threads=1)) as disk:
        disk.pool.submit(gate.wait, 120)
        body = BodyWriter(str(tmp_path / "part"), None, disk)
        body.begin([], 2 << 20)
        body.write(bytes(2 << 20))
        waiting = asyncio.ensure_future(body.settled())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        gate.set()
        await waiting
        body.begin([], 2 << 20)
        body.write(b"new")
        assert (await body.complete())["sha256"] == hashlib.sha256(b"new").digest()
        await body.close()
    assert (tmp_path / "part").read_bytes() == b"new"
