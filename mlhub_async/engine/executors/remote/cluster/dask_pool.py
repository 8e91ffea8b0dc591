"""A pool of workers on a Dask cluster: one task for each worker, which lasts as long as the run.

A task for every batch of jobs would leave the slots of a worker empty at the end of each, could be told
nothing meanwhile, and is run four times by Dask where it kills its worker. So jobs go to tasks that run
already, through the scheduler: client and workers have to reach nothing but that.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pickle
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .....core.errors import MlhubError, UsageError, WorkersLost
from .....core.urls import redacted
from ..frames import Message
from ..pool import Coordinator
from ..settings import WorkerSettings, pack_settings
from .dask_worker import deliver, serve, unpack_event

if TYPE_CHECKING:
    from distributed import Client

LOOK_SECONDS = 1.0
"""Between two looks at which workers the cluster has."""
PING_SECONDS = 5.0
NO_WORKER_SECONDS = 60.0
"""A run without any worker for so long ends."""
STOP_SECONDS = 4.0
END_SECONDS = 30.0
MISSING = "a Dask cluster needs dask and distributed: run  python -m pip install 'distributed>=2025.1'"


def connect(address: str) -> Client:
    """A client of the scheduler at an address. Raises `UsageError`."""
    if "@" in address:
        raise UsageError(
            f"--scheduler {redacted(address)}: leave out the user: Dask has no passwords, but TLS"
        )
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(MISSING) from None
    try:
        return Client(address, timeout="20s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from None


class _Peer:
    """One task that is a worker: messages for it wait here while others are under way."""

    def __init__(self, number: int, name: str, address: str) -> None:
        self.number = number
        self.name = name
        self.address = address
        self.waiting: list[bytes] = []
        self.sending: asyncio.Task[None] | None = None
        self.said_at = time.monotonic()


class DaskPool:
    """See `pool.WorkerPool`. `client` is closed at the end if it is `owned`."""

    def __init__(self, client: Client, *, owned: bool) -> None:
        self._client = client
        self._owned = owned
        self._topic = f"mlhub-{os.urandom(8).hex()}"
        self._numbers = itertools.count(1)
        self._peers: dict[str, _Peer] = {}
        self._names: dict[int, str] = {}
        self._gone: set[str] = set()
        self._tasks: list[Any] = []
        self._watching: asyncio.Task[None] | None = None
        self._last_worker_at = time.monotonic()
        self._closing = False
        self._changed = asyncio.Event()

    async def start(self, settings: WorkerSettings, coordinator: Coordinator) -> None:
        if settings.has_secrets and not str(self._client.scheduler.address).startswith("tls://"):
            raise UsageError(
                "keys and tokens are not sent to a scheduler without TLS: set them in the environment of its "
                "workers, or connect by tls://"
            )
        self._settings, self._coordinator = pack_settings(settings), coordinator
        self._loop = asyncio.get_running_loop()
        self._client.subscribe_topic(self._topic, self._on_event)
        self._watching = asyncio.create_task(self._watch())

    async def _call(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The result of a coroutine in the client's event loop."""
        loop = self._client.loop.asyncio_loop
        if loop is self._loop:
            return await make()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), loop))

    def _on_event(self, event: Any) -> None:
        """In the client's event loop."""
        with contextlib.suppress(RuntimeError):  # our loop has ended
            self._loop.call_soon_threadsafe(self._received, *unpack_event(event))

    def _received(self, name: str, address: str, message: Message) -> None:
        if name in self._gone:
            return
        if (peer := self._peers.get(name)) is None:
            peer = self._peers[name] = _Peer(next(self._numbers), name, address)
            self._names[peer.number] = name
            self._coordinator.joined(peer.number)
            if self._closing:
                self.send(peer.number, ("stop",))
        if message[0] == "ended":
            self._lose(peer)
        else:
            self._coordinator.received(peer.number, message)

    def _lose(self, peer: _Peer) -> None:
        if self._peers.pop(peer.name, None) is not None:
            self._gone.add(peer.name)
            self._changed.set()
            self._coordinator.lost(peer.number)

    def send(self, worker: int, message: Message) -> None:
        if (peer := self._peers.get(self._names[worker])) is None:
            return
        peer.waiting.append(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        if peer.sending is None:
            peer.sending = asyncio.create_task(self._deliver(peer))

    def give_up(self, worker: int) -> None:
        """Do without a worker that cannot be killed from here: one to whom nobody speaks ends by itself."""
        if (peer := self._peers.get(self._names[worker])) is not None:
            self._lose(peer)

    async def _deliver(self, peer: _Peer) -> None:
        """Send what waits, one call at a time: so messages arrive in their order."""
        try:
            while peer.waiting:
                frames, peer.waiting = peer.waiting, []
                peer.said_at = time.monotonic()
                there = await self._call(
                    lambda frames=frames: self._client._run(  # type: ignore[misc]
                        deliver, peer.name, frames, workers=[peer.address], on_error="return"
                    )
                )
                if there.get(peer.address) is not True:
                    self._lose(peer)
                    return
        except (OSError, ValueError):  # the scheduler does not know this worker any more
            self._lose(peer)
        finally:
            peer.sending = None

    async def _watch(self) -> None:
        """Notice which workers there are; have a task for each of them, and one for the next that comes."""
        while True:
            try:
                addresses = await self._addresses()
            except (OSError, ValueError) as error:
                self._coordinator.failed(WorkersLost(f"the scheduler has gone: {error}"))
                return
            for peer in [one for one in self._peers.values() if one.address not in addresses]:
                self._lose(peer)
            self._review_tasks(len(addresses))
            now = time.monotonic()
            if self._peers:
                self._last_worker_at = now
            elif now - self._last_worker_at > NO_WORKER_SECONDS:
                message = f"no worker of the cluster has answered for {NO_WORKER_SECONDS:.0f} s"
                self._coordinator.failed(WorkersLost(f"{message}: run again when there are some"))
            for peer in self._peers.values():
                if now - peer.said_at > PING_SECONDS:
                    self.send(peer.number, ("ping",))
            await asyncio.sleep(LOOK_SECONDS)

    async def _addresses(self) -> set[str]:
        found = await self._call(lambda: self._client.scheduler.identity(n_workers=-1))
        return set(found["workers"])

    def _review_tasks(self, workers: int) -> None:
        for task in [one for one in self._tasks if one.done()]:
            self._tasks.remove(task)
            error = task._state.exception  # without a wait for the client's event loop
            if error is not None and type(error).__name__ != "KilledWorker":
                self._coordinator.failed(_explained(error))
                return
        while not self._closing and len(self._tasks) < workers + 1:
            self._tasks.append(self._client.submit(serve, self._settings, self._topic, pure=False))

    async def close(self, *, stop: bool) -> None:
        self._closing = True
        for number in [peer.number for peer in self._peers.values()]:
            self.send(number, ("stop",) if stop else ("end",))
        until = time.monotonic() + (STOP_SECONDS if stop else END_SECONDS)
        while self._peers and (left := until - time.monotonic()) > 0:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for peer in self._peers.values():
            if peer.sending is not None:
                peer.sending.cancel()
        with contextlib.suppress(Exception):  # the scheduler may have gone
            await self._call(lambda: self._client._cancel(self._tasks, force=True))
            self._client.unsubscribe_topic(self._topic)
        if self._owned:
            with contextlib.suppress(Exception):
                await asyncio.to_thread(self._client.close, 2)


def _explained(error: BaseException) -> MlhubError:
    if isinstance(error, ImportError):
        return UsageError(f"the workers of the cluster cannot import mlhub_async: {error}; install it there")
    return WorkersLost(f"a task of the cluster has failed: {type(error).__name__}: {error}")
