"""What a listing of changes costs (`--full-every`), beside a full listing of the same API.

    python benchmarks/changes.py [--items 100000] [--new 10] [--page 1000] [--documents]

The API is on loopback in a process of its own, generates its items (one small file each) and filters them by
"updated". Run 1 fills DEST; N items are new in each of the next ones: run 2 lists changes, run 3 lists in
full. Pages, the bytes of these and CPU seconds of the program are printed; exit code 1 if a copy is not
complete. With --documents the same items are those of a static catalogue, whose documents have ETags.

Runs 2 and 3 also look at every file of the copy. So the two listings of the API are measured by themselves,
too: `plan`, which has no DEST to look at, with the filter of a listing of changes and without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import zlib
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
        self.pages = self.sent = 0
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

    def static(self, path: str) -> dict[str, Any]:
        """A document of the static catalogue."""
        self.pages += 1
        name = path.rpartition("/")[2].removesuffix(".json")
        if name.startswith("i"):
            return self.item(int(name[1:]))
        if name == "catalog":
            links = [{"rel": "child", "href": "./c.json"}]
            return {"type": "Catalog", "stac_version": "1.0.0", "id": "s", "description": "s", "links": links}
        items = [{"rel": "item", "href": f"./i{number:07}.json"} for number in range(self.count)]
        return {**self.document("/collections/c", {}), "links": items}

    def answer(self, target: str) -> bytes:
        parts = urlsplit(target)
        path, asked = parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if path.startswith("/files/"):
            return path.encode()
        if path == "/add":
            self.count += int(asked["n"])
            return b"{}"
        if path == "/asked":
            return json.dumps([self.pages, self.sent]).encode()
        found = self.static(path) if path.startswith("/static/") else self.document(path, asked)
        return json.dumps(found).encode()

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
                etag = f'"{zlib.crc32(body):08x}"' if target.startswith("/static/") else ""
                if etag and etag.encode() in head:
                    writer.write(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n".encode())
                else:
                    self.sent += 0 if target.startswith("/files/") else len(body)
                    fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                    fields += f"ETag: {etag}\r\n\r\n" if etag else "\r\n"
                    writer.write(b"HTTP/1.1 200 OK\r\n" + fields.encode() + body)
                await writer.drain()


def ask(url: str) -> Any:
    from urllib.request import urlopen

    with urlopen(url) as answer:
        return json.loads(answer.read())


def cpu_of(folder: Path, *words: str) -> float:
    """The CPU seconds of the program with these words; its output is in `log`. Ends with it if it fails."""
    cost = measure.run([sys.executable, "-m", "mlhub_async", *words], folder / "log", {}, 7200)
    if cost.code:
        sys.exit(f"exit code {cost.code}: {(folder / 'log').read_text()[-2000:]}")
    return cost.cpu


def mirrored(url: str, folder: Path, args: argparse.Namespace, every: int) -> tuple[int, int, float]:
    """One run: the pages or documents that were asked for, their bytes, and the CPU seconds."""
    before = ask(f"{url}/asked")
    source = ["/static/catalog.json"] if args.documents else ["", "-c", "c", "--limit", str(args.page)]
    words = ["mirror", url + source[0], str(folder / "dest"), *source[1:], "-q"]
    cpu = cpu_of(folder, *words, "--full-every", str(every), "-R", "20")
    receipt = json.loads((folder / "dest/.mlhub/receipt.json").read_bytes())
    pages, sent = (now - then for now, then in zip(ask(f"{url}/asked"), before, strict=True))
    kind, selected = receipt["listing"].get("kind", "full"), receipt["assets"]["selected"]
    print(f"{kind}: {pages} pages, {sent} bytes, {cpu:.2f} s CPU, {selected} selected", flush=True)
    return pages, sent, cpu


def listed(url: str, folder: Path, args: argparse.Namespace, *words: str) -> tuple[int, float]:
    """A listing without a copy: how many assets it has, and the CPU seconds, the start included."""
    cpu = cpu_of(folder, "plan", url, "-c", "c", "--limit", str(args.page), *words, "-q", "--json")
    selected = json.loads((folder / "log").read_text())["assets"]
    print(f"listing by itself: {cpu:.2f} s CPU, {selected} selected", flush=True)
    return selected, cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--new", type=int, default=10)
    parser.add_argument("--page", type=int, default=1000)
    parser.add_argument("--documents", action="store_true")
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
        mirrored(url, Path(folder), args, 9)
        results = []
        for every in (9, 1):
            ask(f"{url}/add?n={args.new}")
            results.append(mirrored(url, Path(folder), args, every))
        pages, sent, cpu = (few / many for few, many in zip(*results, strict=True))
        print(f"beside a full one: {pages:.2%} of the pages, {sent:.1%} of the bytes, {cpu:.1%} of the CPU")
        if not args.documents:
            last = f"{END - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
            changed = listed(url, Path(folder), args, "--filter", f"updated >= TIMESTAMP('{last}')")
            share = changed[1] / listed(url, Path(folder), args)[1]
            print(f"the listings by themselves: {share:.2%} of the CPU")


if __name__ == "__main__":
    main()
