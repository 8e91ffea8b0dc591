"""`mlhub-async serve` as a process: what it prints, how it ends, and what it refuses."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, suppress

import pytest

from mlhub_async.api.pages.serving.config import DEFAULT_PORT, ServeConfig
from mlhub_async.api.pages.serving.server import announcement
from support.command import clean_environment
from support.engine import run
from support.mirrored import publish
from support.stac_server import static_catalog


@pytest.fixture
def mirror(site, dest):
    report = asyncio.run(run(static_catalog(site, publish(site, ["one"])), dest))
    assert report.exit_code == 0
    return dest


def start(tmp_path, *words):
    command = [sys.executable, "-m", "mlhub_async", "serve", *map(str, words)]
    env = clean_environment(tmp_path, {})
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_it_prints_its_address_and_serves_until_a_signal(mirror, tmp_path, number, code):
    with start(tmp_path, mirror, "--port", 0) as process:
        try:
            first, second, third = (process.stdout.readline() for _ in range(3))
            url = re.search(r"http://127\.0\.0\.1:\d+", first)[0]
            assert f"{url}/catalog.json" in second and f"mlhub-async mirror {url}/catalog.json" in third
            with urllib.request.urlopen(f"{url}/c1/one/data.tif") as response:
                assert response.read() == (mirror / "c1/one/data.tif").read_bytes()
            process.send_signal(number)
            assert process.wait(60) == code
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(mirror, run_cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_cli("serve", mirror, "--port", port)
        assert ended.code == 2 and f"cannot listen on 127.0.0.1 port {port}" in ended.err


def test_a_bucket_is_told_from_an_option_that_is_not_known(run_cli):
    ended = run_cli("serve", "s3://bucket/prefix", "--endpoint-url", "http://127.0.0.1:9")
    assert ended.code == 2 and "s3://bucket/prefix is a bucket: this command reads a directory" in ended.err
    assert "No such option" in run_cli("serve", "data", "--endpoint-url", "http://127.0.0.1:9").err


def test_the_usual_port_is_replaced_where_it_is_taken(mirror, tmp_path):
    with ExitStack() as stack:
        with suppress(OSError):  # another program has it: as good
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
        process = stack.enter_context(start(tmp_path, mirror))
        stack.callback(process.kill)
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())[1])
        assert port != DEFAULT_PORT


def test_what_is_no_mirror_is_refused(run_cli, tmp_path):
    for path in (tmp_path, tmp_path / "nothing"):
        ended = run_cli("serve", path, "--port", 0)
        assert ended.code == 2 and "no mirror at" in ended.err


@pytest.mark.parametrize("is_loopback", [True, False])
def test_other_addresses_than_loopback_are_served_with_a_warning(is_loopback, tmp_path):
    others = ("0.0.0.0", "::", "192.0.2.1", "mirror.test")
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost") if is_loopback else others:
        config = ServeConfig(tmp_path, host)
        warned = any(line.startswith("warning: every machine") for line in announcement(config, "http://x"))
        assert (config.is_loopback, warned) == (is_loopback, not is_loopback), host


def test_a_host_that_is_none_is_refused(mirror, run_cli):
    ended = run_cli("serve", mirror, "--host", "203.0.113.7", "--port", 0)
    assert ended.code == 2 and "cannot listen on 203.0.113.7" in ended.err
