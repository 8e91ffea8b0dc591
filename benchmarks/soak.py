"""Whether a long run over a bad network leaves anything behind: connections, tasks, descriptors, memory.

    python benchmarks/soak.py                            50,000 requests, every twentieth spoilt; some minutes
    python benchmarks/soak.py --items 2000               a quick look
    python benchmarks/soak.py --transport aiohttp        the other transport

The server (a process of its own) spoils answers in all the ways of FAULTS, in turn by chance; the program is
run inside this process, so that this process can look at itself while it runs and afterwards. Each file's
bytes are compared when its item is whole, and removed. Exits 1 if anything was left, or lost.
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

import endless
from throwaway import fast_loop

import mlhub_async
from mlhub_async import Options, Report, RetryPolicy, Selection
from mlhub_async.http.transport.fast.connection import Connection

ITEMS = 47_600
"""With a twentieth of the answers spoilt they take about 50,000 requests."""
MIB = 1 << 20
ALLOWED = 4 * MIB
"""How much more memory the end may take than the time of the second mark."""
MARK = 5000
LARGE = 700_000


def body_of(index: int) -> bytes:
    """Most are small, some need the disk's thread, a few a buffer of their own."""
    size = LARGE if index % 500 == 0 else 40_000 if index % 20 == 0 else 100 + index % 5000
    return (b"%d " % index * (size // len(b"%d " % index) + 1))[:size]


class Catalogue(endless.Catalogue):
    """As `endless.Catalogue`, with bytes that are each file's own."""

    def answer(self, target: str) -> tuple[str, bytes]:
        if target.startswith("/files/"):
            return "application/octet-stream", body_of(int(target[len("/files/") : -len(".bin")]))
        return super().answer(target)


def _reply(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 %sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def _halves(whole: bytes, cut: Callable[[int, int], int]) -> bytes:
    head = whole.index(b"\r\n\r\n") + 4
    return whole[: cut(head, len(whole))]


def _chunked(whole: bytes, *, last: bytes) -> bytes:
    body = whole[whole.index(b"\r\n\r\n") + 4 :]
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%s" % (len(body), body, last)


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "nothing, then FIN": (lambda whole: b"", "fin"),
    "nothing, then RST": (lambda whole: b"", "rst"),
    "nothing at all": (lambda whole: b"", "hang"),
    "half a head, then FIN": (lambda whole: _halves(whole, lambda head, end: head // 2), "fin"),
    "half a head, then RST": (lambda whole: _halves(whole, lambda head, end: head // 2), "rst"),
    "half a body, then FIN": (lambda whole: _halves(whole, lambda head, end: (head + end) // 2), "fin"),
    "half a body, then RST": (lambda whole: _halves(whole, lambda head, end: (head + end) // 2), "rst"),
    "half a body, then nothing": (lambda whole: _halves(whole, lambda head, end: (head + end) // 2), "hang"),
    "chunks without an end": (lambda whole: _chunked(whole, last=b""), "fin"),
    "a chunk that is none": (lambda whole: _chunked(whole, last=b"zz\r\n"), "keep"),
    "bytes after the end": (lambda whole: whole + b"!", "keep"),
    "two lengths": (lambda whole: whole.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1), "keep"),
    "no HTTP": (lambda whole: b"\x15\x03\x01\0\x02\x02\x46 no HTTP at all\r\n\r\n", "fin"),
    "502": (lambda whole: _reply(b"502 Bad Gateway\r\n", b"no"), "keep"),
    "503, then FIN": (lambda whole: _reply(b"503 Service Unavailable\r\n", b"no"), "fin"),
    "429": (lambda whole: _reply(b"429 Too Many Requests\r\n", b"no"), "keep"),
    "a good answer, then FIN": (lambda whole: whole, "fin"),
    "a good answer, then RST": (lambda whole: whole, "rst"),
}
"""What is said instead of the answer, and what becomes of the connection."""
RARE = {"nothing at all", "half a body, then nothing"}
"""They cost a timeout each."""
WEIGHTS = [0.1 if name in RARE else 1.0 for name in FAULTS]


class Faulty(endless.Connection):
    """One client's connection to a server that spoils every so many answers about files."""

    share = 0.0
    chance = random.Random(20)
    met: ClassVar[Counter[str]] = Counter()

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for head in heads:
            self._answer(head.split(b" ", 2)[1].decode())

    def _answer(self, target: str) -> None:
        assert self._transport is not None
        self.met["requests"] += 1
        said, ending = self._reply(target), "keep"
        if target.startswith("/files/") and self.chance.random() < self.share:
            [name] = self.chance.choices(list(FAULTS), WEIGHTS)
            self.met[name] += 1
            spoil, ending = FAULTS[name]
            said = spoil(said)
        self._transport.write(said)
        if ending == "fin":
            self._transport.close()
        elif ending == "rst":
            reset: socket.socket = self._transport.get_extra_info("socket")
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()


async def serve(count: int, share: float) -> None:
    """Print where it is, serve until stdin ends, print what was met."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    Faulty.share = share
    catalogue = Catalogue(origin, count)
    await loop.create_server(lambda: Faulty(catalogue), sock=listener)
    print(f"{origin}/stac", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    total = Faulty.met.pop("requests")
    print(f"{total:,} requests, {Faulty.met.total():,} of them spoilt in {len(Faulty.met)} ways", flush=True)


@contextmanager
def serving(count: int, share: float) -> Iterator[tuple[str, Callable[[], str]]]:
    """The URL of the catalogue, and what tells in the end what its server met."""
    argv = [sys.executable, __file__, "--serve", "--items", str(count), "--errors", str(share)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        yield url, partial(_last_words, process)


def _last_words(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=30)[0].strip()


def descriptors() -> dict[str, int]:
    """How many sockets and how many other files this process has open."""
    found: Counter[str] = Counter()
    for number in os.listdir("/proc/self/fd"):
        try:
            found["sockets" if "socket:" in os.readlink(f"/proc/self/fd/{number}") else "files"] += 1
        except OSError:
            continue
    return {"sockets": found["sockets"], "files": found["files"]}


def memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Observer:
    """Looks at this process while the program runs in it, and at each item once it is whole."""

    def __init__(self, dest: Path, count: int) -> None:
        self.dest, self.count = dest, count
        self.done = self.wrong = 0
        self.step = min(MARK, max(count // 4, 1))
        self.marks: list[int] = []
        self.began = time.monotonic()

    async def each(self, item: Any, records: Mapping[str, Any]) -> None:
        folder = self.dest / item.collection / item.id
        wanted = body_of(int(item.id.rpartition("-")[2]))
        self.wrong += [(self.dest / record.path).read_bytes() for record in records.values()] != [wanted]
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        self.done += 1
        if self.done % self.step == 0 or self.done == self.count:
            self._mark()

    def _mark(self) -> None:
        self.marks.append(memory())
        open_now, tasks = descriptors(), len(asyncio.all_tasks())
        told = f"{open_now['sockets']} sockets, {open_now['files']} files, {tasks} tasks"
        seconds = time.monotonic() - self.began
        print(f"{self.done:>8,}  RSS {self.marks[-1] / MIB:6.1f} MiB  {told}  {seconds:.0f} s", flush=True)

    def flaws(self, report: Report) -> Iterator[str]:
        if report.exit_code or report.fetched != self.count or self.done != self.count:
            yield f"exit {report.exit_code}: {report.fetched:,} of {self.count:,} fetched"
        if self.wrong:
            yield f"{self.wrong} files with other bytes"
        if self.marks[-1] - self.marks[1] > ALLOWED:
            yield f"{(self.marks[-1] - self.marks[1]) / MIB:.1f} MiB more than at the second mark"


def left(before: dict[str, int], tasks: set[asyncio.Task[Any]]) -> Iterator[str]:
    """What the run should have given back."""
    gc.collect()
    if descriptors() != before:
        yield f"descriptors: {before} before, {descriptors()} after"
    if running := asyncio.all_tasks() - tasks:
        yield f"{len(running)} tasks"
    if connections := sum(isinstance(one, Connection) for one in gc.get_objects()):
        yield f"{connections} connections"


async def warm_up(url: str) -> None:
    """The loop opens a file with its first connection, and keeps it."""
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
    return [*observer.flaws(report), *left(before, tasks)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=ITEMS, help=f"one file each ({ITEMS:,})")
    parser.add_argument("--errors", type=float, default=0.05, help="share of spoilt answers (0.05)")
    parser.add_argument("--transport", choices=["fast", "aiohttp"], default="fast")
    parser.add_argument("--tmp", metavar="DIR", help="where to write")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.items, args.errors))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-soak-", dir=args.tmp) as folder,
        serving(args.items, args.errors) as (url, met),
        asyncio.Runner(loop_factory=fast_loop()) as runner,
    ):
        flaws = runner.run(soak(url, Path(folder) / "dest", args))
        print(met())
    print(*[f"NOT GIVEN BACK, OR LOST: {flaw}" for flaw in flaws] or ["nothing lost, nothing left"], sep="\n")
    return bool(flaws)


if __name__ == "__main__":
    sys.exit(main())
