"""A catalogue on loopback with trouble in front of it: what the trials mirror, and what must come of it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from ...demo import DemoConfig
from ...demo import Site as Count
from ...demo.faults import inject_faults, truncate_body
from ...demo.storage import StoredObject, respond

COLLECTION = "selftest"
SMALL, LARGE = 24_000, 1_500_000
TROUBLE = 0.04
BEGIN = {"type": "FeatureCollection", "stac_version": "1.0.0"}


@dataclass(slots=True)
class Site:
    """`asked` counts requests for assets. A held one is answered when `release` is set."""

    origin: str
    count: Count
    cuts: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def asked(self) -> int:
        return self.count.requests["storage"] + self.count.requests["held"]

    def catalogue(self, kind: str, number: int) -> str:
        """The URL of `number` items; kind: "many" meet trouble, "cut" break off once, "held" must wait."""
        return f"{self.origin}/{kind}/{number}.json"

    async def listed(self, request: web.Request) -> web.Response:
        kind, number = request.match_info["kind"], int(request.match_info["number"])
        items = [self._item(kind, index) for index in range(number)]
        return web.json_response({**BEGIN, "features": items})

    def _item(self, kind: str, index: int) -> dict[str, Any]:
        body = content(kind, index)
        asset = {
            "href": f"{self.origin}/{kind}/{index}.bin",
            "type": "application/octet-stream",
            "file:size": len(body),
        }
        if index % 3 == 0:
            asset["file:checksum"] = "1220" + hashlib.sha256(body).hexdigest()
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"{kind}-{index}",
            "collection": COLLECTION,
            "geometry": None,
            "properties": {"datetime": "2020-01-01T00:00:00Z"},
            "links": [],
            "assets": {"data": asset},
        }

    async def stored(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        self.ranges.append(request.headers.get("Range", ""))
        if kind == "cut" and request.path not in self.cuts:
            self.cuts.append(request.path)
            return await truncate_body(request, self._whole)
        if kind == "held":
            await self.release.wait()
        return await self._whole(request)

    async def _whole(self, request: web.Request) -> web.StreamResponse:
        body = content(request.match_info["kind"], int(request.match_info["index"]))
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        return respond(StoredObject(body, "application/octet-stream", digest), request.headers)


def content(kind: str, index: int) -> bytes:
    """The bytes of an asset. Those that are cut, and one of sixteen others, are too large for memory."""
    size = LARGE if kind == "cut" or index % 16 == 0 else SMALL
    return random.Random(f"{kind} {index}").randbytes(size - index)


def flaw(dest: Path, kind: str, number: int, *, whole: bool) -> str:
    """What is wrong with the copy of a catalogue, "" if nothing is. Unless `whole`, files may be missing."""
    for index in range(number):
        path = dest / COLLECTION / f"{kind}-{index}" / "data.bin"
        if not path.exists():
            if whole:
                return f"{path.parent.name} is missing"
        elif path.read_bytes() != content(kind, index):
            return f"{path.parent.name} has wrong bytes under its final name"
    return ""


@asynccontextmanager
async def serving() -> AsyncIterator[Site]:
    """A site on a free port of 127.0.0.1, gone at the end of the block."""
    count = Count(root="", storage="", key="")
    trouble = inject_faults(DemoConfig(errors=TROUBLE, latency=0.002), count)
    application = web.Application(middlewares=[trouble])
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    site = Site("", count)
    application.add_routes(
        [
            web.get("/{kind}/{number}.json", site.listed, name="catalogue"),
            web.get("/{kind:many}/{index}.bin", site.stored, name="storage"),
            web.get("/{kind:cut|held}/{index}.bin", site.stored, name="held"),
        ]
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield site
    finally:
        site.release.set()
        await runner.cleanup()
