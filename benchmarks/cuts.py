"""Cuts one large download at random offsets and counts the bytes that are fetched twice.

    python benchmarks/cuts.py                         3 GiB, 20 cuts
    python benchmarks/cuts.py --size 64M --cuts 4     a quick look

Half of the cuts close the connection, and the run continues. The other half kill the client with SIGKILL,
and it is started again with the same arguments. The copy must have the SHA-256 of the original, and no cut
may cost more than one block of 4 MiB, as counted by the server; otherwise the exit code is 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BLOCK_BYTES = 4 << 20
PIECE_BYTES = 64 << 10
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(slots=True)
class Cut:
    """An offset in the file where the server stops sending once; `kills`: the client is killed there."""

    at: int
    kills: bool
    due: bool = True


@dataclass(slots=True)
class Served:
    """One file on loopback, its cuts, and the ranges that were sent."""

    path: Path
    size: int
    cuts: Sequence[Cut]
    client: subprocess.Popen[bytes] | None = None
    sent: list[tuple[int, int]] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def next_cut(self, first: int) -> Cut | None:
        """The next cut after an offset that has not happened yet."""
        return next((cut for cut in self.cuts if cut.due and cut.at > first), None)

    def send(self, first: int, connection: socket.socket) -> None:
        """Send from `first` to the next cut or the end, record how far it came, and cut."""
        cut, at = self.next_cut(first), first
        end = cut.at if cut else self.size
        try:
            with self.path.open("rb") as file:
                while at < end:
                    at += os.sendfile(connection.fileno(), file.fileno(), at, min(PIECE_BYTES, end - at))
        except OSError:
            return
        finally:
            with self.guard:
                self.sent.append((first, at))
        if cut is not None:
            cut.due = False
            if cut.kills and self.client is not None:
                self.client.kill()

    @property
    def fetched(self) -> int:
        return sum(end - first for first, end in self.sent)

    def blocks_sent_twice(self) -> int:
        """The number of blocks of which any byte was sent more than once."""
        blocks: set[int] = set()
        known = 0
        for first, end in sorted(self.sent):
            if first < (again := min(known, end)):
                blocks |= set(range(first // BLOCK_BYTES, (again - 1) // BLOCK_BYTES + 1))
            known = max(known, end)
        return len(blocks)


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = int(asked[1]) if asked else 0
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{served.size - 1}/{served.size}")
            self.send_header("Content-Length", str(served.size - first))
            self.send_header("ETag", '"cuts"')
            self.end_headers()
            self.wfile.flush()
            # Bytes in the buffers of the kernel count as sent, though a killed client never read them.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE_BYTES)
            served.send(first, self.connection)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def write_original(path: Path, size: int, rng: random.Random) -> str:
    """Write random bytes that begin like a TIFF; returns their SHA-256."""
    digest, left = hashlib.sha256(), size
    with path.open("wb") as file:
        while left:
            piece = (b"II*\0" if left == size else b"") + rng.randbytes(min(left, BLOCK_BYTES))
            piece = piece[:left]
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    return digest.hexdigest()


def random_cuts(size: int, count: int, rng: random.Random) -> list[Cut]:
    """Cuts at random offsets in ascending order; every second one kills the client."""
    return [Cut(at, number % 2 == 1) for number, at in enumerate(sorted(rng.sample(range(1, size), count)))]


def item(url: str) -> str:
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "large",
        "collection": "cuts",
        "geometry": None,
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "links": [],
        "assets": {"data": {"href": url, "type": "image/tiff"}},
    }
    return json.dumps(document) + "\n"


def fetch(served: Served, source: Path, dest: Path, limit: float) -> tuple[int, int]:
    """Run the client until it ends by itself; returns its exit code and how often it was started."""
    argv = [sys.executable, "-m", "mlhub_async", "mirror", str(source), str(dest), "--allow-private", "-q"]
    for starts in range(1, len(served.cuts) + 2):
        served.client = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        try:
            code = served.client.wait(limit)
        except subprocess.TimeoutExpired:
            served.client.kill()
            raise SystemExit(f"the client did not end within {limit:.0f} s") from None
        if code >= 0:
            return code, starts
    return code, starts


def sha256(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trial(work: Path, args: argparse.Namespace) -> bool:
    rng = random.Random(args.seed)
    digest = write_original(work / "original.tif", args.size, rng)
    served = Served(work / "original.tif", args.size, random_cuts(args.size, args.cuts, rng))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        (work / "items.ndjson").write_text(item(f"http://127.0.0.1:{server.server_port}/large.tif"))
        began = time.perf_counter()
        code, starts = fetch(served, work / "items.ndjson", work / "dest", args.limit)
        seconds = time.perf_counter() - began
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    same = sha256(work / "dest/cuts/large/data.tif") == digest
    return report(served, code, starts, seconds, same)


def report(served: Served, code: int, starts: int, seconds: float, same: bool) -> bool:
    """Print the result; whether all is as it should be."""
    cuts = sum(not cut.due for cut in served.cuts)
    blocks, twice = served.blocks_sent_twice(), served.fetched - served.size
    print(f"size            {served.size:,} bytes")
    print(f"cut             {cuts} times, {starts - 1} of them by SIGKILL; {len(served.sent)} requests")
    print(f"bytes fetched   {served.fetched:,} in {seconds:.1f} s")
    print(f"fetched twice   {twice:,} bytes, in {blocks} blocks of 4 MiB; {twice / max(cuts, 1):,.0f} a cut")
    print(f"exit code       {code}")
    print(f"SHA-256         {'equal' if same else 'DIFFERENT'}")
    return same and code == 0 and cuts == len(served.cuts) and twice <= cuts * BLOCK_BYTES


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=_size, default="3G", help="of the file, like 64M or 3G")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--tmp", help="directory to work in; needs twice the size")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlhub-cuts-", dir=args.tmp) as folder:
        if shutil.disk_usage(folder).free < 2.1 * args.size:
            raise SystemExit(
                f"{folder}: no space for twice {args.size:,} bytes; choose another directory with --tmp"
            )
        return 0 if trial(Path(folder), args) else 1


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError("like 64M or 3G")
    return int(found[1]) * UNITS.get(found[2], 1)


if __name__ == "__main__":
    sys.exit(main())
