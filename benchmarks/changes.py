"""What a listing of changes costs (`--full-every`), beside a full listing of the same API.

    python benchmarks/changes.py [--items 100000] [--new 10] [--page 1000]

The API is on loopback in a process of its own, generates its items (one small file each) and filters them by
"updated". Run 1 fills DEST; N items are new in each of the next ones: run 2 lists changes, run 3 lists in
full. Pages and CPU seconds of the program are printed; exit code 1 if a copy is not complete.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import measure

END = datetime(2024, 1, 1, tzinfo=UTC)
"""When the last item of the first run was updated. A time that is still to come would be in doubt."""
CORE = "https://api.stacspec.org/v1.0.0"
CONFORMS = [
    *(f"{CORE}/core", f"{CORE}/collections", f"{CORE}/item-search", f"{CORE}/ogcapi-features"),
    *(f"{CORE}/item-search#filter", "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text"),
]
SINCE = re.compile(r"updated >= TIMESTAMP\('(.+)'\)")


class ChangingApi:
    """Items 0 to `count` - 1, each updated an hour after the one before."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.start = END - timedelta(hours=count)
        self.pages = 0
        self.root = ""

    def item(self, number: int) -> dict[str, Any]:
        name = f"i{number:07}"
        moment = (self.start + timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": "c",
            "geometry": {"type": "Point", "coordinates": [1.0, 2.0]},
            "bbox": [1.0, 2.0, 1.0, 2.0],
            "properties": {"datetime": "2020-01-01T00:00:00Z", "updated": moment},
            "links": [{"rel": "self", "href": f"{self.root}/collections/c/items/{name}"}],
            "assets": {"data": {"href": f"{self.root}/files/{name}.bin"}},
        }

    def page(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        self.pages += 1
        first = 0
        if since := SINCE.fullmatch(asked.get("filter", "")):
            hours = (datetime.fromisoformat(since[1]) - self.start) / timedelta(hours=1)
            first = max(0, int(hours) + (hours > int(hours)))
        start, size = first + int(asked.get("token", 0)), int(asked.get("limit", 10))
        end = min(start + size, self.count)
        query = {**asked, "token": str(end - first)}
        more = "&".join(f"{name}={value}" for name, value in query.items()).replace(" ", "%20")
        links = [{"rel": "next", "href": f"{self.root}{path}?{more}"}] if end < self.count else []
        found = {"numberMatched": max(0, self.count - first), "links": links}
        return {"type": "FeatureCollection", "features": [self.item(n) for n in range(start, end)], **found}

    def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        path, asked = parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if path.startswith("/files/"):
            return path.encode()
        if path == "/add":
            self.count += int(asked["n"])
            return b"{}"
        if path == "/pages":
            return json.dumps(self.pages).encode()
        return json.dumps(self.document(path, asked)).encode()

    def document(self, path: str, asked: dict[str, str]) -> dict[str, Any]:
        if path in ("/search", "/collections/c/items"):
            return self.page(path, asked)
        links = [{"rel": "items", "href": f"{self.root}/collections/c/items"}]
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
        about = {"stac_version": "1.0.0", "id": "c", "description": "c"}
        collection = {**about, "type": "Collection", "license": "other", "extent": extent, "links": links}
        if path == "/collections/c":
            return collection
        if path == "/collections":
            return {"collections": [collection], "links": []}
        rels = {"self": "", "data": "/collections", "search": "/search"}
        links = [{"rel": rel, "href": self.root + path, "method": "GET"} for rel, path in rels.items()]
        return {**about, "type": "Catalog", "conformsTo": CONFORMS, "links": links}

    async def serve(self) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0)
        self.root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        print(self.root, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                body = self.answer(target)
                kind = "application/octet-stream" if target.startswith("/files/") else "application/json"
                fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + fields.encode() + body)
                await writer.drain()


def ask(url: str) -> Any:
    from urllib.request import urlopen

    with urlopen(url) as answer:
        return json.loads(answer.read())


def mirrored(url: str, folder: Path, page: int, every: int) -> tuple[int, float, dict[str, Any]]:
    """One run: the pages that were asked for, the CPU seconds, and the receipt."""
    before = ask(f"{url}/pages")
    words = ["mirror", url, str(folder / "dest"), "-c", "c", "--limit", str(page), "-q"]
    argv = [sys.executable, "-m", "mlhub_async", *words, "--full-every", str(every), "-R", "20"]
    cost = measure.run(argv, folder / "log", {}, 7200)
    if cost.code:
        sys.exit(f"exit code {cost.code}: {(folder / 'log').read_text()[-2000:]}")
    receipt = json.loads((folder / "dest/.mlhub/receipt.json").read_bytes())
    return ask(f"{url}/pages") - before, cost.cpu, receipt


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=10)
    parser.add_argument("--page", type=int, default=1000)
    parser.add_argument("--tmp", metavar="DIR")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        asyncio.run(ChangingApi(args.serve).serve())
        return
    argv = [sys.executable, __file__, "--serve", str(args.items)]
    with (
        tempfile.TemporaryDirectory(prefix="mlhub-changes-", dir=args.tmp) as folder,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        mirrored(url, Path(folder), args.page, 9)
        results = []
        for every in (9, 1):
            ask(f"{url}/add?n={args.new}")
            pages, cpu, receipt = mirrored(url, Path(folder), args.page, every)
            kind = receipt["listing"].get("kind", "full")
            results.append((pages, cpu))
            counts = receipt["assets"]
            print(f"{kind}: {pages} pages, {cpu:.2f} s CPU, {counts['selected']} selected", flush=True)
        (few, less), (many, more) = results
        print(f"changes against full: {few / many:.2%} of the pages, {less / more:.1%} of the CPU")


if __name__ == "__main__":
    main()
