"""Cut one large download at random places, and count what is fetched twice.

    python benchmarks/cuts.py                         3 GiB, 20 cuts
    python benchmarks/cuts.py --size 64M --cuts 4     a quick look

Half of the cuts end the connection: the run itself goes on. The other half kill the client with SIGKILL: it
is started again with the same words. The copy must have the SHA-256 of the original, and no cut may cost
more than one block of 4 MiB. What the client asks for is what the server counts; the exit status is 1 if
anything is not as it should be.
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

BLOCK = 4 << 20
PIECE = 64 << 10
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(slots=True)
class Cut:
    """A place in the file where the sending stops once; `kills`: the client is killed there."""

    at: int
    kills: bool
    due: bool = True


@dataclass(slots=True)
class Served:
    """One file on loopback, its cuts, and which parts of it were sent."""

    path: Path
    size: int
    cuts: Sequence[Cut]
    client: subprocess.Popen[bytes] | None = None
    sent: list[tuple[int, int]] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def limit(self, first: int) -> Cut | None:
        """The next cut behind a place, if there is one still to come."""
        return next((cut for cut in self.cuts if cut.due and cut.at > first), None)

    def send(self, first: int, connection: socket.socket) -> None:
        """Send from there to the next cut or the end, note how far it came, and cut."""
        cut, at = self.limit(first), first
        end = cut.at if cut else self.size
        try:
            with self.path.open("rb") as file:
                while at < end:
                    at += os.sendfile(connection.fileno(), file.fileno(), at, min(PIECE, end - at))
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

    def blocks_twice(self) -> int:
        """Blocks of which any byte was sent more than once."""
        blocks: set[int] = set()
        known = 0
        for first, end in sorted(self.sent):
            if first < (again := min(known, end)):
                blocks |= set(range(first // BLOCK, (again - 1) // BLOCK + 1))
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
            # What waits in the kernel counts as sent, though a client that is killed never saw it.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
            served.send(first, self.connection)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def original(path: Path, size: int, chance: random.Random) -> str:
    """Write bytes that repeat in no place; gives their SHA-256."""
    digest, left = hashlib.sha256(), size
    with path.open("wb") as file:
        while left:
            piece = (b"II*\0" if left == size else b"") + chance.randbytes(min(left, BLOCK))
            piece = piece[:left]
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    return digest.hexdigest()


def places(size: int, count: int, chance: random.Random) -> list[Cut]:
    """Random places in order; every second one kills."""
    return [
        Cut(at, number % 2 == 1) for number, at in enumerate(sorted(chance.sample(range(1, size), count)))
    ]


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
    """Run the client until it ends by itself; its exit status and how often it was started."""
    words = [sys.executable, "-m", "mlhub_async", "mirror", str(source), str(dest), "--allow-private", "-q"]
    for starts in range(1, len(served.cuts) + 2):
        served.client = subprocess.Popen(words, stdin=subprocess.DEVNULL)
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
    chance = random.Random(args.seed)
    digest = original(work / "original.tif", args.size, chance)
    served = Served(work / "original.tif", args.size, places(args.size, args.cuts, chance))
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
    return told(served, code, starts, seconds, same)


def told(served: Served, code: int, starts: int, seconds: float, same: bool) -> bool:
    cuts = sum(not cut.due for cut in served.cuts)
    blocks, twice = served.blocks_twice(), served.fetched - served.size
    print(f"size            {served.size:,} bytes")
    print(f"cut             {cuts} times, {starts - 1} of them by SIGKILL; {len(served.sent)} requests")
    print(f"bytes fetched   {served.fetched:,} in {seconds:.1f} s")
    print(f"fetched twice   {twice:,} bytes, in {blocks} blocks of 4 MiB; {twice / max(cuts, 1):,.0f} a cut")
    print(f"exit status     {code}")
    print(f"SHA-256         {'equal' if same else 'DIFFERENT'}")
    return same and code == 0 and cuts == len(served.cuts) and twice <= cuts * BLOCK


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=_size, default="3G", help="of the file, like 64M or 3G")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--tmp", help="where to work; it takes twice the size")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlhub-cuts-", dir=args.tmp) as folder:
        if shutil.disk_usage(folder).free < 2.1 * args.size:
            raise SystemExit(
                f"{folder}: twice {args.size:,} bytes do not fit; choose another place with --tmp"
            )
        return 0 if trial(Path(folder), args) else 1


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if found is None:
        raise argparse.ArgumentTypeError("like 64M or 3G")
    return int(found[1]) * UNITS.get(found[2], 1)


if __name__ == "__main__":
    sys.exit(main())
