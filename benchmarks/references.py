"""Ten copies of a dataset by way of a reference, and one of its lockfile when it has moved.

    python benchmarks/references.py                    20,000 files of 4 KiB; twenty minutes on a busy machine
    python benchmarks/references.py --files 2000       a quick look
    python benchmarks/references.py --only moved

    copies   The origin is a bucket on loopback whose listing has ETags and no digests. One mirror is made of
             it, and served by `mlhub-async serve`. Then there are ten copies with `--reference`: five name
             the lockfile of the mirror as SOURCE, five the bucket, which each of them has to list. `share` is
             the number of all their requests at the origin against those of the one mirror.
    moved    Three objects are changed, and all move to another origin. A mirror of the lockfile with `--from`
             must fail for these three and for nothing else; when they are as before it must end with exit
             code 0 and the same `manifest_sha256`.

The exit code is 1 if one of these does not hold, or if `share` is above its target of 1 %.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SHARE_TARGET = 0.01
PAGE_KEYS = 1000
DATE = "2024-05-06T07:08:09.000Z"


@dataclass
class Origin:
    """A bucket on loopback, in a thread. `requests` counts what was asked of it."""

    objects: dict[str, bytes]
    requests: int = 0
    port: int = 0
    _etags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True).start()
        ready.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, ready: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                target, *lines = head.decode("latin-1").split("\r\n")
                fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
                self.requests += 1
                writer.write(self._answer(urlsplit(target.split(" ")[1]), fields))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, url: Any, fields: dict[str, str]) -> bytes:
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        if bucket == "bucket" and not key:
            return _response(200, self._page(parse_qs(url.query)), "Content-Type: application/xml")
        if (body := self.objects.get(key)) is None:
            return _response(404, b"")
        etag = self._etag(key)
        if fields.get("if-none-match") == etag:
            return _response(304, b"", f"ETag: {etag}")
        return _response(200, body, f"ETag: {etag}", "Content-Type: application/octet-stream")

    def _etag(self, key: str) -> str:
        if key not in self._etags:
            self._etags[key] = f'"{hashlib.md5(self.objects[key]).hexdigest()}"'
        return self._etags[key]

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body
        self._etags.pop(key, None)

    def _page(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        start = int(query.get("continuation-token", ["0"])[0])
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        page, rest = keys[start : start + PAGE_KEYS], keys[start + PAGE_KEYS :]
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{DATE}</LastModified><ETag>{self._etag(key)}</ETag>"
            f"<Size>{len(self.objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{start + PAGE_KEYS}</NextContinuationToken>" if rest else ""
        begun = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        cut = f"<IsTruncated>{'true' if rest else 'false'}</IsTruncated>"
        return f"{begun}{cut}{token}{rows}</ListBucketResult>".encode()


def _response(status: int, body: bytes, *fields: str) -> bytes:
    words = {200: "OK", 304: "Not Modified", 404: "Not Found"}[status]
    length = [] if status == 304 else [f"Content-Length: {len(body)}"]
    return "\r\n".join([f"HTTP/1.1 {status} {words}", *fields, *length, "", ""]).encode() + body


def objects(count: int, size: int) -> dict[str, bytes]:
    """So many objects in folders of ten."""
    return {
        f"{number // 10:05}/{number % 10}.bin": hashlib.shake_128(b"%d" % number).digest(size)
        for number in range(count)
    }


@dataclass(frozen=True)
class Program:
    folder: Path

    def __call__(self, *words: str) -> tuple[int, float]:
        """Exit code and seconds of one run."""
        started = time.monotonic()
        command = [sys.executable, "-m", "mlhub_async", *words]
        silent = subprocess.DEVNULL
        quiet = {"cwd": self.folder, "stdout": silent, "stderr": silent, "env": self._environ()}
        return subprocess.run(command, check=False, **quiet).returncode, time.monotonic() - started

    def serve(self, dest: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "mlhub_async", "serve", dest, "--port", "0"]
        started = subprocess.Popen(
            command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environ(),
        )
        assert started.stdout is not None
        return started, next(word for word in started.stdout.readline().split() if word.startswith("http"))

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "MLHUB_CONFIG": "", "MLHUB_HOME": str(self.folder / "home")}

    def receipt(self, dest: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / dest / ".mlhub/receipt.json").read_text())
        return found


def first(run: Program, origin: Origin, count: int) -> int:
    """Make one mirror and its lockfile; the requests that it took."""
    origin.requests = 0
    code, seconds = run("mirror", "s3://bucket", "first", "-q", "--endpoint-url", origin.url)
    assert code == 0 and run("lock", "first", "-o", "data.lock")[0] == 0
    print(f"one mirror: {count} files, {origin.requests} requests at the origin, {seconds:.1f} s", flush=True)
    return origin.requests


def copies(run: Program, origin: Origin, count: int, alone: int) -> bool:
    """The ten copies; whether the share of their requests is as it should be."""
    server, address = run.serve("first")
    sources = {"lockfile": ["data.lock"], "bucket": ["s3://bucket", "--endpoint-url", origin.url]}
    sound, total = True, 0
    try:
        for name, source in sources.items():
            origin.requests, times = 0, []
            for _ in range(5):
                code, seconds = run("mirror", *source, "copy", "-q", "--reference", address)
                sound = sound and code == 0 and _is_copy(run, address, count)
                times.append(seconds)
                shutil.rmtree(run.folder / "copy")
            total += origin.requests
            print(f"five copies, SOURCE the {name}: {origin.requests} requests, {_middle(times)}", flush=True)
    finally:
        server.terminate()
        server.wait()
    print(f"ten copies: {total} requests at the origin, share {total / alone:.2%}", flush=True)
    return sound and total / alone <= SHARE_TARGET


def _is_copy(run: Program, address: str, count: int) -> bool:
    """Whether all files of the last copy came from the reference, and are those of the mirror."""
    receipt, original = run.receipt("copy"), run.receipt("first")
    given = receipt["references"][address]["files"]
    return bool(given == count and receipt["manifest_sha256"] == original["manifest_sha256"])


def _middle(times: list[float]) -> str:
    return f"{sorted(times)[len(times) // 2]:.1f} s ({min(times):.1f} .. {max(times):.1f})"


def moved(run: Program, origin: Origin, count: int) -> bool:
    """The mirrors of the lockfile of an origin that has moved; whether they end as they should."""
    changed = dict(list(origin.objects.items())[:: max(count // 3, 1)][:3])
    there = Origin(dict(origin.objects))
    origin.objects.clear()
    for key, body in changed.items():
        there.put(key, body[::-1])
    words = ("-q", "--from", "s3://bucket", "--endpoint-url", there.url)
    code, seconds = run("mirror", "data.lock", "moved", *words)
    rows = [json.loads(line) for line in (run.folder / "moved/.mlhub/errors.jsonl").read_text().splitlines()]
    named = {f"{row['item']}/{row['key']}" for row in rows}
    print(f"moved, three changed: exit code {code}, {len(rows)} named, {seconds:.1f} s", flush=True)
    sound = code == 4 and named == set(changed)
    for key, body in changed.items():
        there.put(key, body)
    code, seconds = run("mirror", "data.lock", "second", *words)
    same = run.receipt("second")["manifest_sha256"] == run.receipt("first")["manifest_sha256"]
    print(f"moved, none changed: exit code {code}, the same manifest_sha256: {same}, {seconds:.1f} s")
    return sound and code == 0 and same


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=4096, help="bytes of each")
    parser.add_argument("--only", choices=["copies", "moved"])
    given = parser.parse_args()
    sound = True
    with tempfile.TemporaryDirectory() as folder:
        run, origin = Program(Path(folder)), Origin(objects(given.files, given.size))
        alone = first(run, origin, given.files)
        if given.only != "moved":
            sound = copies(run, origin, given.files, alone)
        if given.only != "copies":
            sound = moved(run, origin, given.files) and sound
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
