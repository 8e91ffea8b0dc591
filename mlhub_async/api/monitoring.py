"""`mirror()` for Python programs: the run of the engine, with a progress display and callbacks.

The displays themselves are in `progress`, the events in `core/telemetry`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from ..core.concurrency import FirstErrorGroup
from ..core.options import Options
from ..core.telemetry import Listener, Meter
from ..engine.mirror import EachItem
from ..engine.mirror import mirror as run_mirror
from ..engine.report.receipt import Report
from ..sources.location import Given
from .progress import choose_display, watch

ShowsProgress = Callable[[Meter], None]
Progress = bool | ShowsProgress
"""True: a bar on a terminal and in notebooks, lines elsewhere. A function: it gets the counters."""
CALL_SECONDS = 0.1
"""Between two calls of a progress function."""


async def mirror(  # noqa: PLR0913  (a keyword for each way to watch a run)
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    progress: Progress = False,
    on_event: Listener | None = None,
    each: EachItem | None = None,
    meter: Meter | None = None,
    environ: Mapping[str, str] | None = None,
    executor: Any = None,
) -> Report:
    """Copy the selected assets of a catalogue to DEST; run again to resume and refresh.

    `source` is any SOURCE of the command line, or an iterable of STAC items (dicts, pystac Items).

    `progress`: True shows a bar, or a line every 30 seconds where stderr is no terminal. A function is called
    with the counters of the run ten times a second and once at the end, in the thread of the run.
    `on_event` is called with every event as a dict, in the order in which they happen (docs/events.md).
    `each` is awaited with every item whose assets are settled and the records of those on disk, by key.
    What one of them raises ends the run, which saves its state, and is raised here.

    `executor` is a `distributed.Client`: the workers of its Dask cluster make the transfers. It stays open.

    Failed assets are in the report, as is a listing that broke off or a limit that was reached. Raises
    `UsageError`, `SourceError`, `StorageError` or `Locked`, and `LimitReached` before there is a listing.
    Cancelling it saves the state and re-raises. All that it opened is closed when it returns or raises.

    The sample catalogue, mirrored into `data/`:

        >>> from mlhub_async.demo import serve
        >>> async with serve() as site:
        ...     labels = Selection(collections="ref_landcovernet_v1_labels", max_items=1)
        ...     options = Options(labels, api_key=site.key)
        ...     report = await mlhub_async.mirror(site.root, "data", options)
        >>> report.ok, report.fetched
        (True, 45)
    """
    counters = meter or Meter()
    async with _shown(counters, progress):
        return await run_mirror(
            source,
            dest,
            options,
            meter=counters,
            events=on_event,
            each=each,
            environ=environ,
            executor=executor,
        )


@asynccontextmanager
async def _shown(meter: Meter, progress: Progress) -> AsyncIterator[None]:
    """Shows the counters by a timer while the block runs; an error of a function cancels the block."""
    if callable(progress):
        async with _timer(_call(progress, meter)):
            yield
        progress(meter)
    elif progress:
        display = choose_display(sys.stderr, os.environ)
        try:
            async with _timer(watch(meter, display.draw, display.every)):
                yield
        finally:
            display.close()
    else:
        yield


@asynccontextmanager
async def _timer(ticks: Coroutine[None, None, None]) -> AsyncIterator[None]:
    async with FirstErrorGroup() as group:
        task = group.create_task(ticks)
        try:
            yield
        finally:
            task.cancel()


async def _call(progress: ShowsProgress, meter: Meter) -> None:
    while True:
        await asyncio.sleep(CALL_SECONDS)
        progress(meter)
