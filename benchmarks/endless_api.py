"""A STAC API with any number of items of one asset each, generated when requested.

python benchmarks/endless_api.py 1000000      prints its URL, serves until stdin ends
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from catalogue import COLLECTION, PAGE, collection_of, item_of, landing_of, link_to, page_of

BODY = b"The same few bytes under a million names.".ljust(100, b".")


class Catalogue:
    """The documents and files of a catalogue of `count` items."""

    def __init__(self, origin: str, count: int) -> None:
        self._origin, self._count, self._stac = origin, count, f"{origin}/stac"

    def respond(self, target: str) -> tuple[str, bytes]:
        """Media type and body of one path. Raises `LookupError` if there is none."""
        url = urlsplit(target)
        if url.path.startswith("/files/"):
            return "application/octet-stream", BODY
        return "application/json", orjson.dumps(self._document(url.path, url.query))

    def _document(self, path: str, query: str) -> Any:
        collection = f"/stac/collections/{COLLECTION}"
        if path == f"{collection}/items":
            asked = {name: int(values[0]) for name, values in parse_qs(query).items()}
            return self._page(f"{self._origin}{path}", asked.get("token", 0), asked.get("limit", PAGE))
        documents: dict[str, Callable[[], Any]] = {
            "/stac": lambda: landing_of(self._stac),
            "/stac/conformance": lambda: {"conformsTo": landing_of(self._stac)["conformsTo"]},
            "/stac/collections": lambda: {
                "collections": [collection_of(self._stac)],
                "links": [link_to("self", path)],
            },
            collection: lambda: collection_of(self._stac),
        }
        return documents[path]()

    def _page(self, url: str, number: int, limit: int) -> Any:
        numbers = range(number * limit, min((number + 1) * limit, self._count))
        return page_of(url, [self._item(index) for index in numbers], number, limit, self._count)

    def _item(self, index: int) -> Any:
        return item_of(self._stac, f"item-{index:07d}", [("data.bin", f"{self._origin}/files/{index}.bin")])


class Connection(asyncio.Protocol):
    """One connection of a client, which is kept open."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pending = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *heads, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(self._reply(head.split(b" ", 2)[1].decode()))

    def _reply(self, target: str) -> bytes:
        try:
            status, (media_type, body) = "200 OK", self._catalogue.respond(target)
        except LookupError:
            status, (media_type, body) = "404 Not Found", ("text/plain", b"nothing here")
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Type: {media_type}",
            f"Content-Length: {len(body)}",
            'ETag: "1"',
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


async def main(count: int) -> None:
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    catalogue = Catalogue(origin, count)
    await loop.create_server(lambda: Connection(catalogue), sock=listener)
    print(f"{origin}/stac", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
