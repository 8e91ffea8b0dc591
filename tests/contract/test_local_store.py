"""What the local store refuses before a run begins, and what it makes of each error of a disk."""

import errno
import os
import sys

import pytest

from mlhub_async.core.errors import DiskFailing, DiskFull, LocalShortage, StorageError, TransferError
from mlhub_async.storage.local.directories import DirectoryTree
from mlhub_async.storage.os_errors import storage_error
from support.engine import run
from support.mirrored import Mirrored, publish
from support.mounts import mounted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


@pytest.mark.parametrize("name", [".mlhub", ".mlhub/partial", ".mlhub/lock", ".mlhub/ledger.sqlite"])
async def test_a_state_directory_that_leads_out_of_dest_is_refused(site, dest, outside, name):
    (dest / name).parent.mkdir(parents=True)
    (dest / name).symlink_to(outside / ("there" if "." in name.rpartition("/")[2] else ""))
    with pytest.raises(StorageError, match="is a link; remove it"):
        await run(publish(site, ["one"]), dest)
    assert list(outside.iterdir()) == [] and site.log == []


async def test_a_link_to_nowhere_for_a_state_directory_is_refused_too(site, dest):
    dest.mkdir()
    (dest / ".mlhub").symlink_to("nowhere")
    with pytest.raises(StorageError, match="is a link"):
        await run(publish(site, ["one"]), dest)


async def test_dest_itself_may_be_a_link(site, dest, outside):
    dest.symlink_to(outside)
    assert (await run(publish(site, ["one"]), dest)).exit_code == 0
    Mirrored(outside).check(0)


@pytest.fixture
def mounted_partial(dest):
    with mounted(dest / ".mlhub/partial"):
        yield


@pytest.mark.usefixtures("mounted_partial")
async def test_unfinished_files_on_another_file_system_are_refused(site, dest):
    with pytest.raises(StorageError, match="another file system"):
        await run(publish(site, ["one"]), dest)
    assert site.log == []


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, DiskFull, "free some space"),
        (errno.EDQUOT, DiskFull, "free some space"),
        (errno.EIO, DiskFailing, "check it"),
        (errno.EROFS, StorageError, "make it writable"),
        (errno.ENOMEM, StorageError, "more memory"),
        (errno.EMFILE, LocalShortage, "open files"),
        (errno.ENFILE, LocalShortage, "open files"),
        (errno.EACCES, TransferError, "Permission denied"),
        (errno.ENAMETOOLONG, TransferError, "too long"),
        (errno.EFBIG, TransferError, "too large"),
        (errno.ELOOP, TransferError, "symbolic links"),
    ],
)
def test_each_error_of_a_disk_has_its_class_and_its_advice(number, kind, advice):
    error = storage_error(OSError(number, os.strerror(number)), "c1/one/data.tif")
    assert type(error) is kind and advice in error.message and "c1/one/data.tif" in error.message


def test_a_directory_swapped_for_a_link_while_it_is_used_leads_nowhere(tmp_path, outside):
    """The directory that was opened is the one that is written to, wherever its name leads by now."""
    root, source = tmp_path / "root", tmp_path / "source"
    (root / "c1/one").mkdir(parents=True)
    tree = DirectoryTree(root)
    for name in ("a", "b"):
        source.write_bytes(name.encode())
        tree.place(str(source), None, f"c1/one/{name}")
        if name == "a":
            (root / "c1").rename(root / "moved")
            (root / "c1").symlink_to(outside)
    tree.close()
    assert (root / "moved/one/b").read_bytes() == b"b"
    assert list(outside.iterdir()) == []


def test_a_directory_swapped_for_a_link_before_it_is_opened_anew_is_refused(tmp_path, outside):
    root, source = tmp_path / "root", tmp_path / "source"
    (root / "c1/one").mkdir(parents=True)
    tree = DirectoryTree(root)
    source.write_bytes(b"a")
    tree.place(str(source), None, "c1/one/a")
    (root / "c1/one/a").unlink()
    (root / "c1/one").rmdir()
    (root / "c1").rmdir()
    (root / "c1").symlink_to(outside)
    source.write_bytes(b"b")
    with pytest.raises(TransferError, match="c1/one/b"):
        tree.place(str(source), None, "c1/one/b")
    tree.close()
    assert list(outside.rglob("*")) == [] and source.read_bytes() == b"b"
