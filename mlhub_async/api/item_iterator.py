"""Items as they become complete on disk, while the rest is still on its way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from ..core.model import Item, JsonObject, Record
from ..core.options import Options
from ..engine.connect import Given
from ..engine.mirror import mirror

AHEAD = 64
"""Finished items that may wait for the caller before the mirror waits too."""


async def mirrored(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[JsonObject]:
    """Mirror, and yield each item when its assets are settled, with the paths of its files as hrefs.

    An asset that failed keeps its remote href. Raises as `mirror` does, and at the end the first error
    of a mirror that is not complete. Leaving the loop early stops the mirror: its state is saved. Close
    the iterator (`contextlib.aclosing`) where it matters when that happens.
    """
    root = Path(dest)
    ready: asyncio.Queue[JsonObject | None] = asyncio.Queue(AHEAD)

    async def each(item: Item, records: dict[str, Record]) -> None:
        await ready.put(_local(item, records, root))

    async def run() -> None:
        try:
            (await mirror(source, dest, options, each=each, environ=environ)).raise_for_failures()
        finally:
            await ready.put(None)

    # Not in a task group: a generator that is left at its yield would cancel the wrong task (PEP 789).
    task = asyncio.create_task(run())
    try:
        while (item := await ready.get()) is not None:
            yield item
        await task
    finally:
        task.cancel()
        while not task.done():
            await asyncio.wait([task], timeout=0.05)
            while not ready.empty():
                ready.get_nowait()


def _local(item: Item, records: dict[str, Record], root: Path) -> JsonObject:
    given = item.body.get("assets")
    assets = {
        key: {**asset, "href": str(root.absolute() / records[key].path)} if key in records else asset
        for key, asset in (given.items() if isinstance(given, dict) else ())
    }
    return {**item.body, "assets": assets}
