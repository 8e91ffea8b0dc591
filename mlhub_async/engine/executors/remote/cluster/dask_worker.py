"""The task of a Dask worker: it is a worker of a run until the coordinator says that it is over, or is gone.

Imported on the workers of a cluster, and by the coordinator, who names these functions. What the coordinator
says comes by `deliver`, which Dask runs in the worker's process; the answers are events of the scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import time
from collections.abc import Callable
from typing import Any

from .....core.concurrency import loop_factory
from ..frames import Message
from ..settings import unpack_settings
from ..worker import run_worker

SILENCE_SECONDS = 30.0
"""If the coordinator is silent for so long it is gone."""
_inboxes: dict[str, Callable[[list[bytes]], None]] = {}


def serve(packed: bytes, topic: str) -> None:
    """Be a worker. `topic` is that of the events which the coordinator listens to."""
    from distributed import get_worker

    dask, name = get_worker(), os.urandom(8).hex()

    def send(message: Message) -> None:
        dask.log_event(topic, [name, dask.address, pickle.dumps(message, pickle.HIGHEST_PROTOCOL)])

    async def work() -> None:
        loop, heard = asyncio.get_running_loop(), [time.monotonic()]

        def listen(receive: Callable[[Message], None]) -> None:
            def take(frames: list[bytes]) -> None:
                heard[0] = time.monotonic()
                for frame in frames:
                    loop.call_soon_threadsafe(receive, pickle.loads(frame))

            _inboxes[name] = take

        task = asyncio.create_task(run_worker(unpack_settings(packed), send, listen))
        while not task.done() and time.monotonic() - heard[0] < SILENCE_SECONDS:
            await asyncio.wait([task], timeout=1.0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(work())
    finally:
        _inboxes.pop(name, None)


def deliver(name: str, frames: list[bytes]) -> bool:
    """Messages of the coordinator for one worker of this process. False: it is not here any more."""
    if (take := _inboxes.get(name)) is None:
        return False
    with contextlib.suppress(RuntimeError):  # its loop has just ended
        take(frames)
    return True


def unpack_event(event: Any) -> tuple[str, str, Message]:
    """The name of a worker, the address of its process, and what it said."""
    _, (name, address, frame) = event
    return name, address, pickle.loads(frame)
