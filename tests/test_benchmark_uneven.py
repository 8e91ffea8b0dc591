"""The servers that the pacing benchmark is held against: they do what they are said to do."""

import http.client
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = Path(__file__).parent.parent / "benchmarks/uneven.py"


@contextmanager
def serving(kind):
    argv = [sys.executable, SCRIPT, kind]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield urlsplit(process.stdout.readline().strip())
        process.stdin.close()


def ask(url, path="/any/name.bin"):
    """Status, length of the body, and seconds it took."""
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    return answer.status, size, time.perf_counter() - began


def asked_by(number, url):
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: ask(url), range(number)))


def test_four_are_served_at_a_time_and_who_comes_beyond_is_refused():
    with serving("four") as url:
        held = [http.client.HTTPConnection(url.hostname, url.port, timeout=10) for _ in range(4)]
        for connection in held:
            connection.request("GET", "/a.bin")
        assert ask(url)[:2] == (429, 0)
        assert [len(connection.getresponse().read()) for connection in held] == [16 << 10] * 4
        assert ask(url)[0] == 200
        for connection in held:
            connection.request("GET", "/a.bin")
            connection.close()
        assert ask(url)[0] in (200, 429), "who went away before its answer"
        time.sleep(0.05)
        assert ask(url)[0] == 200, "holds no place for long"


def test_beyond_the_knee_more_at_once_are_served_slower_in_all():
    with serving("knee") as url:
        assert ask(url)[2] >= 0.02
        seconds = [seconds for status, _, seconds in asked_by(48, url) if status == 200]
        assert len(seconds) == 48
        assert max(seconds) >= 0.02 * 2


def test_what_is_far_answers_late_but_does_not_mind_how_many_ask():
    with serving("far") as url:
        answers = asked_by(16, url)
        assert {status for status, _, _ in answers} == {200}
        assert min(seconds for _, _, seconds in answers) >= 0.05
