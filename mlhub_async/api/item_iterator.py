"""`mirrored()`: an asynchronous iterator over the items of a mirror while the mirror runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from ..core.concurrency import wait_until_idle
from ..core.model import Item, JsonObject, Stored
from ..core.options import Options
from ..core.telemetry import Listener
from ..sources.location import Given
from .monitoring import Progress, mirror

MAX_ITEMS_AHEAD = 64
"""Finished items that may wait for the caller before the mirror waits too."""


async def mirrored(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    progress: Progress = False,
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncGenerator[JsonObject, None]:
    """Mirror, and yield each item when its assets are settled, with the paths of its files as hrefs.

    An asset that failed keeps its remote href. Raises as `mirror` does, and at the end the first error
    of a mirror that is not complete. Leaving the loop early stops the mirror and saves its state:
    when `aclose()` has returned, or the cancellation of the caller has been raised, the mirror has ended and
    DEST is unlocked. `break` and exceptions in the loop do not close a generator by themselves: use
    `contextlib.aclosing`. `progress` and `on_event` are those of `mirror`.

        >>> from mlhub_async.demo import serve
        >>> async with serve() as site:
        ...     labels = Selection(collections="ref_landcovernet_v1_labels", follow_sources=False)
        ...     async for item in mlhub_async.mirrored(site.root, "data", Options(labels, api_key=site.key)):
        ...         assert Path(item["assets"]["labels"]["href"]).is_file()
    """
    root = Path(dest)
    finished: asyncio.Queue[JsonObject | None] = asyncio.Queue()
    room = asyncio.Semaphore(MAX_ITEMS_AHEAD)

    async def each(item: Item, records: Mapping[str, Stored]) -> None:
        await room.acquire()
        finished.put_nowait(_local(item, records, root))

    # Not in a task group: a generator that is left at its yield would cancel the wrong task (PEP 789).
    run = mirror(source, dest, options, progress=progress, on_event=on_event, each=each, environ=environ)
    task = asyncio.create_task(run)
    task.add_done_callback(lambda _: finished.put_nowait(None))
    try:
        while (item := await finished.get()) is not None:
            room.release()
            yield item
        task.result().raise_for_failures()
    finally:
        task.cancel()
        await wait_until_idle(lambda: [] if task.done() else [task])
        if not task.cancelled():
            task.exception()  # retrieved: asyncio would log one that the caller left before


def _local(item: Item, records: Mapping[str, Stored], root: Path) -> JsonObject:
    given = item.body.get("assets")
    assets = {
        key: {**asset, "href": str(root.absolute() / records[key].path)} if key in records else asset
        for key, asset in (given.items() if isinstance(given, dict) else ())
    }
    return {**item.body, "assets": assets}
