"""What SQLite calls a disk I/O error or a file that cannot be opened: the run says what the disk said."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mlhub_async.core.errors import DiskFull, StorageError
from mlhub_async.storage.ledger.schema import ledger_error
from support.mirrored import Mirrored, publish, wait_for
from support.mounts import formatted, mounted
from support.server import Drip
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts file systems")
READ_ONLY = "Read-only file system; make it writable"
NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def sqlite_error(code):
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


def test_a_write_that_sqlite_could_not_make_is_told_as_what_the_disk_says(tmp_path):
    with mounted(tmp_path / "disk", "size=512k") as disk:
        path = disk / "ledger.sqlite"
        sqlite3.connect(path).close()
        path.write_bytes(b"")
        told = ledger_error(path, sqlite_error(sqlite3.SQLITE_IOERR_WRITE))
        assert type(told) is DiskFull and os.listdir(disk) == ["ledger.sqlite"]
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for code in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            told = ledger_error(path, sqlite_error(code))
            assert type(told) is StorageError and READ_ONLY in told.message
        assert "locked" in ledger_error(path, sqlite3.OperationalError("locked")).message


def test_a_disk_that_becomes_read_only_is_told_as_such_and_the_next_run_goes_on(run_cli, site, tmp_path):
    """As ext4 does after an error in its structure (errors=remount-ro)."""
    items = publish(site, [f"i{number}" for number in range(40)], 60_000, always=[Drip(0.02, 20_000)])
    url = static_catalog(site, items)
    with formatted(tmp_path / "disk", "ext4") as disk:
        subprocess.run(["mount", "-o", "remount,errors=remount-ro", disk], check=True)
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", disk], capture_output=True, text=True, check=True
        )
        trigger = Path("/sys/fs/ext4", Path(device.stdout.strip()).name, "trigger_fs_error")
        if not trigger.exists():
            pytest.skip("this kernel lets nobody cause an error")
        dest = disk / "mirror"
        running = run_cli.start("mirror", url, dest, "-j", 2)
        wait_for(lambda: len(list(dest.glob("c1/*/*.tif"))) > 3)
        trigger.write_text("1")
        ended = running.finish()
        assert ended.code == 7 and READ_ONLY in ended.err, ended.err
        subprocess.run(["umount", disk], check=True)
        subprocess.run(["e2fsck", "-fy", disk.with_name("disk.img")], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "loop", disk.with_name("disk.img"), disk], check=True)
        ended = run_cli("mirror", url, dest)
        assert ended.code == 0, ended.err
        Mirrored(dest).check(0)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs fewer rights than those of root")
def test_a_collection_that_may_not_be_read_is_told_without_a_traceback(run_cli, site, dest):
    assert run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest).code == 0
    (dest / "c1").chmod(0)
    ended = run_cli("verify", dest, under=NO_RIGHTS)
    (dest / "c1").chmod(0o755)
    assert ended.code == 6 and "c1/one/data.tif" in ended.out + ended.err, ended.err


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs fewer rights than those of root")
def test_a_ledger_that_may_not_be_read_is_not_damaged(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    assert run_cli("mirror", url, dest).code == 0
    (dest / ".mlhub/ledger.sqlite").chmod(0)
    for words in (["verify"], ["status"], ["mirror", url]):
        ended = run_cli(*words, dest, under=NO_RIGHTS)
        assert ended.code == 7 and "Permission denied" in ended.err, ended.err
