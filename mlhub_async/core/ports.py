"""The seams: what may be replaced, and what each side promises.

Everything behind a port satisfies it by shape; nothing here is inherited from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from .model import Asset, Document, Entry, Head, Job, Outcome, Request

Emit = Callable[[Sequence[Entry]], Awaitable[None]]
"""Takes what a source found, in order. Waits while the pipeline is full: that is the back-pressure."""

Submit = Callable[[Job], Awaitable[None]]
"""Hands a job to an executor. Waits while that has as many as it can take: that is the back-pressure."""

Settle = Callable[[Outcome, str], Awaitable[None]]
"""Takes the outcome of a job, and the URL by which the ledger finds its bytes again, without secrets."""

Buffer = bytes | bytearray | memoryview


class Sink(Protocol):
    """Where a transport pushes one response.

    `start` is called once, before any byte; it refuses by raising, and the transport then drops the
    connection and lets the exception through. `write` is called with each piece of the body, framing
    removed, still encoded. It returns None when it has taken the bytes, or an awaitable that the
    transport must await before it calls again or reuses the buffer: that is the back-pressure.
    """

    def start(self, head: Head) -> None: ...

    def write(self, data: Buffer) -> Awaitable[None] | None: ...


class Transport(Protocol):
    """One hop on the wire: connect, send one request, parse one head, push one body into the sink.

    It knows no policy: no redirects, no retries, no cookies, no credentials, no decompression.
    `send` returns when the framing says that the body is whole. It raises `Transient` for whatever the
    network may do better next time, `TransferError` for what it will not (certificate, bad URL).
    Cancellation aborts the connection. Never called concurrently for one sink.
    """

    async def send(self, request: Request, sink: Sink) -> None: ...

    async def close(self) -> None: ...


class Reader(Protocol):
    """Reads JSON documents: pages, items, catalogues. Retries are inside; the answer is whole.

    Raises `TransferError` (404, not JSON, too big; `.status` tells) or `Transient` after the last attempt.
    Credentials go to the origins they are bound to; a document read from elsewhere gets none.
    """

    async def read(self, request: Request) -> Document: ...


class Source(Protocol):
    """A catalogue. `list` emits `Page`, `Collection`, `Item` and `Flaw` entries and returns at the end.

    It raises `SourceError` when the root is not usable at all, `CatalogError` when the listing broke off.
    `only` names listings whose pages said that they are `repeatable`: these are read once more, nothing
    else. A source without repeatable pages ignores it: it is never called with any.
    `refresh` reads the asset's item again and gives the asset with its present href, or None if there is
    no newer one: for hrefs that expire. `name` is what the receipt calls the source, without secrets.
    """

    name: str

    async def list(self, emit: Emit, only: Sequence[str] = ()) -> None: ...

    async def refresh(self, asset: Asset) -> Asset | None: ...


class Executor(Protocol):
    """Carries out jobs, many at a time: in this event loop, in other processes, or on other machines.

    `run` awaits `produce(submit)`, which submits jobs one by one, and awaits `settle` exactly once for
    every job, in the event loop of the caller, concurrently and in any order. It returns when `produce` has
    returned and every job is settled. That a job fails is an outcome; retries are inside, and no job is
    submitted twice. The first exception of `produce` or `settle`, a `Fatal` error or a bug in a job cancels
    all the others and is raised as it is. When `run` has ended, also by an exception or a cancellation, no
    job is running any more. It is called once.
    """

    async def run(self, produce: Callable[[Submit], Awaitable[None]], settle: Settle) -> None: ...
