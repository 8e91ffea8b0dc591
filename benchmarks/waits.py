"""Five staged causes of a slow run, and what the summary of each run says that it waited for.

    python benchmarks/waits.py

A server that asks to wait, one that answers late, a disk whose writes take long (strace), a processor that is
busy (many small files), and --bwlimit. Prints the shares by cause, and ends with 1 if one is not named first.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import catalogue
import corpus
import server
from aiohttp import web

HOST = "127.0.0.1"
SLOW_WRITE = "inject=write,pwrite64,writev:delay_enter=40000"


@dataclass(frozen=True, slots=True)
class Stage:
    """A cause, the files of the run, its options, the programs it runs under, and the server's behaviour."""

    cause: str
    shape: corpus.Shape
    options: Sequence[str] = ()
    under: Sequence[str] = ()
    answer: Callable[[int], float | int] | None = None
    """by the number of the request the seconds to wait, or a Retry-After as an int; None: nginx serves"""


def _impatient(number: int) -> float | int:
    return 2 if number % 40 == 0 else 0.0


TRACED = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write,pwrite64,writev", "-e", SLOW_WRITE)
STAGES = (
    Stage("server-limit", corpus.Shape("limited", 400, 16 << 10, 10), ("-j", "4"), answer=_impatient),
    Stage("latency", corpus.Shape("late", 300, 16 << 10, 10), ("-j", "16"), answer=lambda number: 0.3),
    Stage("disk", corpus.Shape("disk", 400, 64 << 10, 10), ("-j", "8"), under=TRACED),
    Stage("cpu", corpus.Shape("small", 20_000, 16 << 10, 10)),
    Stage("own-limit", corpus.Shape("bound", 200, 64 << 10, 10), ("--bwlimit", "3M")),
)


@contextmanager
def slow_server(root: Path, answer: Callable[[int], float | int]) -> Iterator[str]:
    """Serves the files below `root`; files of the corpus with the behaviour of `answer`."""
    loop, count, started = asyncio.new_event_loop(), iter(range(1, 1 << 30)), threading.Event()
    base: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        path = root / request.path.lstrip("/")
        if "files" in path.parts:
            asked = answer(next(count))
            if isinstance(asked, int):
                return web.Response(status=503, headers={"Retry-After": str(asked)})
            await asyncio.sleep(asked)
            return web.FileResponse(path)
        token = f".{request.query['token']}" if "token" in request.query else ""
        return web.FileResponse(
            path.with_name(f"{path.name}{token}.json"), headers={"Content-Type": "application/json"}
        )

    async def start() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        base.append(f"http://{HOST}:{runner.addresses[0][1]}")
        started.set()

    loop.create_task(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield base[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def run(stage: Stage, work: Path, nginx: str) -> dict[str, float]:
    """Mirror the files of the stage; returns the shares by cause."""
    root = work / "root"
    files = corpus.generate(stage.shape, root / "set/files")

    def mirror(base: str) -> dict[str, float]:
        catalogue.write(root / "set", f"{base}/set/stac", f"{base}/set/files", files)
        program = (sys.executable, "-m", "mlhub_async", "mirror", f"{base}/set/stac", str(work / "dest"))
        words = [*stage.under, *program, "--json", "-q", *stage.options]
        done = subprocess.run(words, capture_output=True, text=True, timeout=500, check=False)
        if done.returncode:
            sys.exit(f"{stage.cause}: exit code {done.returncode}: {done.stderr}")
        return dict(json.loads(done.stdout.splitlines()[-1])["waits"])

    if stage.answer is None:
        with server.serving(nginx, work) as serving:
            return mirror(serving.base)
    with slow_server(root, stage.answer) as base:
        return mirror(base)


def main() -> int:
    nginx = server.find()
    if nginx is None or shutil.which("strace") is None:
        sys.exit("nginx and strace are needed: apt-get install nginx-light strace")
    wrong = 0
    for stage in STAGES:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            shares = run(stage, Path(folder), nginx)
            first = next(iter(shares), "nothing")
            wrong += first != stage.cause
            text = ", ".join(f"{cause} {share:.0%}" for cause, share in shares.items())
            verdict = "ok   " if first == stage.cause else "WRONG"
            print(f"{verdict} {stage.cause}: {text} ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
