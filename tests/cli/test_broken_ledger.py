"""Commands that read a mirror whose ledger cannot be read: one line and its exit code, never a traceback."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from support.command import AS_A_USER
from support.mirrored import Mirrored, publish
from support.stac_server import static_catalog


@pytest.fixture
def url(site):
    return static_catalog(site, publish(site, ["one", "two"]))


@pytest.fixture
def mirror(run_cli, url, dest):
    assert run_cli("mirror", url, dest).code == 0
    return dest


def empty(path):
    """As a run leaves it that could not write the first page of it to a full disk."""
    path.write_bytes(b"")


def without_tables(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (one)")


def garbage(path):
    path.write_bytes(b"no database" * 1000)


BROKEN = pytest.mark.parametrize("spoil", [empty, without_tables, garbage])


@BROKEN
@pytest.mark.parametrize("command", ["lock", "report", "status", "serve"])
def test_a_command_that_needs_it_names_it_and_ends_in_7(run_cli, mirror, command, spoil):
    spoil(mirror / ".mlhub/ledger.sqlite")
    ended = run_cli(command, mirror)
    assert ended.code == 7 and "ledger.sqlite" in ended.err, ended.err
    assert "the next mirror run rebuilds it" in ended.err


@BROKEN
def test_what_a_run_would_do_is_said_as_the_run_does_it(run_cli, url, mirror, spoil):
    spoil(mirror / ".mlhub/ledger.sqlite")
    for words in (["diff", url, mirror], ["mirror", url, mirror, "-n", "--prune"]):
        ended = run_cli(*words)
        assert ended.code == 0 and "2 there already" in ended.out, ended.err
    ended = run_cli("mirror", url, mirror, "--prune")
    assert ended.code == 0 and "0 fetched, 2 already there" in ended.err, ended.err


@pytest.fixture
def as_a_user():
    """The words that run a program without the rights that root has over files."""
    if sys.platform == "win32":
        pytest.skip("POSIX")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None or subprocess.run([*AS_A_USER, "true"], check=False).returncode:
        pytest.skip("no way to give up the rights of root")
    return AS_A_USER


@pytest.fixture
def unreadable(mirror):
    """A mirror of somebody else: its `.mlhub` may not be read."""
    (mirror / ".mlhub").chmod(0)
    yield mirror
    (mirror / ".mlhub").chmod(0o700)


@pytest.mark.parametrize("command", ["lock", "report", "status", "serve", "verify"])
def test_one_that_may_not_be_read_is_named_with_the_reason(run_cli, unreadable, as_a_user, command):
    ended = run_cli(command, unreadable, under=as_a_user)
    assert ended.code == 7 and "ledger.sqlite: Permission denied" in ended.err, ended.err


def test_a_reference_that_may_not_be_read_costs_a_warning(run_cli, url, unreadable, as_a_user, tmp_path):
    ended = run_cli("mirror", url, tmp_path / "copy", "--reference", unreadable, under=as_a_user)
    assert ended.code == 0 and "ledger.sqlite: Permission denied" in ended.err, ended.err
    Mirrored(tmp_path / "copy").check(0)


def without_any_table(path):
    """As a run leaves it that was killed before it had made the tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA user_version=0")


@pytest.mark.parametrize("make", [empty, without_any_table])
@pytest.mark.parametrize("command", ["lock", "report", "status", "serve", "verify"])
def test_where_a_first_run_was_killed_while_it_made_the_ledger_is_no_mirror_yet(
    run_cli, url, dest, command, make
):
    (dest / ".mlhub").mkdir(parents=True)
    make(dest / ".mlhub/ledger.sqlite")
    ended = run_cli(command, dest)
    assert ended.code == 2 and "no mirror yet" in ended.err, ended.err
    assert run_cli("mirror", url, dest).code == run_cli("verify", dest).code == 0
