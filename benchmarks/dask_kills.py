"""Kills a worker of a Dask cluster again and again while its workers fetch, and replaces it.

    python benchmarks/dask_kills.py                          dask scheduler, two of dask worker, 20,000 files
    python benchmarks/dask_kills.py --cluster local          LocalCluster, whose nannies replace the workers
    python benchmarks/dask_kills.py --cluster adaptive       the same, of 0 to 3 workers
    python benchmarks/dask_kills.py --files 2000 --every 2   a quick look

A worker is killed --every seconds after all of them have joined: on a busy machine that takes longer than
the seconds, and none would ever do anything. Every file has its own bytes, from a server on loopback that
answers after 20 ms. At the end the run has exit code 0, the receipt balances, every file has the bytes that
were offered (none is lost), each asset is settled once (none is doubled), `verify` finds nothing, no partial
file is left, and manifest_sha256 is that of one process. A run that takes more than --limit seconds hangs.
Exit code 1 if something is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DELAY_SECONDS = 0.02
KINDS = ("commands", "local", "adaptive")
WORKER_WORDS = ("--no-dashboard", "--nthreads", "1", "--host", "127.0.0.1", "--death-timeout", "60")


def body_of(name: str) -> bytes:
    """The bytes of one file: about four KiB that no other file has."""
    return random.Random(name).randbytes(4_000 + len(name))


class _Answers(asyncio.Protocol):
    """One connection of a client: each request is answered after a moment."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport, self._pending = transport, b""

    def data_received(self, data: bytes) -> None:
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for head in heads:
            name = head.split(b" ", 2)[1].decode()
            asyncio.get_running_loop().call_later(DELAY_SECONDS, self._answer, name)

    def _answer(self, name: str) -> None:
        body = body_of(name)
        fields = f'Content-Type: application/octet-stream\r\nContent-Length: {len(body)}\r\nETag: "1"'
        self._transport.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode() + body)


@contextmanager
def serving() -> Iterator[str]:
    """The origin of the files, served by a thread."""
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    loop.run_until_complete(loop.create_server(_Answers, sock=listener))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@dataclass
class Cluster:
    """A scheduler, and the process ids of its workers at this moment. `replace` is called after a kill."""

    address: str
    pids: Callable[[], list[int]]
    replace: Callable[[], None] = lambda: None


@contextmanager
def by_commands(folder: Path, number: int) -> Iterator[Cluster]:
    """`dask scheduler` and `dask worker`, as other programs or a batch system start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dask, log = [sys.executable, "-m", "dask"], (folder / "dask.log").open("ab")
    running: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*dask, *words], stdout=log, stderr=log, env=_environment(), cwd=folder)

    def replace() -> None:
        running[:] = [one for one in running if one.poll() is None]
        while len(running) < number:
            running.append(start("worker", f"tcp://127.0.0.1:{port}", "--no-nanny", *WORKER_WORDS))

    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", f"{port}", "--no-dashboard")
    try:
        replace()
        yield Cluster(f"tcp://127.0.0.1:{port}", lambda: [one.pid for one in running], replace)
    finally:
        for process in (*running, scheduler):
            process.kill()
            process.wait()
        log.close()


@contextmanager
def by_local_cluster(number: int, *, adaptive: bool) -> Iterator[Cluster]:
    from distributed import LocalCluster

    os.environ["PYTHONPATH"] = _environment()["PYTHONPATH"]
    workers = {"n_workers": 0 if adaptive else number, "threads_per_worker": 1}
    with LocalCluster(**workers, host="127.0.0.1", dashboard_address=None, silence_logs=60) as cluster:
        if adaptive:
            cluster.adapt(minimum=0, maximum=number + 1, interval="1s")

        def pids() -> list[int]:
            nannies: list[Any] = list(cluster.workers.values())
            return [one.pid for one in nannies if getattr(one, "pid", None)]

        yield Cluster(cluster.scheduler_address, pids)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}


@dataclass
class Tally:
    kills: int = 0
    seconds: float = 0.0
    flaws: list[str] = field(default_factory=list)


def fetch(source: Path, dest: Path, words: list[str], limit: float) -> subprocess.Popen[bytes]:
    """Start a mirror; its events and messages go into files beside DEST."""
    argv = ["timeout", f"{limit:.0f}", sys.executable, "-m", "mlhub_async", "mirror", str(source), str(dest)]
    argv += ["--allow-private", "--json", *words]
    with (dest.parent / "events.jsonl").open("wb") as out, (dest.parent / "messages").open("wb") as err:
        return subprocess.Popen(argv, stdout=out, stderr=err, env=_environment())


def killing(
    cluster: Cluster, process: subprocess.Popen[bytes], args: argparse.Namespace, chance: random.Random
) -> int:
    """Kill a worker so many seconds after all have joined, until the run has ended; how many were."""
    from distributed import Client

    kills, due, needed = 0, math.inf, 1 if args.cluster == "adaptive" else args.workers
    with Client(cluster.address, set_as_default=False) as client:
        while process.poll() is None:
            time.sleep(0.1)
            if len(client.scheduler_info(n_workers=-1)["workers"]) < needed:
                cluster.replace()
                due = math.inf
            elif due == math.inf:
                due = time.monotonic() + args.every
            elif time.monotonic() >= due and (pids := cluster.pids()):
                due = math.inf
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    kills += 1
    return kills


def judge(dest: Path, names: dict[str, str], code: int) -> Iterator[str]:
    """What is not as it should be after a run."""
    if code != 0:
        hung = " (it hung)" if code == 124 else ""
        yield f"exit code {code}{hung}: {(dest.parent / 'messages').read_text()[-500:]}"
        return
    receipt = json.loads((dest / ".mlhub/receipt.json").read_bytes())
    assets = receipt["assets"]
    proven = sum(assets[name] for name in ("verified_checksum", "verified_size", "unverifiable"))
    if not assets["selected"] == proven == len(names):
        yield f"the receipt does not balance: {assets}"
    for item, name in names.items():
        path = dest / "c1" / item / "data.bin"
        if not path.is_file() or path.read_bytes() != body_of(name):
            yield f"{path} is lost or has other bytes"
    lines = (dest.parent / "events.jsonl").read_bytes().splitlines()
    settled = [one for one in map(json.loads, lines) if one["event"] in ("finish", "skip")]
    if len(settled) != len(names) or len({one["item"] for one in settled}) != len(names):
        yield f"{len(settled)} assets were settled, of {len({one['item'] for one in settled})} items"
    if left := list((dest / ".mlhub/partial").iterdir()):
        yield f"{len(left)} partial files are left"
    argv = [sys.executable, "-m", "mlhub_async", "verify", str(dest)]
    verified = subprocess.run(argv, check=False, capture_output=True, env=_environment())
    if verified.returncode != 0:
        yield f"verify: {verified.stderr.decode()[-300:]}"


def manifest_of(dest: Path) -> str:
    found: str = json.loads((dest / ".mlhub/receipt.json").read_bytes())["manifest_sha256"]
    return found


def run(args: argparse.Namespace, folder: Path) -> Tally:
    tally, chance = Tally(), random.Random(args.seed)
    with ExitStack() as stack:
        origin = stack.enter_context(serving())
        names = {f"i{number}": f"/{number}.bin" for number in range(args.files)}
        source = folder / "items.ndjson"
        source.write_text("\n".join(json.dumps(_item(item, origin + name)) for item, name in names.items()))
        fetch(source, folder / "one", [], args.limit).wait()
        for number in range(args.rounds):
            dest = folder / f"copy{number}"
            with _cluster(args, folder) as cluster:
                began = time.monotonic()
                words = ["--scheduler", cluster.address, "-j", f"{args.jobs}"]
                process = fetch(source, dest, words, args.limit)
                stack.callback(process.terminate)  # where this program is interrupted
                tally.kills += killing(cluster, process, args, chance)
                tally.seconds += time.monotonic() - began
            tally.flaws += judge(dest, names, process.returncode)
            if not tally.flaws and manifest_of(dest) != manifest_of(folder / "one"):
                tally.flaws.append("manifest_sha256 is not that of one process")
            shutil.rmtree(dest, ignore_errors=True)
    return tally


def _cluster(args: argparse.Namespace, folder: Path) -> Any:
    if args.cluster == "commands":
        return by_commands(folder, args.workers)
    return by_local_cluster(args.workers, adaptive=args.cluster == "adaptive")


def _item(name: str, href: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "c1",
        "geometry": None,
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "links": [],
        "assets": {"data": {"href": href}},
    }


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--cluster", choices=KINDS, default="commands")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=4, help="transfers at a time of a worker (4)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two kills (5)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take (600)")
    parser.add_argument("--tmp", metavar="DIR", default=None)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="mlhub-dask-kills-", dir=args.tmp) as folder:
        tally = run(args, Path(folder))
    rows = {
        "cluster": args.cluster,
        "runs": args.rounds,
        "files of a run": f"{args.files:,}",
        "workers killed": tally.kills,
        "flaws": len(tally.flaws),
        "seconds": f"{tally.seconds:.0f}, load average {os.getloadavg()[0]:.1f}",
    }
    print("\n".join(f"{name:<16}{value}" for name, value in rows.items()))
    print("\n".join(tally.flaws[:20]))
    return 1 if tally.flaws else 0


if __name__ == "__main__":
    sys.exit(main())
