"""The servers of the pacing benchmark behave as documented."""

import http.client
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.mirrored import wait_for

SCRIPT = Path(__file__).parents[2] / "benchmarks/limited_servers.py"


@contextmanager
def serving(kind):
    argv = [sys.executable, SCRIPT, kind]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield urlsplit(process.stdout.readline().strip())
        process.stdin.close()


def ask(url, path="/any/name.bin"):
    """Status, length of the body, and seconds it took."""
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    return answer.status, size, time.perf_counter() - began


def ask_concurrently(number, url):
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: ask(url), range(number)))


@contextmanager
def asking_at_once(number, url):
    """Send so many requests in one write: the server sees all of them before it answers any."""
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(b"GET /any/name.bin HTTP/1.1\r\n\r\n" * number)
        yield connection.makefile("rb")


def answers(number, stream):
    """The statuses of the next responses, in the order in which they arrive."""
    for _ in range(number):
        status = int(stream.readline().split()[1])
        fields = iter(stream.readline, b"\r\n")
        [length] = [int(line.split()[1]) for line in fields if line.lower().startswith(b"content-length")]
        assert len(stream.read(length)) == length
        yield status


def test_four_serves_four_requests_at_a_time_and_refuses_the_fifth():
    with serving("four") as url:
        with asking_at_once(5, url) as stream:
            assert list(answers(5, stream)) == [429, 200, 200, 200, 200]
        assert ask(url)[:2] == (200, 16 << 10)
        with asking_at_once(4, url):
            pass
        wait_for(lambda: ask(url)[0] == 200)  # a client that closed its connection frees its slots


def test_knee_gets_slower_in_total_beyond_its_limit():
    with serving("knee") as url:
        assert ask(url)[2] >= 0.02
        began = time.perf_counter()
        with asking_at_once(48, url) as stream:
            assert list(answers(48, stream)) == [200] * 48
        assert time.perf_counter() - began >= 0.02 * (48 / 16) ** 2


def test_far_delays_every_response_whatever_the_concurrency():
    with serving("far") as url:
        found = ask_concurrently(16, url)
        assert {status for status, _, _ in found} == {200}
        assert min(seconds for _, _, seconds in found) >= 0.05


def test_hundred_serves_a_hundred_requests_at_a_time():
    with serving("hundred") as url, asking_at_once(102, url) as stream:
        assert sorted(answers(102, stream)) == [200] * 100 + [429] * 2
