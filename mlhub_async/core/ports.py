"""The protocols between the parts of the package: what can be replaced, and what both sides promise.

Implementations satisfy a protocol by their shape; none of them inherits from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from .model import Asset, Document, Entry, Head, Job, Outcome, Request
from .secret import Secret
from .urls import Origin

Emit = Callable[[Sequence[Entry]], Awaitable[None]]
"""Takes the next entries of a listing, in order. Waits while the pipeline is full (back-pressure)."""

Submit = Callable[[Job], Awaitable[None]]
"""Hands a job to an executor. Waits while that has as many as it can take (back-pressure)."""

Settle = Callable[[Outcome, str], Awaitable[None]]
"""Takes the outcome of a job, and the URL by which the ledger finds its bytes again, without secrets."""

Buffer = bytes | bytearray | memoryview


class Sink(Protocol):
    """Takes one HTTP response from a transport.

    `start` is called once, before any byte of the body. It refuses the response by raising: the transport
    closes the connection and lets the exception through. `write` is called with each piece of the body,
    without framing, with its content coding. It returns None when it has taken the bytes, or an awaitable
    that the transport awaits before it calls again or reuses the buffer (back-pressure).
    """

    def start(self, head: Head) -> None: ...

    def write(self, data: Buffer) -> Awaitable[None] | None: ...


class Transport(Protocol):
    """Sends one HTTP request and pushes its response into a sink.

    No redirects, retries, cookies, credentials or decompression: these are policy, and stand above.
    `send` returns when the framing says that the body is whole. It raises `Transient` for a failure that
    another attempt may not meet, `TransferError` for a lasting one (certificate, bad URL). Cancelling it
    aborts the connection. It is never called concurrently for one sink.
    """

    async def send(self, request: Request, sink: Sink) -> None: ...

    async def close(self) -> None: ...


class Signer(Protocol):
    """Adds credentials to requests to its `origins`. The client sends them nowhere else.

    `sign` returns the request with credentials in its header fields or its query, or None if it has none
    that is valid at present; it makes no request itself. The client calls it for every hop, and only for
    requests to one of the origins.
    `renew` gets newer credentials where there are any. The client awaits it when `sign` has returned None or
    when the origin has answered 401, then signs once more; if that gives the same request, the credentials
    count as refused. Many requests may call it at a time: they share one renewal. It raises `TransferError`
    or `Transient` where it fails. It may change `origins` and `secrets`.
    `secrets` are values that the client removes from the query of every request, as servers echo them.
    """

    @property
    def origins(self) -> Collection[Origin]: ...

    @property
    def secrets(self) -> Collection[Secret]: ...

    def sign(self, request: Request) -> Request | None: ...

    async def renew(self, origin: Origin) -> None: ...


class Reader(Protocol):
    """Reads JSON documents: pages, items, catalogues. Retries are inside; the document is whole.

    Raises `TransferError` (404, not JSON, too big; see its `status`), or `Transient` after the last attempt.
    Credentials are sent to the origins they are bound to and to no other.
    """

    async def read(self, request: Request) -> Document: ...


class Source(Protocol):
    """Lists a catalogue. `list` emits its entries and returns at the end of the listing.

    It raises `SourceError` when the root is not usable at all, `CatalogError` when the listing broke off.
    `only` names listings whose pages said that they are `repeatable`: these are read once more, nothing
    else. A source without repeatable pages ignores it: it is never called with any.
    `refresh` reads the asset's item again and returns the asset with its present href, or None if there is
    no newer one: for hrefs that expire. `name` is the source in the receipt, without secrets.
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
