"""The ports of a pool of workers, wherever they are."""

from __future__ import annotations

from typing import Protocol

from ....core.errors import MlhubError
from .frames import Message
from .settings import WorkerSettings


class Coordinator(Protocol):
    """Is told what becomes of workers, in the event loop; each has a number that no other has or had."""

    def joined(self, worker: int) -> None:
        """There is another worker: it takes messages."""

    def received(self, worker: int, message: Message) -> None: ...

    def lost(self, worker: int) -> None:
        """The worker has ended, or is out of reach for good. What it was given may be half done."""

    def failed(self, error: MlhubError) -> None:
        """There are no workers, and there will be none."""


class WorkerPool(Protocol):
    """Starts workers, and others in the place of those that end. `close` returns when none is at work."""

    async def start(self, settings: WorkerSettings, coordinator: Coordinator) -> None: ...

    def send(self, worker: int, message: Message) -> None: ...

    def give_up(self, worker: int) -> None:
        """End a worker that is silent: it is `lost` then."""

    async def close(self, *, stop: bool) -> None:
        """End all workers: when they have nothing to do any more, or with `stop` as soon as they can."""
