"""Whether work begins while the catalogue is still being listed: what is on disk as each page is asked for.

    python benchmarks/first.py        1,000 items of one asset each, 100 to a page

The catalogue (endless.py) looks into DEST at the moment when a page is requested. One page is read ahead.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from catalogue import COLLECTION
from endless import Catalogue, Connection

ITEMS = 1_000
LIMIT = 120.0


class Looking(Catalogue):
    """Notes how many assets have their final name when the second, the third ... page is asked for."""

    def __init__(self, origin: str, count: int, dest: Path) -> None:
        super().__init__(origin, count)
        self.there: list[int] = []
        self._dest = dest

    def answer(self, target: str) -> tuple[str, bytes]:
        if "token=" in target:
            self.there.append(sum(1 for _ in self._dest.glob(f"{COLLECTION}/*/*.bin")))
        return super().answer(target)


async def on_disk(tmp: str | None, items: int = ITEMS) -> list[int]:
    """How many assets were on disk as the second, third ... page was requested; none if the copy failed."""
    with tempfile.TemporaryDirectory(prefix="mlhub-first-", dir=tmp) as folder:
        dest = Path(folder) / "dest"
        listener = socket.create_server(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        catalogue = Looking(origin, items, dest)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(catalogue), sock=listener)
        async with server, asyncio.timeout(LIMIT):
            code = await _copy(f"{origin}/stac", dest)
        return catalogue.there if code == 0 else []


async def _copy(url: str, dest: Path) -> int:
    words: list[Any] = ["-m", "mlhub_async", "mirror", url, dest, "-c", COLLECTION, "-q"]
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> int:
    there = asyncio.run(on_disk(None))
    for number, count in enumerate(there[:5], 2):
        print(f"assets on disk as page {number} is requested: {count}")
    return 0 if there else 1


if __name__ == "__main__":
    sys.exit(main())
