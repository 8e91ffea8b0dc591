"""Checks that no run hangs or loses a file, whatever the pace of the server: a wake-up that is lost would.

    python benchmarks/wakeups.py                          200 runs of 2,000 files, each with a pace of its own
    python benchmarks/wakeups.py --runs 20 --first 180    a part of them
    python benchmarks/wakeups.py --small-files off        the same without the small-file path

The number of a run decides its pace: delays, answers 429 with and without Retry-After, 503, a limit of
requests at a time, connections that are closed after an answer or instead of one; and its options: -j auto or
a number. The server is a process of its own. A run that has not ended after --bound seconds hangs: its tasks
are shown.
Exit code 1 if a run hangs, fails, or leaves a file out, a task or a descriptor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from discarding_mirror import fast_loop
from soak import descriptors, warm_up

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import mlhub_async
from mlhub_async import Options, RetryPolicy
from support.small_files import FORCE
from support.stac_server import stac_item

FAULTS_PER_FILE = 3
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n"
REFUSALS = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
)
PAUSE = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
CONCURRENCIES = (None, None, None, 1, 3, 16, 64)


class Pace:
    """What the server does in one run. The shares are of its answers."""

    def __init__(self, number: int) -> None:
        chance = self.chance = random.Random(number)
        self.delays = chance.choice([(0.0,), (0.0, 0.0, 0.002), (0.001, 0.003, 0.01), (0.0, 0.0, 0.05)])
        self.refused = chance.choice([0.0, 0.0, 0.002, 0.02])
        self.pauses = chance.choice([0.0, 0.0, 0.0, 0.0005])
        self.closed = chance.choice([0.0, 0.0, 0.01, 0.2])
        self.dropped = chance.choice([0.0, 0.0, 0.005])
        self.at_a_time = chance.choice([10_000, 10_000, 10_000, 40, 8])
        self.under_way = 0
        self.spoilt: Counter[str] = Counter()

    def answer(self, target: str) -> tuple[bytes, str]:
        """The answer to one request, and what becomes of its connection: keep, close or reset."""
        chance, spoilable = self.chance, self.spoilt[target] < FAULTS_PER_FILE
        body = target.encode() * (2 + hash_of(target) % 40)
        good = HEAD.format(len(body)).encode()
        if spoilable and self.under_way > self.at_a_time:
            reply, ending = REFUSALS[0], "keep"
        elif spoilable and chance.random() < self.refused:
            reply, ending = chance.choice(REFUSALS), "keep"
        elif spoilable and chance.random() < self.pauses:
            reply, ending = PAUSE, "keep"
        elif spoilable and chance.random() < self.dropped:
            reply, ending = b"", chance.choice(["close", "reset"])
        elif chance.random() < self.closed:
            said = chance.choice([b"", b"Connection: close\r\n"])
            return good + said + b"\r\n" + body, "close"
        else:
            return good + b"\r\n" + body, "keep"
        self.spoilt[target] += 1
        return reply, ending


def hash_of(target: str) -> int:
    return sum(target.encode())


class Connection(asyncio.Protocol):
    """One connection of a client. Targets are /RUN/NAME."""

    def __init__(self, paces: dict[str, Pace]) -> None:
        self._paces = paces
        self._pending = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for head in heads:
            target = head.split(b" ", 2)[1].decode()
            run = target.split("/")[1]
            if run not in self._paces:
                self._paces.clear()
                self._paces[run] = Pace(int(run))
            pace = self._paces[run]
            pace.under_way += 1
            asyncio.get_running_loop().call_later(pace.chance.choice(pace.delays), self._reply, target, pace)

    def _reply(self, target: str, pace: Pace) -> None:
        pace.under_way -= 1
        reply, ending = pace.answer(target)
        self._transport.write(reply)
        if ending == "close":
            self._transport.close()
        elif ending == "reset":
            self._transport.abort()


async def serve() -> None:
    """Print the origin, serve until stdin ends."""
    loop, paces = asyncio.get_running_loop(), dict[str, Pace]()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    await loop.create_server(lambda: Connection(paces), sock=listener)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def serving() -> Iterator[str]:
    argv = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


async def one_run(origin: str, number: int, dest: Path, args: argparse.Namespace) -> str:
    """What is wrong with one run; "" if nothing is."""
    chance = random.Random(-number)
    per_item = chance.choice([1, 4, 10])
    names = [f"{n}.bin" for n in range(args.files)]
    items = [
        stac_item(f"i{at}", **{f"a{name}": f"{origin}/{number}/{name}" for name in names[at : at + per_item]})
        for at in range(0, args.files, per_item)
    ]
    options = Options(
        retry=RetryPolicy(attempts=8, base=0.02), allow_private=True, concurrency=chance.choice(CONCURRENCIES)
    )
    before, tasks = descriptors(), asyncio.all_tasks()
    running = asyncio.ensure_future(mlhub_async.mirror(items, dest, options))
    done, _ = await asyncio.wait([running], timeout=args.bound)
    if not done:
        for task in asyncio.all_tasks() - tasks:
            task.print_stack(limit=4)
        running.cancel()
        return f"hangs (-j {options.concurrency})"
    report = running.result()
    if report.exit_code or report.fetched != args.files:
        return f"exit {report.exit_code}: {report.fetched} of {args.files} fetched; {report.failed[:2]}"
    if asyncio.all_tasks() - tasks:
        return "tasks are left"
    return "" if descriptors() == before else f"descriptors: {before} before, {descriptors()} after"


async def all_runs(origin: str, place: Path, args: argparse.Namespace) -> int:
    await warm_up(origin + "/")
    bad, began, longest = 0, time.monotonic(), 0.0
    for number in range(args.first, args.first + args.runs):
        started = time.monotonic()
        if wrong := await one_run(origin, number, place / "dest", args):
            bad += 1
            print(f"\nrun {number}: {wrong}", flush=True)
        longest = max(longest, time.monotonic() - started)
        shutil.rmtree(place / "dest", ignore_errors=True)
        print(f"\r{number - args.first + 1}/{args.runs}", end="", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    print(f"\n{args.runs} runs of {args.files:,} files: {bad} hung or lost something")
    print(f"{seconds:.0f} s, the longest run {longest:.1f} s")
    return 1 if bad else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the number of the first run")
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--bound", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--small-files", choices=["auto", *FORCE], default="auto")
    parser.add_argument("--tmp", metavar="DIR", default=None)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve())
        return 0
    if args.small_files != "auto":
        FORCE[args.small_files]()
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-wakeups-", dir=args.tmp) as folder,
        serving() as origin,
        asyncio.Runner(loop_factory=fast_loop()) as runner,
    ):
        return runner.run(all_runs(origin, Path(folder), args))


if __name__ == "__main__":
    sys.exit(main())
