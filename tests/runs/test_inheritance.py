"""Files of a mirror have the rights that the operating system gives a file created in their directory."""

import os
import stat
import struct

import pytest

from mlhub_async.storage.local.directories import inherited, open_directory
from support.engine import run
from support.mirrored import Mirrored, publish

ACL_DEFAULT, ACL_ACCESS = "system.posix_acl_default", "system.posix_acl_access"
USER_OBJ, USER, GROUP_OBJ, MASK, OTHER, NOBODY = 1, 2, 4, 16, 32, 0xFFFFFFFF
LARGE = 300_000

pytestmark = pytest.mark.skipif(not hasattr(os, "getxattr"), reason="Linux")


def other_group() -> int:
    """A group that this process may give its files, and that they do not have by themselves."""
    if os.geteuid() == 0:
        return os.getegid() + 4321
    return next((one for one in os.getgroups() if one != os.getegid()), None) or pytest.skip("one group only")


def share_with_group(folder):
    os.chown(folder, -1, other_group())
    os.chmod(folder, 0o2775)


def share_by_default_acl(folder):
    """What `setfacl -d -m u:4321:r -m o::- FOLDER` does."""
    entries = [(USER_OBJ, 7, NOBODY), (USER, 4, 4321), (GROUP_OBJ, 5, NOBODY), (MASK, 7, NOBODY)]
    packed = struct.pack("<I", 2)
    packed += b"".join(struct.pack("<HHI", *one) for one in [*entries, (OTHER, 0, NOBODY)])
    try:
        os.setxattr(folder, ACL_DEFAULT, packed)
    except OSError:
        pytest.skip("no access control lists here")


def rights(path):
    found = os.stat(path)
    try:
        acl = os.getxattr(path, ACL_ACCESS)
    except OSError:
        acl = b""
    return oct(found.st_mode), found.st_gid, acl


def created_in(folder):
    """The rights of a file that is created there, as any program does."""
    path = folder / "created-by-a-test"
    path.write_bytes(b"")
    try:
        return rights(path)
    finally:
        path.unlink()


def inherited_in(folder):
    fd = open_directory(folder)
    try:
        return inherited(fd)
    finally:
        os.close(fd)


SHARES = pytest.mark.parametrize("share", [share_with_group, share_by_default_acl])


@SHARES
@pytest.mark.parametrize("durability", ["process", "full"])
@pytest.mark.parametrize("size", [2_000, LARGE])
async def test_what_is_written_after_a_folder_was_shared_inherits_from_it(
    site, dest, share, size, durability
):
    items = publish(site, ["one", "two"], size, etag='"1"')
    assert (await run(items[:1], dest, durability=durability)).exit_code == 0
    before = rights(dest / "c1/one/data.tif")
    share(dest / "c1")
    assert (await run(items, dest, durability=durability)).exit_code == 0
    Mirrored(dest).check(0)
    for path in ("c1/two/data.tif", "c1/two/two.json"):
        assert rights(dest / path) == created_in(dest / "c1/two") != before
    assert rights(dest / "c1/collection.json") == created_in(dest / "c1")
    assert rights(dest / "c1/one/data.tif") == before
    assert rights(dest / "catalog.json") == created_in(dest)
    assert not list(dest.rglob(".mlhub-*"))


@SHARES
async def test_a_mirror_below_a_shared_folder_is_shared_without_a_copy(site, dest, share):
    items = publish(site, ["one"], LARGE, etag='"1"')
    dest.mkdir()
    share(dest)
    assert (await run(items, dest)).exit_code == 0
    for path in ("c1/one/data.tif", "c1/one/one.json", "c1/collection.json"):
        assert rights(dest / path) == created_in((dest / path).parent)
    assert inherited_in(dest / "c1/one") == inherited_in(dest / ".mlhub/partial")


@pytest.mark.parametrize("size", [2_000, LARGE])
async def test_modes_are_those_of_the_umask_but_for_the_state_of_the_run(site, dest, size):
    items = publish(site, ["one"], size)
    before = os.umask(0o027)
    try:
        assert (await run(items, dest)).exit_code == 0
    finally:
        os.umask(before)
    files = [path for path in dest.rglob("*") if path.is_file() and ".mlhub" not in path.parts]
    assert len(files) == 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o640}
    assert stat.S_IMODE((dest / "c1/one").stat().st_mode) == 0o750
    assert stat.S_IMODE((dest / ".mlhub").stat().st_mode) == 0o700
