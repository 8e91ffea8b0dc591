"""Checks that transfers begin while the catalogue is still listed: assets on disk at each page request.

    python benchmarks/first_assets.py        1,000 items of one asset each, 100 to a page

The catalogue (endless_api.py) counts the files in DEST when a page is requested. One page is read ahead.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from catalogue import COLLECTION
from endless_api import Catalogue, Connection

ITEMS = 1_000
LIMIT_SECONDS = 120.0


class CountingCatalogue(Catalogue):
    """Counts the assets with a final name when the second, third ... page is requested."""

    def __init__(self, origin: str, count: int, dest: Path) -> None:
        super().__init__(origin, count)
        self.counts: list[int] = []
        self._dest = dest

    def respond(self, target: str) -> tuple[str, bytes]:
        if "token=" in target:
            self.counts.append(sum(1 for _ in self._dest.glob(f"{COLLECTION}/*/*.bin")))
        return super().respond(target)


async def count_on_disk(tmp: str | None, items: int = ITEMS) -> list[int]:
    """The assets on disk when the second, third ... page was requested; [] if the copy failed."""
    with tempfile.TemporaryDirectory(prefix="mlhub-first-", dir=tmp) as folder:
        dest = Path(folder) / "dest"
        listener = socket.create_server(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        catalogue = CountingCatalogue(origin, items, dest)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(catalogue), sock=listener)
        async with server, asyncio.timeout(LIMIT_SECONDS):
            code = await _copy(f"{origin}/stac", dest)
        return catalogue.counts if code == 0 else []


async def _copy(url: str, dest: Path) -> int:
    arguments: list[Any] = ["-m", "mlhub_async", "mirror", url, dest, "-c", COLLECTION, "-q"]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> int:
    counts = asyncio.run(count_on_disk(None))
    for number, count in enumerate(counts[:5], 2):
        print(f"assets on disk as page {number} is requested: {count}")
    return 0 if counts else 1


if __name__ == "__main__":
    sys.exit(main())
