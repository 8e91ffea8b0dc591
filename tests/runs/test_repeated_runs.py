"""`mirror --every`: one run after the other in one process, which a signal ends, and no failure does."""

import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.cli.terminal.repetition import JITTER, until_next
from support.command import clean_environment
from support.mirrored import Mirrored, publish, wait_for
from support.server import Stall
from support.stac_server import static_catalog

STOP_SECONDS = 60
CATALOG = "/static/catalog.json"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def start(run_cli):
    """Starts a mirror that repeats every second, and returns it."""

    def started(url, dest, *words, **more):
        return run_cli.start("mirror", url, dest, "--every", "1s", *words, **more)

    return started


def ended_by(running, name):
    running.process.send_signal(getattr(signal, name))
    return running.finish(STOP_SECONDS)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_each_run_brings_what_is_new_until_a_signal(start, site, dest, name, code):
    catalog = static_catalog(site, publish(site, ["one"]))
    running = start(catalog, dest)
    wait_for((dest / "c1/one/data.tif").exists)
    static_catalog(site, publish(site, ["one", "two"]))
    wait_for((dest / "c1/two/data.tif").exists)
    seen = site.count(CATALOG)
    wait_for(lambda: site.count(CATALOG) > seen)
    wait_for(lambda: Mirrored(dest).has_receipt(0))
    ended = ended_by(running, name)
    assert ended.code == code and "the next run begins in 1 s" in ended.err
    assert site.count("/one.tif") == site.count("/two.tif") == 1


def test_a_signal_during_a_run_saves_its_state(start, run_cli, site, dest):
    items = publish(site, ["one"], always=[Stall(100)])
    url = static_catalog(site, items)
    running = start(url, dest)
    wait_for(lambda: site.count("/one.tif"))
    assert ended_by(running, "SIGTERM").code == 143
    assert Mirrored(dest).receipt["exit_code"] == 143
    site.things["/one.tif"].always = ()
    assert run_cli("mirror", url, dest).code == 0
    Mirrored(dest).check(0)


def test_a_run_that_fails_is_told_and_the_next_one_goes_on(start, site, dest):
    catalog = static_catalog(site, publish(site, ["one"]))
    whole = site.things.pop(CATALOG)
    running = start(catalog, dest, "--json", "-q")
    wait_for(lambda: site.count(CATALOG) > 1)
    site.things[CATALOG] = whole
    wait_for((dest / ".mlhub/receipt.json").exists)
    seen = site.count(CATALOG)
    wait_for(lambda: site.count(CATALOG) > seen)
    ended = ended_by(running, "SIGTERM")
    codes = [event["exit_code"] for event in ended.events if event["event"] == "summary"]
    assert ended.code == codes[-1] == 143 and codes[0] == 3 and 0 in codes
    assert codes == sorted(codes, key=(3, 0, 143).index)
    assert "this run ended with exit code 3; the next run begins in 1 s" in ended.err


def test_another_run_in_dest_is_waited_for_and_not_disturbed(start, run_cli, site, dest):
    items = publish(site, ["one"], always=[Stall(100)])
    url = static_catalog(site, items)
    first = run_cli.start("mirror", url, dest)
    wait_for(lambda: site.count("/one.tif"))
    seen = site.count(CATALOG)
    second = start(url, dest)
    wait_for(lambda: site.count(CATALOG) > seen + 1)
    site.things["/one.tif"].always = ()
    first.kill()
    wait_for(lambda: Mirrored(dest).has_receipt(0))
    ended = ended_by(second, "SIGTERM")
    assert "exit code 11" in ended.err and ended.code == 143
    Mirrored(dest).check(0)


def test_sighup_reads_the_configuration_again(start, run_cli, site):
    dest, settings = run_cli.home / "dest", run_cli.home / "mlhub.toml"
    items = publish(site, ["one", "two"])
    settings.write_text('path-template = "${collection}/${id}/${key}${ext}"\nmax-items = 1\n')
    running = start(static_catalog(site, items), "dest")
    wait_for((dest / "c1/one/data.tif").exists)
    settings.write_text("max-items = 'many'\n")
    running.process.send_signal(signal.SIGHUP)
    seen = site.count(CATALOG)
    wait_for(lambda: site.count(CATALOG) > seen + 1)
    assert not (dest / "c1/two").exists()
    settings.write_text("max-items = 2\n")
    running.process.send_signal(signal.SIGHUP)
    wait_for((dest / "c1/two/data.tif").exists)
    ended = ended_by(running, "SIGTERM")
    assert ended.code == 143 and "configuration read again" in ended.err
    assert "'many' is not a whole number" in ended.err and "the former configuration stays" in ended.err


def test_sighup_does_not_read_a_pipe_a_second_time(start, run_cli, site):
    """It has what `MLHUB_CONFIG=<(...)` gave once: then it is empty, or blocks."""
    dest, pipe = run_cli.home / "dest", run_cli.home / "pipe"
    os.mkfifo(pipe)
    running = start(
        static_catalog(site, publish(site, ["one", "two"])), "dest", env={"MLHUB_CONFIG": str(pipe)}
    )
    pipe.write_text("max-items = 1\n")
    wait_for((dest / "c1/one/data.tif").exists)
    running.process.send_signal(signal.SIGHUP)
    seen = site.count(CATALOG)
    wait_for(lambda: site.count(CATALOG) > seen + 1)
    ended = ended_by(running, "SIGTERM")
    assert ended.code == 143 and "it cannot be read again; the former configuration stays" in ended.err
    assert not (dest / "c1/two").exists()


def test_a_terminal_that_is_closed_ends_it(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    words = [sys.executable, "-m", "mlhub_async", "mirror", url, str(dest), "--every", "1h"]
    near, far = os.openpty()
    take_terminal = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    process = subprocess.Popen(
        [sys.executable, "-c", f"{take_terminal}os.execv(sys.argv[1], sys.argv[1:])", *words],
        cwd=run_cli.home,
        env=clean_environment(run_cli.home, {}),
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
    )
    os.close(far)
    try:
        shown = b""
        while b"the next run begins" not in shown:
            shown += os.read(near, 4096)
        os.close(near)
        near = -1
        assert process.wait(STOP_SECONDS) == 129
    finally:
        if near >= 0:
            os.close(near)
        process.kill()
        process.wait()


def test_a_command_that_is_wrong_is_not_repeated(run_cli, site, dest):
    url = static_catalog(site, publish(site, ["one"]))
    ended = run_cli("mirror", url, dest, "--every", "1s", "--prune", "-i", "*", "--ids", "one")
    assert ended.code == 2 and "next run" not in ended.err
    assert run_cli("mirror", "-", dest, "--every", "1s").code == 2
    assert run_cli("mirror", url, dest, "--every", "1s", "-n").code == 2
    for wrong in ("0", "0.5s", "soon", "-1m", "400d", "15 minutes"):
        ended = run_cli("mirror", url, dest, "--every", wrong)
        assert ended.code == 2 and "--every" in ended.err, wrong


def test_the_interval_may_come_from_a_configuration_file(run_cli, site):
    (run_cli.home / "mlhub.toml").write_text('[mirror]\nevery = "1s"\n')
    url = static_catalog(site, publish(site, ["one"]))
    running = run_cli.start("mirror", url, "dest", "--json", "-q")
    wait_for(lambda: site.count(CATALOG) > 1)
    ended = ended_by(running, "SIGTERM")
    assert ended.code == 143 and json.loads(ended.out.splitlines()[-1])["exit_code"] == 143


@given(st.floats(1, 1e7), st.floats(0, 1e8), st.floats(0, 1))
def test_starts_are_an_interval_apart_with_a_part_of_it_by_chance(interval, taken, chance):
    wait = until_next(interval, taken, chance)
    start = taken + wait
    assert wait >= 0 and start >= interval * 0.999
    assert wait == 0 or start <= interval * (1 + JITTER) * 1.001
