"""`mirror`, `plan`, `diff`, `verify` without `await`: for scripts and notebooks, which run a loop already."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future, wait
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

from ..core.model import JsonObject
from ..core.options import Options
from ..core.telemetry import Listener
from ..engine.planning.differences import diff as _diff
from ..engine.planning.plan import plan_only as _plan_only
from ..engine.verify import verify as _verify
from ..sources.location import Given
from .item_iterator import mirrored as _mirrored
from .monitoring import Progress
from .monitoring import mirror as _mirror

P = ParamSpec("P")
T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end in a loop of its own, in a thread of its own, and return its result.

    Ctrl-C cancels it, waits while it saves its state, and is raised again. A second Ctrl-C ends the wait.
    """
    with _LoopThread() as thread:
        return thread.result(work)


class _LoopThread:
    """An event loop in a thread of its own, for a `with` block. At its end it waits for what still runs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closing: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="mlhub-blocking")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set_result, None)
        if not self._is_current:
            self._thread.join()

    def _run(self) -> None:
        run = self._loop.run_until_complete
        run(self._closing)
        while left := asyncio.all_tasks(self._loop):
            run(asyncio.wait(left))
        run(self._loop.shutdown_asyncgens())
        run(self._loop.shutdown_default_executor())
        self._loop.close()

    @property
    def _is_current(self) -> bool:
        """Whether the thread of the loop calls: the garbage collector closes a generator in any thread."""
        return threading.current_thread() is self._thread

    def result(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine. What interrupts the wait (Ctrl-C) cancels it, and waits for its end."""
        done: Future[T] = Future()

        async def settle() -> None:
            try:
                done.set_result(await work)
            except BaseException as error:
                done.set_exception(error)

        running = asyncio.run_coroutine_threadsafe(settle(), self._loop)
        try:
            return done.result()
        except BaseException:
            running.cancel()
            wait([done])
            raise

    def end(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the end of a coroutine, except in the thread of the loop, which cannot wait for itself."""
        if self._is_current:
            asyncio.run_coroutine_threadsafe(work, self._loop)
        else:
            self.result(work)


def mirrored(
    source: Given,
    dest: str | os.PathLike[str],
    options: Options | None = None,
    *,
    progress: Progress = False,
    on_event: Listener | None = None,
    environ: Mapping[str, str] | None = None,
) -> Generator[JsonObject, None, None]:
    """Mirror, and yield each item when its assets are settled; the mirror goes on in a thread meanwhile.

    As `mlhub_async.mirrored`, with its arguments and errors. When the generator is closed, which CPython does
    as soon as the loop over it has been left, the mirror has ended and DEST is unlocked.

        >>> for item in mlhub_async.blocking.mirrored("mirror/catalog.json", "copy"):
        ...     assert item["assets"]
    """
    items = _mirrored(source, dest, options, progress=progress, on_event=on_event, environ=environ)

    async def following() -> JsonObject | None:
        return await anext(items, None)

    with _LoopThread() as thread:
        try:
            while (item := thread.result(following())) is not None:
                yield item
        finally:
            thread.end(items.aclose())


def _blocking(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @wraps(call)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(call(*args, **kwargs))

    return wrapper


mirror = _blocking(_mirror)
diff = _blocking(_diff)
plan = _blocking(_plan_only)
verify = _blocking(_verify)
