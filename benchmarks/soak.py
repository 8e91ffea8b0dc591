"""Checks that a long run over a bad network leaks nothing: connections, tasks, descriptors, memory.

    python benchmarks/soak.py                            50,000 requests, one of twenty fails; some minutes
    python benchmarks/soak.py --items 2000               a quick look
    python benchmarks/soak.py --transport aiohttp        the other transport

The server (a process of its own) injects the faults of FAULTS at random. The program runs inside this
process, which samples its own descriptors, tasks and memory meanwhile and afterwards. The bytes of each file
are compared when its item is complete, then the file is removed. Exit code 1 if anything leaked or was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import endless_api
from discarding_mirror import fast_loop

import mlhub_async
from mlhub_async import Options, Report, RetryPolicy, Selection
from mlhub_async.http.transport.fast.connection import Connection

ITEMS = 47_600
"""With one response of twenty failing they take about 50,000 requests."""
MIB = 1 << 20
MAX_GROWTH_BYTES = 4 * MIB
"""From the second sample to the end."""
SAMPLE_ITEMS = 5000
LARGE_BYTES = 700_000


def body_of(index: int) -> bytes:
    """Most bodies are small; some are written by the disk thread, a few need a buffer of their own."""
    size = LARGE_BYTES if index % 500 == 0 else 40_000 if index % 20 == 0 else 100 + index % 5000
    return (b"%d " % index * (size // len(b"%d " % index) + 1))[:size]


class Catalogue(endless_api.Catalogue):
    """`endless_api.Catalogue` with different bytes for each file."""

    def respond(self, target: str) -> tuple[str, bytes]:
        if target.startswith("/files/"):
            return "application/octet-stream", body_of(int(target[len("/files/") : -len(".bin")]))
        return super().respond(target)


def _reply(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def _truncated(whole: bytes, cut: Callable[[int, int], int]) -> bytes:
    head = whole.index(b"\r\n\r\n") + 4
    return whole[: cut(head, len(whole))]


def _chunked(whole: bytes, *, last: bytes) -> bytes:
    body = whole[whole.index(b"\r\n\r\n") + 4 :]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%s" % (len(body), body, last)


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing, then FIN": (lambda whole: b"", "fin"),
    "nothing, then RST": (lambda whole: b"", "rst"),
    "nothing at all": (lambda whole: b"", "hang"),
    "half a head, then FIN": (lambda whole: _truncated(whole, lambda head, end: head // 2), "fin"),
    "half a head, then RST": (lambda whole: _truncated(whole, lambda head, end: head // 2), "rst"),
    "half a body, then FIN": (lambda whole: _truncated(whole, lambda head, end: (head + end) // 2), "fin"),
    "half a body, then RST": (lambda whole: _truncated(whole, lambda head, end: (head + end) // 2), "rst"),
    "half a body, then nothing": (
        lambda whole: _truncated(whole, lambda head, end: (head + end) // 2),
        "hang",
    ),
    "chunks without an end": (lambda whole: _chunked(whole, last=b""), "fin"),
    "an invalid chunk": (lambda whole: _chunked(whole, last=b"zz\r\n"), "keep"),
    "bytes after the end": (lambda whole: whole + b"!", "keep"),
    "two lengths": (lambda whole: whole.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1), "keep"),
    "no HTTP": (lambda whole: b"\x15\x03\x01\0\x02\x02\x46 no HTTP at all\r\n\r\n", "fin"),
    "502": (lambda whole: _reply(b"502 Bad Gateway\r\n", b"no"), "keep"),
    "503, then FIN": (lambda whole: _reply(b"503 Service Unavailable\r\n", b"no"), "fin"),
    "429": (lambda whole: _reply(b"429 Too Many Requests\r\n", b"no"), "keep"),
    "a good response, then FIN": (lambda whole: whole, "fin"),
    "a good response, then RST": (lambda whole: whole, "rst"),
}
"""The response that is sent instead, and what happens to the connection afterwards."""
RARE = {"nothing at all", "half a body, then nothing"}
"""Each costs a timeout."""
FAULTS_PER_FILE = 2
"""A third response that is not valid HTTP would end the attempts at a file, as it should."""
WEIGHTS = [0.1 if name in RARE else 1.0 for name in FAULTS]


class FaultyConnection(endless_api.Connection):
    """One connection of a client to a server that injects faults into a share of the file responses."""

    share = 0.0
    rng = random.Random(20)
    counts: ClassVar[Counter[str]] = Counter()
    spoilt: ClassVar[Counter[str]] = Counter()
    """faulty responses by target"""

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for head in heads:
            self._answer(head.split(b" ", 2)[1].decode())

    def _answer(self, target: str) -> None:
        assert self._transport is not None
        self.counts["requests"] += 1
        response, ending = self._reply(target), "keep"
        if (
            target.startswith("/files/")
            and self.spoilt[target] < FAULTS_PER_FILE
            and self.rng.random() < self.share
        ):
            self.spoilt[target] += 1
            [name] = self.rng.choices(list(FAULTS), WEIGHTS)
            self.counts[name] += 1
            alter, ending = FAULTS[name]
            response = alter(response)
        self._transport.write(response)
        if ending == "fin":
            self._transport.close()
        elif ending == "rst":
            reset: socket.socket = self._transport.get_extra_info("socket")
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


async def serve(count: int, share: float) -> None:
    """Print the URL, serve until stdin ends, print the counts of requests and faults."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    FaultyConnection.share = share
    catalogue = Catalogue(origin, count)
    await loop.create_server(lambda: FaultyConnection(catalogue), sock=listener)
    print(f"{origin}/stac", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    faults = FaultyConnection.counts
    total = faults.pop("requests")
    print(
        f"{total:,} requests, {faults.total():,} of them failed on purpose in {len(faults)} ways",
        flush=True,
    )


@contextmanager
def serving(count: int, share: float) -> Iterator[tuple[str, Callable[[], str]]]:
    """The URL of the catalogue, and a function that returns the counts of the server at the end."""
    argv = [sys.executable, __file__, "--serve", "--items", str(count), "--errors", str(share)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        yield url, partial(_last_output, process)


def _last_output(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=30)[0].strip()


def descriptors() -> dict[str, int]:
    """The numbers of sockets and of other files that this process has open."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found["sockets" if "socket:" in os.readlink(f"/proc/self/fd/{number}") else "files"] += 1
        except OSError:
            continue
    return {"sockets": found["sockets"], "files": found["files"]}


def memory() -> int:
    """The resident set size of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Observer:
    """Samples this process while the program runs in it, and checks each item when it is complete."""

    def __init__(self, dest: Path, count: int) -> None:
        self.dest, self.count = dest, count
        self.done = self.wrong = self.missing = 0
        self.step = min(SAMPLE_ITEMS, max(count // 4, 1))
        self.samples: list[int] = []
        self.began = time.monotonic()

    async def each(self, item: Any, records: Mapping[str, Any]) -> None:
        folder = self.dest / item.collection / item.id
        wanted = body_of(int(item.id.rpartition("-")[2]))
        self.missing += not records
        self.wrong += any((self.dest / record.path).read_bytes() != wanted for record in records.values())
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        self.done += 1
        if self.done % self.step == 0 or self.done == self.count:
            self._sample()

    def _sample(self) -> None:
        self.samples.append(memory())
        open_now, tasks = descriptors(), len(asyncio.all_tasks())
        text = f"{open_now['sockets']} sockets, {open_now['files']} files, {tasks} tasks"
        seconds = time.monotonic() - self.began
        print(f"{self.done:>8,}  RSS {self.samples[-1] / MIB:6.1f} MiB  {text}  {seconds:.0f} s", flush=True)

    def flaws(self, report: Report) -> Iterator[str]:
        if report.exit_code or report.fetched != self.count or self.done != self.count:
            yield f"exit {report.exit_code}: {report.fetched:,} of {self.count:,} fetched"
        if self.missing:
            yield f"{self.missing} items without their file"
        if self.wrong:
            yield f"{self.wrong} files with other bytes"
        if self.samples[-1] - self.samples[1] > MAX_GROWTH_BYTES:
            yield f"{(self.samples[-1] - self.samples[1]) / MIB:.1f} MiB more than at the second sample"


def leaks(before: dict[str, int], tasks: set[asyncio.Task[Any]]) -> Iterator[str]:
    """What the run should have released."""
    gc.collect()
    if descriptors() != before:
        yield f"descriptors: {before} before, {descriptors()} after"
    if running := asyncio.all_tasks() - tasks:
        yield f"{len(running)} tasks"
    if connections := sum(isinstance(one, Connection) for one in gc.get_objects()):
        yield f"{connections} connections"


async def warm_up(url: str) -> None:
    """The event loop opens a file with its first connection and keeps it: do that before counting."""
    host, port = url.split("/")[2].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    await writer.wait_closed()


async def soak(url: str, dest: Path, args: argparse.Namespace) -> list[str]:
    observer = Observer(dest, args.items)
    options = Options(
        selection=Selection(collections=("bench",), limit=100),
        retry=RetryPolicy(attempts=10, base=0.02),
        timeout=2,
        transport=args.transport,
    )
    await warm_up(url)
    before, tasks = descriptors(), asyncio.all_tasks()
    report = await mlhub_async.mirror(url, dest, options, each=observer.each)
    return [*observer.flaws(report), *leaks(before, tasks)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=ITEMS, help=f"one file each ({ITEMS:,})")
    parser.add_argument("--errors", type=float, default=0.05, help="share of responses that fail (0.05)")
    parser.add_argument("--transport", choices=["fast", "aiohttp"], default="fast")
    parser.add_argument("--tmp", metavar="DIR", help="where to write")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.items, args.errors))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-soak-", dir=args.tmp) as folder,
        serving(args.items, args.errors) as (url, counts),
        asyncio.Runner(loop_factory=fast_loop()) as runner,
    ):
        flaws = runner.run(soak(url, Path(folder) / "dest", args))
        print(counts())
    print(*[f"LEAKED OR LOST: {flaw}" for flaw in flaws] or ["nothing lost, nothing leaked"], sep="\n")
    return bool(flaws)


if __name__ == "__main__":
    sys.exit(main())
