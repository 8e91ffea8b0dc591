"""Whether a file is as recorded: by `stat` (size and mtime of a regular file) and by its content."""

import hashlib
import os
import sys

import pytest

from mlhub_async.core.model import Proof, Record
from mlhub_async.storage.integrity import (
    content_mismatch,
    file_state,
    is_unchanged,
    matches_stat,
    open_unfollowed,
    unchanged_below,
)

DATA = b"II*\0" * 100_000


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data.tif"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def record(path):
    return Record(path.name, len(DATA), hashlib.sha256(DATA).hexdigest(), path.stat().st_mtime_ns, Proof.SIZE)


def replace_keeping_size_and_mtime(path):
    before = path.stat()
    path.write_bytes(b"X" + DATA[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def by_stat(path, record):
    """By either way, which must find the same."""
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        below = unchanged_below(directory)(os.path.basename(path), record.size, record.mtime_ns)
    finally:
        os.close(directory)
    assert below is is_unchanged(str(path), record.size, record.mtime_ns)
    return below


def by_content(path, record, **stop):
    with open_unfollowed(path) as file:
        found = content_mismatch(file, record, **stop)
    return found and found.reason


def test_an_untouched_file_is_as_recorded_at_both_levels(path, record):
    assert by_stat(path, record) and by_content(path, record) is None


def test_another_size_is_found_at_both_levels(path, record):
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, ns=(0, record.mtime_ns))
    assert not by_stat(path, record) and by_content(path, record) == "size"


def test_another_mtime_is_a_change_for_stat_and_none_for_the_content(path, record):
    os.utime(path, ns=(0, record.mtime_ns + 1))
    assert not by_stat(path, record) and by_content(path, record) is None


def test_other_bytes_of_the_same_size_and_mtime_are_found_by_content_only(path, record):
    replace_keeping_size_and_mtime(path)
    assert by_stat(path, record) and by_content(path, record) == "digest"


def test_without_a_recorded_digest_the_size_has_to_do(path, record):
    replace_keeping_size_and_mtime(path)
    assert by_content(path, record._replace(sha256="")) is None


def test_a_missing_file_is_not_as_recorded(path, record):
    path.unlink()
    assert not by_stat(path, record)
    with pytest.raises(FileNotFoundError):
        matches_stat(path, record.size, record.mtime_ns)
    with pytest.raises(FileNotFoundError):
        file_state(path)


def test_a_path_that_no_file_can_have_is_not_as_recorded(record):
    assert not by_stat("a\0b", record)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links and pipes")
class TestNoRegularFile:
    def test_a_link_to_the_recorded_file_is_not_the_file(self, path, record):
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
        assert not by_stat(path, record) and file_state(path) is None
        with pytest.raises(OSError, match="symbolic links"):
            open_unfollowed(path)

    def test_a_pipe_does_not_block(self, path, record):
        path.unlink()
        os.mkfifo(path)
        assert not by_stat(path, record) and by_content(path, record) == "not a regular file"


def test_a_stopped_check_finds_nothing(path, record):
    replace_keeping_size_and_mtime(path)
    assert by_content(path, record, stopped=lambda: True) is None


def test_the_state_of_a_file_is_its_size_and_mtime(path, record):
    assert file_state(path) == (record.size, record.mtime_ns)
