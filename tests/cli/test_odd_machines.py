"""The program on machines that lack something: a home, threads, a stdout that blocks, a reader of stderr."""

import fcntl
import json
import os
import subprocess
import sys
import threading

import pytest

from mlhub_async.core.concurrency import ThreadPool, can_start_threads
from mlhub_async.core.errors import StorageError
from mlhub_async.http.transport.tls import default_context
from mlhub_async.storage.file_systems import scratch_folder
from mlhub_async.storage.ledger.schema import choose_temporary_store, connect
from support.mirrored import Mirrored, publish
from support.stac_server import static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
NOBODY = ["unshare", "-U", "--map-user=54321", "--map-group=54321", "env", "-u", "HOME"]


@pytest.fixture
def url(site):
    return static_catalog(site, publish(site, [f"i{number}" for number in range(30)]))


def test_nobody_without_a_home_can_mirror(run_cli, url, tmp_path):
    if subprocess.run([*NOBODY, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    assert run_cli("mirror", url, tmp_path / "d", "--allow-private", under=NOBODY).code == 0
    for words, variable in (
        (("mirror", url, tmp_path / "e", "--netrc"), "NETRC"),
        (("configure",), "MLHUB_HOME"),
    ):
        more = ("--api-key", "k") if words == ("configure",) else ()
        ended = run_cli(*words, *more, under=NOBODY)
        assert ended.code == 2 and f"set HOME or {variable}" in ended.err, ended.err


class FewThreads:
    """Refuses new threads as the system does, beyond so many that run."""

    def __init__(self, monkeypatch, most):
        real = threading.Thread.start

        def start(thread):
            if sum(one.name.startswith("few") for one in threading.enumerate()) >= most:
                raise RuntimeError("can't start new thread")
            real(thread)

        monkeypatch.setattr(threading.Thread, "start", start)


def test_a_pool_makes_do_with_the_threads_it_gets(monkeypatch):
    FewThreads(monkeypatch, 1)
    with ThreadPool(4, thread_name_prefix="few") as pool:
        assert list(pool.map(abs, [-1, -2, -3, -4])) == [1, 2, 3, 4]


def test_without_any_thread_the_limit_is_named(monkeypatch):
    assert can_start_threads(2)
    FewThreads(monkeypatch, 0)
    assert not can_start_threads(1)
    with ThreadPool(4, thread_name_prefix="few") as pool, pytest.raises(StorageError, match="ulimit -u"):
        pool.submit(abs, -1)


NO_THREADS = """
import runpy, sys, threading
def refuse(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
sys.argv[:1] = ["mlhub"]
runpy.run_module("mlhub_async", run_name="__main__")
"""


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
def test_a_run_without_threads_ends_in_7(run_cli, url, dest, transport):
    words = ["mirror", url, dest, "--allow-private", "--transport", transport]
    ended = run_cli.start_raw(sys.executable, "-c", NO_THREADS, *words).finish()
    assert ended.code == 7 and "ulimit -u" in ended.err, ended.err


@pytest.mark.parametrize("most", [13, 14, 15, 16, 18, 20, 22, 24])
def test_a_run_that_may_open_few_files_ends_in_7_or_is_complete(run_cli, url, dest, most):
    """With fewer the interpreter and its event loop do not begin."""
    under = ["sh", "-c", f'ulimit -n {most}; exec "$@"', "sh"]
    ended = run_cli("mirror", url, dest, "--allow-private", under=under)
    assert ended.code in (0, 7), ended.err
    assert ended.code == 0 or "open files" in ended.err, ended.err


@pytest.mark.parametrize("words", [["x"], [".", "--metrics", "m.prom"], ["x", "--index", "--processes", "2"]])
def test_a_current_directory_that_was_removed_is_told_as_such(run_cli, url, tmp_path, words):
    under = ["sh", "-c", 'mkdir "$0"; cd "$0"; rmdir "$0"; exec "$@"', tmp_path / "gone"]
    ended = run_cli("mirror", url, *words, "--allow-private", under=under)
    assert ended.code in (2, 7) and "current directory" in ended.err, ended.err
    assert run_cli("mirror", url, tmp_path / "copy", "--allow-private", under=under).code == 0


def test_text_files_are_read_in_an_encoding_that_is_named(run_cli, url, dest):
    env = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    for words in (
        ["mirror", url, dest, "--allow-private"],
        ["report", dest],
        ["verify", dest],
        ["status", dest],
    ):
        ended = run_cli(*words, env=env)
        assert ended.code == 0, ended.err


def test_json_waits_for_a_slow_reader_of_a_pipe_that_does_not_block(url, dest):
    reading, writing = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    words = [sys.executable, "-m", "mlhub_async", "mirror", url, dest, "--allow-private", "--json"]
    with subprocess.Popen(words, stdout=writing, stderr=subprocess.PIPE, text=True) as process:
        os.close(writing)
        got = b""
        while piece := os.read(reading, 1024):
            got += piece
        said = process.stderr.read()
    os.close(reading)
    events = [json.loads(line) for line in got.splitlines()]
    assert process.returncode == 0 and events[-1]["event"] == "summary", said
    assert sum(event["event"] == "finish" for event in events) == 30


def test_a_supervisor_that_never_reads_stderr_holds_up_nobody(url, dest):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 512)
    except BlockingIOError:
        os.set_blocking(writing, True)
    words = [sys.executable, "-m", "mlhub_async", "mirror", url, dest, "--allow-private", "-vv"]
    assert subprocess.run(words, stderr=writing, check=False, timeout=200).returncode == 0
    os.close(reading)
    os.close(writing)
    Mirrored(dest).check(0)


def test_where_no_temporary_file_can_be_sqlite_sorts_in_memory(tmp_path):
    database = connect(tmp_path / "ledger.sqlite")
    choose_temporary_store(database, 0)
    enough = database.execute("PRAGMA temp_store").fetchone()[0]
    choose_temporary_store(database, 1 << 60)
    assert (enough, database.execute("PRAGMA temp_store").fetchone()[0]) == (0, 2)
    database.close()


def test_a_copy_goes_where_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    with scratch_folder(1, tmp_path) as folder:
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="TMPDIR"), scratch_folder(1 << 60, tmp_path):
        pass


def test_a_key_log_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "absent/keys.log"))
    with pytest.warns(UserWarning, match="SSLKEYLOGFILE"):
        assert default_context().keylog_filename is None
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    assert default_context().keylog_filename == str(tmp_path / "keys.log")


def test_the_import_of_aiohttp_does_without_it_too(run_cli, tmp_path):
    env = {"SSLKEYLOGFILE": str(tmp_path / "absent/keys.log")}
    words = ["mirror", "https://127.0.0.1:9/c.json", tmp_path / "d", "-R", "0", "--transport", "aiohttp"]
    ended = run_cli(*words, env=env)
    assert ended.code == 5 and "SSLKEYLOGFILE" in ended.err and "Traceback" not in ended.err
