"""Files that users name: whole or not there, and what is no file stays what it is."""

import os
import stat
import threading

import pytest

from mlhub_async.core.options.output_file import PRIVATE, output_file

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes of POSIX")


def write(path, body, *how):
    with output_file(str(path), *how) as file:
        file.write(body)


def test_the_file_is_there_only_when_it_is_whole(tmp_path):
    path = tmp_path / "plan.json"
    path.write_bytes(b"before")

    def fail():
        with output_file(str(path)) as file:
            file.write(b"half")
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert path.read_bytes() == b"before"
    write(path, b"after")
    assert path.read_bytes() == b"after" and os.listdir(tmp_path) == ["plan.json"]


@posix
def test_modes_and_links(tmp_path):
    (tmp_path / "real").mkdir()
    path, target = tmp_path / "link", tmp_path / "real" / "plan"
    path.symlink_to(target)
    write(path, b"x", PRIVATE)
    assert path.is_symlink() and target.read_bytes() == b"x"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


@posix
def test_a_pipe_is_written_in_place(tmp_path):
    path, received = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    write(path, b"through")
    reader.join(10)
    assert received == [b"through"] and stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_a_directory_is_refused(tmp_path):
    with pytest.raises(OSError):
        write(tmp_path, b"")
    assert os.listdir(tmp_path) == []
