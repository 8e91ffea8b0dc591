"""A disk that reports errors: what it may have lost is fetched anew, once; then the run ends in 7."""

import errno
import shutil
import subprocess
import sys

import pytest

from mlhub_async import Options, mirror
from mlhub_async.core.errors import StorageError
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.server import tif
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

FAILING = """
import os, runpy, sys
name, number, times, sys.argv[:4] = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), ["mlhub"]
real = getattr(os, name)

def failing(fd, *more):
    global times
    if times and isinstance(fd, int) and os.readlink(f"/proc/self/fd/{fd}").endswith(".part"):
        times -= 1
        raise OSError(number, os.strerror(number))
    return real(fd, *more)

setattr(os, name, failing)
runpy.run_module("mlhub_async", run_name="__main__")
"""
"""Runs the program on a disk that fails so many times where unfinished files are written."""
NO_DIRECTORY_SYNC = """
import os, runpy, stat, sys
number, left, sys.argv[:3] = int(sys.argv[1]), int(sys.argv[2]), ["mlhub"]
real = os.fsync

def failing(fd):
    global left
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        left -= 1
        if left < 0:
            raise OSError(number, os.strerror(number))
    return real(fd)

os.fsync = failing
runpy.run_module("mlhub_async", run_name="__main__")
"""
"""Runs the program on a disk where a few directories can be synced, and then none."""
STRACE = shutil.which("strace")
LARGE = 700_000


@pytest.fixture
def url(site):
    items = publish(site, ["s0"], 20_000) + publish(site, ["l1", "l2"], LARGE, etag='"1"')
    return static_catalog(site, items)


def whole(dest):
    """Whatever has its name is what was offered."""
    bodies = {"s0": tif(20_000, 0), "l1": tif(LARGE, 0), "l2": tif(LARGE, 1)}
    return all(body == bodies[name.split("/")[1]] for name, body in Mirrored(dest).files.items())


def run_failing(run_cli, call, number, times, url, dest):
    words = [call, number, times, "mirror", url, dest, "-j", 1, "--durability", "full"]
    return run_cli.start_raw(sys.executable, "-c", FAILING, *words).finish()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_one_error_of_the_disk_costs_one_file_another_attempt(run_cli, site, dest, url, call):
    ended = run_failing(run_cli, call, errno.EIO, 1, url, dest)
    assert ended.code == 0, ended.err
    assert whole(dest) and len(asset_requests(site)) == 4
    Mirrored(dest).check(0)
    assert run_cli("verify", dest).code == 0
    assert Mirrored(dest).partial == []


@pytest.mark.parametrize(
    "number,synced",
    [(errno.EINVAL, 0), (errno.EINVAL, 6), (errno.ENOTSUP, 0), (errno.EPERM, 6)],
    ids=["EINVAL at once", "EINVAL later", "ENOTSUP at once", "EPERM later"],
)
def test_where_directories_cannot_be_synced_the_run_goes_on_or_names_the_option(
    run_cli, dest, url, number, synced
):
    words = [number, synced, "mirror", url, dest, "--durability", "full"]
    ended = run_cli.start_raw(sys.executable, "-c", NO_DIRECTORY_SYNC, *words).finish()
    assert ended.code == (7 if number == errno.EPERM else 0), ended.err
    assert ("--durability process" in ended.err) == (ended.code == 7)
    assert whole(dest)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_second_error_of_the_disk_ends_the_run(run_cli, site, dest, url, call):
    ended = run_failing(run_cli, call, errno.EIO, 2, url, dest)
    assert ended.code == 7 and "check it" in ended.err, ended.err
    assert whole(dest) and Mirrored(dest).receipt["exit_code"] == 7
    assert run_cli("mirror", url, dest).code == 0
    assert whole(dest) and len(Mirrored(dest).files) == 3


@pytest.mark.parametrize("call", ["write", "fsync", "close"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_is_a_full_disk_whenever_it_is_told(run_cli, dest, url, call, number):
    ended = run_failing(run_cli, call, number, 1, url, dest)
    assert ended.code == 7 and "free some space" in ended.err, ended.err
    assert whole(dest)
    assert run_cli("mirror", url, dest).code == 0
    assert whole(dest) and len(Mirrored(dest).files) == 3


@pytest.mark.parametrize(("call", "number"), [("write", errno.EROFS), ("write", errno.ENOMEM)])
def test_what_stops_every_write_stops_the_run(run_cli, dest, url, call, number):
    ended = run_failing(run_cli, call, number, 1, url, dest)
    assert ended.code == 7 and "run again" in ended.err, ended.err
    assert whole(dest)


@pytest.mark.skipif(STRACE is None, reason="strace is not here")
@pytest.mark.parametrize(
    ("call", "number", "when"),
    [
        ("fsync", "EIO", 1),
        ("fsync", "EIO", 4),
        ("fdatasync", "EIO", 1),
        ("pwrite64", "ENOSPC", 20),
        ("renameat", "EIO", 2),
        ("ftruncate", "EIO", 1),
    ],
)
def test_whichever_call_of_the_whole_program_fails_no_promise_does(run_cli, dest, url, call, number, when):
    inject = [STRACE, "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    inject += ["-e", f"inject={call}:error={number}:when={when}"]
    if subprocess.run([*inject, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no right to trace")
    ended = run_cli("mirror", url, dest, "--durability", "full", under=inject)
    assert ended.code in (0, 4, 5, 7), ended.err
    assert whole(dest)
    ended = run_cli("mirror", url, dest)
    assert ended.code == 0, ended.err
    assert whole(dest) and len(Mirrored(dest).files) == 3


async def test_a_run_without_memory_ends_in_7_with_its_receipt(troubled, dest):
    def told(event):
        if event["event"] == "finish":
            raise MemoryError

    site = await troubled.site()
    with pytest.raises(StorageError, match="memory"):
        await mirror(publish(site, ["one", "two"]), dest, Options(allow_private=True), on_event=told)
    assert Mirrored(dest).receipt["exit_code"] == 7
    assert (await run(publish(site, ["one", "two"]), dest)).exit_code == 0
    Mirrored(dest).check(0)
