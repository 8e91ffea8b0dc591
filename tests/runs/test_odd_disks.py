"""Disks that behave otherwise than ext4: what they change is not taken for damage, nor fetched again."""

import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

from mlhub_async.core.errors import StorageError, UsageError
from mlhub_async.core.model import Proof, Record
from mlhub_async.engine.verify import status, verify
from mlhub_async.engine.verify.walk import merge_listings
from mlhub_async.storage.local.destination import rename_sets_time
from mlhub_async.storage.local.directories import DirectoryTree
from mlhub_async.storage.os_errors import is_unreachable, storage_error
from support.engine import run
from support.mirrored import Mirrored, asset_requests, publish
from support.mounts import mounted
from support.server import tif
from support.stac_server import static_catalog

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")
LARGE = 700_000


def bodies(dest):
    return {path: path.read_bytes() for path in sorted(Path(dest).rglob("*.tif"))}


@posix_only
async def test_a_snapshot_of_hard_links_and_its_mirror_stay_sound_whichever_is_refreshed(site, tmp_path):
    dest, snapshot = tmp_path / "dest", tmp_path / "snapshot"
    before = publish(site, ["one", "two"])
    assert (await run(before, dest)).exit_code == 0
    shutil.copytree(dest, snapshot, copy_function=os.link)
    kept = bodies(snapshot)
    assert (await run(publish(site, ["one", "two"], 3_000), dest)).exit_code == 0
    assert bodies(snapshot) == kept
    assert [(await verify(place)).exit_code for place in (snapshot, dest)] == [0, 0]
    assert (await run(publish(site, ["two", "three"], 4_000), snapshot)).exit_code == 0
    assert [(await verify(place)).exit_code for place in (snapshot, dest)] == [0, 0]


@posix_only
async def test_files_of_another_time_are_read_not_fetched(site, dest):
    items = publish(site, ["one", "two"])
    assert (await run(items, dest)).exit_code == 0
    for path in dest.rglob("*"):
        os.utime(path)
    for _ in range(2):
        assert (await run(items, dest)).exit_code == 0
        assert len(asset_requests(site)) == 2
    touched = dest / "c1/one/data.tif"
    touched.write_bytes(touched.read_bytes()[::-1])
    assert (await run(items, dest)).exit_code == 0
    assert len(asset_requests(site)) == 3
    Mirrored(dest).check(0)


@pytest.mark.parametrize(("mode", "requests", "code"), [("skip", 1, 0), ("refresh", 2, 0), ("error", 1, 4)])
async def test_other_words_of_if_exists_do_not_believe_a_file_of_another_time(
    site, dest, mode, requests, code
):
    items = publish(site, ["one"])
    assert (await run(items, dest)).exit_code == 0
    path = dest / "c1/one/data.tif"
    path.write_bytes(path.read_bytes()[::-1])
    assert (await run(items, dest, if_exists=mode)).exit_code == code
    assert len(asset_requests(site)) == requests


def test_a_rename_that_keeps_the_time_is_seen_as_such(tmp_path):
    (tmp_path / "partial").mkdir()
    assert not rename_sets_time(tmp_path / "partial", tmp_path)
    assert os.listdir(tmp_path / "partial") == [] and os.listdir(tmp_path) == ["partial"]


def test_where_a_rename_sets_the_time_the_new_one_is_recorded(tmp_path):
    tree, source = DirectoryTree(tmp_path), tmp_path / "source"
    tree.renames_set_time = True
    source.write_bytes(b"x")
    os.utime(source, ns=(10**18, 10**18))
    assert tree.place(str(source), None, "a/b") == 10**18
    tree.close()


@posix_only
@pytest.mark.parametrize("size", [2_000, LARGE])
async def test_a_folder_that_is_a_mount_point_gets_its_files_by_a_copy(site, dest, size):
    items = publish(site, ["one", "two"], size, etag='"1"')
    with mounted(dest / "c1", "size=20m"):
        (dest / "c1/one").mkdir()
        (dest / "c1/one/.mlhub-0123-0").write_bytes(b"left by a killed run")
        assert (await run(items, dest)).exit_code == 0
        Mirrored(dest).check(0)
        assert Mirrored(dest).files == {"c1/one/data.tif": tif(size, 0), "c1/two/data.tif": tif(size, 1)}
        assert not list(dest.rglob(".mlhub-*"))
        assert (await run(items, dest)).exit_code == 0
        assert (await verify(dest)).exit_code == 0
    assert len(asset_requests(site)) == 2


def test_a_name_that_a_directory_lists_in_another_spelling_is_asked_for():
    record = Record("c/Tile-A/data.tif", 1, "0" * 64, 1, Proof.SIZE)
    listed = [("c/tile-a/data.tif", True)]
    found = list(merge_listings([(0, record)], listed, {"c/Tile-A/data.tif": True}.get))
    assert [(one.path, one.is_file) for one in found] == [
        ("c/Tile-A/data.tif", True),
        ("c/tile-a/data.tif", True),
    ]


GONE = (
    "ENOTCONN",
    "ESTALE",
    "ETIMEDOUT",
    "EHOSTDOWN",
    "ENODEV",
    "ENXIO",
    "EREMOTEIO",
    "EKEYEXPIRED",
    "EUCLEAN",
)


@pytest.mark.parametrize("name", [name for name in GONE if hasattr(errno, name)])
def test_a_file_system_that_has_gone_ends_the_run(name):
    error = OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
    ours = storage_error(error, "c1/one/data.tif")
    assert type(ours) is StorageError and "network mount" in ours.message
    assert is_unreachable(error) and not is_unreachable(OSError(errno.EACCES, ""))


FAILING_READS = """
import errno, os, runpy, sys
real = os.open

def failing(path, *more, **about):
    if str(path).endswith("data.tif"):
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
    return real(path, *more, **about)

os.open = failing
sys.argv[:1] = ["mlhub"]
runpy.run_module("mlhub_async", run_name="__main__")
"""


async def test_a_mirror_on_a_dead_mount_is_not_damaged(site, dest, run_cli):
    assert (await run(publish(site, ["one"]), dest)).exit_code == 0
    ended = run_cli.start_raw(sys.executable, "-c", FAILING_READS, "verify", dest).finish()
    assert ended.code == 7 and "network mount" in ended.err, ended.err


async def test_a_dest_whose_first_run_failed_is_no_mirror_yet(site, dest, run_cli):
    assert run_cli("mirror", f"{site.url}/absent.json", dest, "--allow-private").code == 3
    (dest / ".mlhub").mkdir(parents=True, exist_ok=True)
    for command in ("verify", "status"):
        ended = run_cli(command, dest)
        assert ended.code == 2 and "no mirror" in ended.err
    assert run_cli("mirror", "-", dest).code == 3
    with pytest.raises(UsageError, match="no mirror yet"):
        await verify(dest)
    with pytest.raises(UsageError, match="no mirror yet"):
        status(dest)


def test_an_empty_standard_input_is_no_empty_catalogue(dest, run_cli):
    ended = run_cli("mirror", "-", dest)
    assert ended.code == 3 and "standard input is empty" in ended.err


@posix_only
@pytest.mark.parametrize(("blocks", "code"), [(8, 7), (60, 7), (400, 4)])
def test_a_limit_of_file_sizes_is_not_a_full_disk(site, dest, run_cli, blocks, code):
    """In blocks of 512 bytes: too little for the reserve, for the ledger, for one file."""
    items = static_catalog(site, publish(site, ["one"], 2_000) + publish(site, ["two"], LARGE))
    limited = ["sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"]
    ended = run_cli("mirror", items, dest, under=limited)
    assert ended.code == code, ended.err
    told = ended.err if code == 7 else Mirrored(dest).errors[0]["error"]["message"]
    assert "ulimit -f" in told and "free some space" not in told


@posix_only
async def test_links_of_git_annex_are_told_as_what_they_are(site, dest):
    assert (await run(publish(site, ["one", "two"]), dest)).exit_code == 0
    path = dest / "c1/one/data.tif"
    path.unlink()
    path.symlink_to("../../.git/annex/objects/aa/bb/SHA256E-s1--0/SHA256E-s1--0")
    (damage,) = (await verify(dest)).damage
    assert damage.reason == "not a regular file" and "git annex unlock" in damage.detail
    lock = dest / ".mlhub/lock"
    lock.unlink()
    lock.symlink_to("../.git/annex/objects/aa/bb/SHA256E-s0--0/SHA256E-s0--0")
    with pytest.raises(StorageError, match="git annex unlock"):
        await run(publish(site, ["one"]), dest)


@posix_only
def test_a_disk_without_inodes_is_told_so(site, dest, run_cli):
    items = static_catalog(site, publish(site, [f"i{number}" for number in range(40)]))
    with mounted(dest, "size=20m,nr_inodes=40"):
        ended = run_cli("mirror", items, dest)
        assert ended.code == 7 and "no inode is free" in ended.err, ended.err
        assert run_cli("verify", dest).code in (5, 7)
