"""The catalogue that the crash trials mirror, served on loopback with faults, and the check of a copy."""

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
from ...demo import Site as RequestCounts
from ...demo.faults import inject_faults, truncate_body
from ...demo.storage.objects import StoredObject, respond

COLLECTION = "selftest"
SMALL_BYTES = 24_000
LARGE_BYTES = 1_500_000
"""More than a transfer holds in memory: such a body goes through a partial file."""
LARGE_EVERY = 16
CHECKSUM_EVERY = 3
FAULT_FRACTION = 0.04
LATENCY_SECONDS = 0.002


@dataclass(slots=True)
class SelftestSite:
    """The running catalogue. Requests for assets of the kind "held" are answered when `release` is set.

    `ranges` holds the Range header of each request for an asset, "" for none.
    """

    origin: str
    counts: RequestCounts
    cut_paths: set[str] = field(default_factory=set)
    ranges: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def asset_requests(self) -> int:
        return self.counts.requests["storage"] + self.counts.requests["held"]

    def catalogue(self, kind: str, number: int) -> str:
        """The URL of a FeatureCollection of `number` items.

        Assets of the kind "many" meet random faults, "cut" break off once, "held" have to wait.
        """
        return f"{self.origin}/{kind}/{number}.json"

    async def serve_catalogue(self, request: web.Request) -> web.Response:
        kind, number = request.match_info["kind"], int(request.match_info["number"])
        items = [self._item(kind, index) for index in range(number)]
        document = {"type": "FeatureCollection", "stac_version": "1.0.0", "features": items}
        return web.json_response(document)

    def _item(self, kind: str, index: int) -> dict[str, Any]:
        body = asset_bytes(kind, index)
        asset = {
            "href": f"{self.origin}/{kind}/{index}.bin",
            "type": "application/octet-stream",
            "file:size": len(body),
        }
        if index % CHECKSUM_EVERY == 0:
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

    async def serve_asset(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        self.ranges.append(request.headers.get("Range", ""))
        if kind == "cut" and request.path not in self.cut_paths:
            self.cut_paths.add(request.path)
            return await truncate_body(request, self._respond)
        if kind == "held":
            await self.release.wait()
        return await self._respond(request)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        body = asset_bytes(request.match_info["kind"], int(request.match_info["index"]))
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        return respond(StoredObject(body, "application/octet-stream", digest), request.headers)


def asset_bytes(kind: str, index: int) -> bytes:
    """The content of an asset; sizes differ. Assets that are cut, and one of sixteen others, are large."""
    size = LARGE_BYTES if kind == "cut" or index % LARGE_EVERY == 0 else SMALL_BYTES
    return random.Random(f"{kind} {index}").randbytes(size - index)


def find_damage(dest: Path, kind: str, number: int, *, complete: bool) -> str:
    """What is wrong with the copy of a catalogue; "" if nothing. Unless `complete`, files may be missing."""
    for index in range(number):
        path = dest / COLLECTION / f"{kind}-{index}" / "data.bin"
        if not path.exists():
            if complete:
                return f"{path.parent.name} is missing"
        elif path.read_bytes() != asset_bytes(kind, index):
            return f"{path.parent.name} has wrong bytes under its final name"
    return ""


@asynccontextmanager
async def serve() -> AsyncIterator[SelftestSite]:
    """The catalogue on a free port of 127.0.0.1 until the end of the block."""
    counts = RequestCounts(root="", storage="", key="")
    faults = inject_faults(DemoConfig(errors=FAULT_FRACTION, latency=LATENCY_SECONDS), counts)
    application = web.Application(middlewares=[faults])
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    site = SelftestSite("", counts)
    application.add_routes(
        [
            web.get("/{kind}/{number}.json", site.serve_catalogue, name="catalogue"),
            web.get("/{kind:many}/{index}.bin", site.serve_asset, name="storage"),
            web.get("/{kind:cut|held}/{index}.bin", site.serve_asset, name="held"),
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
