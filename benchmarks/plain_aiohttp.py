"""Copies the files of LIST to DEST with aiohttp in the simplest way: workers that get, read and write.

LIST has a URL, a tab and a path below DEST in each line. No digests, no partial files, no retries.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp

WORKERS = 64
CHUNK_BYTES = 1 << 20


async def copy(session: aiohttp.ClientSession, jobs: Iterator[list[str]], dest: Path) -> None:
    for url, path in jobs:
        target = dest / path
        target.parent.mkdir(parents=True, exist_ok=True)
        async with session.get(url) as response:
            response.raise_for_status()
            with target.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    file.write(chunk)


async def main(jobs: Iterator[list[str]], dest: Path, ca: str | None) -> None:
    trust = ssl.create_default_context(cafile=ca) if ca else True
    connector = aiohttp.TCPConnector(limit=WORKERS, ssl=trust)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(copy(session, jobs, dest))


if __name__ == "__main__":
    rows = (line.split("\t") for line in Path(sys.argv[1]).read_text().splitlines())
    asyncio.run(main(rows, Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
