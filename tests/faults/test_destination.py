"""What may be where a mirror wants to write: links, pipes, mounts, files of others; or no right to write."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from itertools import count

import pytest

from mlhub_async.core.errors import StorageError
from mlhub_async.engine.verify import verify
from support.command import AS_A_USER
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish, wait_for
from support.server import Drip, tif
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
SAME = tif(20_000)
NETWORK = """
import pathlib, runpy, sys
real, place = pathlib.Path.read_text, sys.argv.pop(1)
def read_text(path, *more, **options):
    if str(path) == "/proc/self/mounts":
        return real(path, *more, **options) + f"server:/x {place} nfs4 rw 0 0\\n"
    return real(path, *more, **options)
pathlib.Path.read_text = read_text
runpy.run_module("mlhub_async", run_name="__main__")
"""
"""Runs the program where the system says that DEST is on another machine."""


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


@pytest.fixture
def url(site):
    return static_catalog(site, publish(site, ["one", "two"]))


@pytest.fixture(scope="module")
def mounting():
    """`mounting("mount …")`: the words that run a program in a world with other mounts."""
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    if subprocess.run([*words, "mount -t tmpfs none /mnt"], check=False, capture_output=True).returncode:
        pytest.skip("no right to mount, even in a namespace of its own")
    return lambda commands: [*words, f'set -e; {commands}; exec "$@"', "sh"]


@pytest.fixture(scope="module")
def as_a_user():
    """The words that run a program without the rights that root has over files."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None or subprocess.run([*AS_A_USER, "true"], check=False).returncode:
        pytest.skip("no way to give up the rights of root")
    return AS_A_USER


def told(dest):
    """The class and the message of every failure, by item."""
    return {row["item"]: (row["error"]["class"], row["error"]["message"]) for row in Mirrored(dest).errors}


@pytest.mark.parametrize("target", ["file", "nothing", "itself", "directory"])
def test_whatever_a_link_under_the_final_name_leads_to_the_link_is_replaced(
    run_cli, site, url, dest, outside, target
):
    (outside / "file").write_bytes(b"mine")
    (outside / "directory").mkdir()
    place = dest / "c1/one/data.tif"
    place.parent.mkdir(parents=True)
    place.symlink_to(place if target == "itself" else outside / target)
    before = sorted(outside.rglob("*"))
    assert run_cli("mirror", url, dest).code == 0
    assert not place.is_symlink() and place.read_bytes() == SAME
    assert sorted(outside.rglob("*")) == before and (outside / "file").read_bytes() == b"mine"


@pytest.mark.parametrize("level", ["c1", "c1/one"])
def test_a_link_at_any_level_fails_what_lies_below_it_and_nothing_else(
    run_cli, site, url, dest, outside, level
):
    (dest / level).parent.mkdir(parents=True)
    (dest / level).symlink_to(outside)
    ended = run_cli("mirror", url, dest)
    assert ended.code == 4, ended.err
    assert {kind for kind, _ in told(dest).values()} == {"path"} and Mirrored(dest).receipt["exit_code"] == 4
    assert set(Mirrored(dest).files) == ({"c1/two/data.tif"} if level == "c1/one" else set())
    assert list(outside.iterdir()) == []


async def test_a_directory_that_turns_into_a_link_and_back_during_the_run_lets_nothing_out(
    troubled, dest, outside
):
    site = await troubled.site()
    items = publish(site, [f"i{n}" for n in range(150)], 2_000)
    (dest / "c1").mkdir(parents=True)
    over = threading.Event()

    def swap():
        for number in count():
            (dest / "c1").rename(dest / "real")
            with suppress(FileExistsError):  # the run may make the directory anew in any gap
                (dest / "c1").symlink_to(outside)
                over.wait(0.001)
                (dest / "c1").unlink()
            try:
                (dest / "real").rename(dest / "c1")
            except OSError:
                (dest / "real").rename(dest.parent / f"lost{number}")
            if over.is_set():
                return

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        code = (await run(items, dest)).exit_code
    except StorageError as error:  # a directory with finished files was not put back
        assert "another program removed or moved it" in str(error)
        code = error.exit_code
    finally:
        over.set()
        swapping.join()
    assert code in (0, 4, 5, 7)
    assert list(outside.rglob("*")) == []
    assert (await run(items, dest)).exit_code == 0
    assert list(outside.rglob("*")) == [] and len(Mirrored(dest).files) == 150
    assert (await verify(dest)).damage == []


@contextmanager
def in_the_way(kind, path):
    if kind == "socket":
        with closing(socket.socket(socket.AF_UNIX)) as listening:
            os.chdir(path.parent)  # the path of a socket is short
            listening.bind(path.name)
            yield
        return
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no right to make a device")
    yield


@pytest.mark.parametrize("kind", ["socket", "device"])
def test_a_socket_or_a_device_under_the_final_name_stays_and_is_told(run_cli, url, dest, kind, monkeypatch):
    place = dest / "c1/one/data.tif"
    place.parent.mkdir(parents=True)
    monkeypatch.chdir(dest)
    with in_the_way(kind, place):
        before = place.lstat()
        ended = run_cli("mirror", url, dest)
        assert ended.code == 4 and "something that is no file is in the way" in ended.err
        assert place.lstat() == before
    assert list(told(dest)) == ["one"] and "c1/two/data.tif" in Mirrored(dest).files


@pytest.mark.parametrize("document", ["catalog.json", "c1/collection.json", "c1/one/one.json"])
async def test_what_is_in_the_way_of_a_document_is_told_and_everything_else_is_written(
    troubled, dest, document
):
    site = await troubled.site()
    (dest / document).mkdir(parents=True)
    report = await run(publish(site, ["one", "two"]), dest)
    mirror = Mirrored(dest)
    assert report.exit_code == mirror.receipt["exit_code"] == 4
    assert [(row["href"], row["error"]["class"]) for row in mirror.errors] == [(document, "path")]
    assert len(mirror.files) == 2 and mirror.partial == []
    written = {"catalog.json", "c1/collection.json", "c1/one/one.json", "c1/two/two.json"} - {document}
    assert all((dest / one).is_file() for one in written)
    (dest / document).rmdir()
    assert (await run(publish(site, ["one", "two"]), dest)).exit_code == 0
    assert (dest / document).is_file() and len(asset_requests(site)) == 2


def test_without_the_right_to_write_to_dest_nothing_is_asked_for(run_cli, site, url, dest, as_a_user):
    dest.mkdir(mode=0o555)
    ended = run_cli("mirror", url, dest, under=as_a_user)
    assert ended.code == 7 and "Permission denied" in ended.err, ended.err
    assert asset_requests(site) == [] and list(dest.iterdir()) == []


def test_on_a_file_system_that_is_read_only_nothing_is_asked_for(run_cli, site, url, dest, mounting):
    dest.mkdir()
    read_only = mounting(f"mount -t tmpfs -o ro none {dest}")
    ended = run_cli("mirror", url, dest, under=read_only)
    assert ended.code == 7 and "Read-only file system" in ended.err, ended.err
    assert asset_requests(site) == []


def test_a_directory_that_nobody_may_write_to_fails_its_own_assets_alone(run_cli, url, dest, as_a_user):
    (dest / "c1/one").mkdir(parents=True)
    (dest / "c1/one").chmod(0o555)
    ended = run_cli("mirror", url, dest, under=as_a_user)
    assert ended.code == 4, ended.err
    assert told(dest)["one"][0] == "path" and "Permission denied" in told(dest)["one"][1]
    assert set(Mirrored(dest).files) == {"c1/two/data.tif"} and Mirrored(dest).partial == []
    (dest / "c1/one").chmod(0o755)
    assert run_cli("mirror", url, dest).code == 0


def test_a_rename_that_is_refused_fails_its_asset_and_keeps_the_rest(run_cli, url, dest, mounting):
    (dest / "c1/one").mkdir(parents=True)
    (dest / "c1/one/data.tif").write_bytes(b"")
    mount = f"touch {dest}/x; mount --bind {dest}/x {dest}/c1/one/data.tif"
    ended = run_cli("mirror", url, dest, under=mounting(mount))
    assert ended.code == 4, ended.err
    assert told(dest)["one"][0] == "path" and "busy" in told(dest)["one"][1]
    assert Mirrored(dest).files["c1/two/data.tif"] == tif(20_000, 1)
    assert Mirrored(dest).partial == []


def test_a_file_larger_than_a_file_may_be_fails_alone(run_cli, site, dest):
    items = publish(site, ["large"], 3_000_000) + publish(site, ["small"])
    limited = ["sh", "-c", 'ulimit -f 2000; exec "$@"', "sh"]
    ended = run_cli("mirror", static_catalog(site, items), dest, under=limited)
    assert ended.code == 4, ended.err
    assert told(dest)["large"][0] == "path" and "File too large" in told(dest)["large"][1]
    assert set(Mirrored(dest).files) == {"c1/small/data.tif"}


@pytest.mark.parametrize("change", ["deleted", "cut", "longer", "same size", "touched"])
def test_a_finished_file_with_other_bytes_is_fetched_again(run_cli, site, url, dest, change):
    assert run_cli("mirror", url, dest).code == 0
    place = dest / "c1/one/data.tif"
    bodies = {"cut": SAME[:-1], "longer": SAME + b"x", "same size": bytes(len(SAME)), "touched": SAME}
    place.unlink()
    if change in bodies:
        place.write_bytes(bodies[change])
    assert run_cli("mirror", url, dest).code == 0
    assert place.read_bytes() == SAME
    assert (site.count("/one.tif"), site.count("/two.tif")) == (1 if change == "touched" else 2, 1)
    Mirrored(dest).check(0)


def test_if_files_are_an_error_they_stay_what_they_are(run_cli, site, url, dest):
    """Both are told, nothing is forgotten: the next run has nothing to fetch."""
    assert run_cli("mirror", url, dest).code == 0
    before = Mirrored(dest).item("one")
    ended = run_cli("mirror", url, dest, "--if-exists", "error", "--json")
    assert ended.code == 4 and "2 exists" in ended.err
    rows = {row["item"]: row for row in Mirrored(dest).errors}
    assert rows["one"]["key"] == "data" and rows["one"]["path"] == "c1/one/data.tif"
    assert rows["one"]["href"] == site.url("/one.tif") and rows["two"]["error"]["class"] == "exists"
    assert Mirrored(dest).receipt["assets"]["failed"] == 2
    assert run_cli("verify", dest).code == 4 and Mirrored(dest).item("one") == before
    assert run_cli("mirror", url, dest).code == 0
    assert site.count("/one.tif") == 1 and Mirrored(dest).errors == []


@pytest.mark.parametrize("body", [SAME, bytes(len(SAME))], ids=["right", "wrong"])
def test_a_file_of_the_right_size_that_is_not_ours_is_not_taken_for_ours(run_cli, site, url, dest, body):
    (dest / "c1/one").mkdir(parents=True)
    (dest / "c1/one/data.tif").write_bytes(body)
    assert run_cli("mirror", url, dest).code == 0
    assert (dest / "c1/one/data.tif").read_bytes() == SAME and site.count("/one.tif") == 1


def test_a_new_version_takes_the_name_in_one_step_when_it_is_whole(run_cli, site, dest):
    old, new = tif(300_000, 1), tif(300_000, 2)
    site.put("/one.tif", old, etag='"1"')
    url = static_catalog(site, [*publish(site, ["two"])])
    items = publish(site, ["one"], 300_000)
    site.put("/one.tif", old, etag='"1"')
    url = static_catalog(site, items)
    assert run_cli("mirror", url, dest).code == 0
    place, seen = dest / "c1/one/data.tif", []
    site.put("/one.tif", new, etag='"2"', always=[Drip(0.01, 30_000)])
    with place.open("rb") as before:
        running = run_cli.start("mirror", url, dest, "--if-exists", "refresh")
        wait_for(lambda: site.count("/one.tif") == 2)
        while running.process.poll() is None:
            seen.append(place.read_bytes())
        ended = running.finish()
        assert ended.code == 0, ended.err
        assert before.read() == old, "who has it open keeps the old version"
    assert old in seen and set(seen) <= {old, new} and place.read_bytes() == new


def test_on_a_disk_of_another_machine_the_ledger_does_without_shared_memory(run_cli, site, url, dest):
    for _ in range(2):
        ended = run_cli.start_raw(sys.executable, "-c", NETWORK, dest, "mirror", url, dest).finish()
        assert ended.code == 0, ended.err
        assert not list(dest.glob(".mlhub/*-wal")) and not list(dest.glob(".mlhub/*-shm"))
        assert (dest / ".mlhub/ledger.sqlite").read_bytes()[18:20] == b"\1\1", "a rollback journal"
    assert len(asset_requests(site)) == 2
    assert run_cli("mirror", url, dest).code == 0
    assert (dest / ".mlhub/ledger.sqlite").read_bytes()[18:20] == b"\2\2", "a write-ahead log again"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077], ids=oct)
def test_files_are_as_open_as_the_umask_says_and_the_state_is_the_owners_alone(run_cli, url, dest, umask):
    masked = ["sh", "-c", f'umask {umask:o}; exec "$@"', "sh"]
    ended = run_cli("mirror", url, dest, under=masked)
    assert ended.code == 0, ended.err
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in dest.rglob("*")}
    ours = {path: mode for path, mode in modes.items() if ".mlhub" not in path.relative_to(dest).parts}
    assert {mode for path, mode in ours.items() if path.is_file()} == {0o666 & ~umask}
    assert {mode for path, mode in ours.items() if path.is_dir()} == {0o777 & ~umask}
    assert modes[dest / ".mlhub"] == modes[dest / ".mlhub/partial"] == 0o700
    assert modes[dest / ".mlhub/ledger.sqlite"] == modes[dest / ".mlhub/lock"] == 0o600


async def test_a_file_with_holes_is_as_long_as_it_says(troubled, dest):
    site = await troubled.site()
    body = SAME + bytes(3_000_000)
    items = publish(site, ["one"])
    site.put("/one.tif", body)
    assert (await run(items, dest)).exit_code == 0
    place = dest / "c1/one/data.tif"
    times = place.stat().st_mtime_ns
    with place.open("r+b") as file:
        file.truncate(len(SAME))
        file.truncate(len(body))
    os.utime(place, ns=(times, times))
    assert place.stat().st_blocks * 512 < len(body)
    assert (await run(items, dest)).exit_code == 0 and site.count("/one.tif") == 1
    assert (await verify(dest)).ok


async def test_times_before_1970_are_times(troubled, dest):
    site = await troubled.site()
    items = publish(site, ["one", "two"])
    assert (await run(items, dest)).exit_code == 0
    long_ago = -(10**18)
    os.utime(dest / "c1/one/data.tif", ns=(long_ago, long_ago))
    assert (await verify(dest)).ok
    assert (await run(items, dest)).exit_code == 0
    assert (site.count("/one.tif"), site.count("/two.tif")) == (1, 1)
    Mirrored(dest).check(0)
