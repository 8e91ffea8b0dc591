"""The protocols of the parts of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from ..errors import StorageError
from ..model import Asset, Document, Entry, FileState, Head, Job, Outcome, PartialHeader, Record, Request

T = TypeVar("T")

Emit = Callable[[Sequence[Entry]], Awaitable[None]]
"""Takes the next entries of a listing, in order. Waits while the pipeline is full (back-pressure)."""

Submit = Callable[[Job], Awaitable[None]]
"""Gives a job to an executor. Waits while its queue is full (back-pressure)."""

Settled = tuple[Outcome, str]
"""The outcome of a job, and its URL without secrets, by which a later job can find the same file."""

Place = Callable[[Sequence[Outcome]], Iterable[Sequence[bool]]]
"""Gives the checked files of outcomes their final paths, in order, while it is iterated over: in a step some
of them, up to one that took long. False: the file has none, so its outcome does not hold."""


class Settle(Protocol):
    """Takes outcomes of jobs: of any number, as each call costs more than one outcome more does.

    With `place` the files have no final paths yet: it is called after the write-ahead log has them and before
    the ledger does. An outcome for which it yields False is not taken.
    """

    async def __call__(self, batch: Sequence[Settled], place: Place | None = None) -> None: ...


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

    No redirects, retries, cookies, credentials or decompression: these are policy of the HTTP client. `send`
    returns when the body is complete by its framing (RFC 9112 section 6). It raises `Transient` for a failure
    that another attempt may not meet, `TransferError` for a lasting one (certificate, bad URL). Cancelling it
    aborts the connection. It is never called concurrently for one sink.
    """

    async def send(self, request: Request, sink: Sink) -> None: ...

    async def close(self) -> None: ...


Send = Callable[[Request, Sink], Awaitable[Head]]
"""Sends one request, follows redirects and returns the final head: one attempt of the HTTP client."""


class Reader(Protocol):
    """Reads JSON documents: pages, items, catalogues. It retries, and returns complete documents only.

    Raises `TransferError` (404, not JSON, too large; see its `status`), or `Transient` after the last
    attempt. After each that failed `request.instead`, if there is one, gives the request for the next.
    Credentials are sent only to the origins that they belong to.
    """

    async def read(self, request: Request) -> Document: ...

    async def read_unless_data(self, request: Request) -> Document:
        """As `read`, for a URL that may be that of a file of any size.

        It raises `TransferError` once the first bytes show that the answer is no JSON object or array: kind
        "page" for a text, else "data".
        """
        ...


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

    `run` awaits `produce(submit)`, which submits jobs one by one, and gives `settle` exactly one outcome of
    every job, in the event loop of the caller, concurrently and in any order. It returns when `produce` has
    returned and every job is settled. That a job fails is an outcome; retries are inside, and no job is
    submitted twice. The first exception of `produce` or `settle`, a `Fatal` error or a bug in a job cancels
    all the others and is raised as it is. When `run` has ended, also by an exception or a cancellation, no
    job is running any more. It is called once.
    """

    async def run(self, produce: Callable[[Submit], Awaitable[None]], settle: Settle) -> None: ...


class SegmentWriter(Protocol):
    """Writes one segment of a body, beyond the bytes that its `BodyWriter` has. The caller must `close` it.

    `write` is that of `Sink`.
    """

    @property
    def written(self) -> int:
        """The offset in the body behind the last byte that is stored."""

    def write(self, data: Buffer) -> Awaitable[None] | None: ...

    async def drained(self) -> None:
        """Return when all that was taken is stored."""

    async def close(self) -> None:
        """Return when nothing is being written any more, also when cancelled meanwhile."""


class BodyWriter(Protocol):
    """Takes the body of one asset, in order from its first byte, and digests it. One writer at a time.

    Where a method raises a `StorageError`, the store could not take or give back bytes.
    """

    @property
    def offset(self) -> int:
        """How many bytes it has."""

    @property
    def is_persistent(self) -> bool:
        """Whether bytes are on disk, so that a later run can continue."""

    def begin(self, algorithms: Iterable[str], size: int | None = None) -> None:
        """Start, or start again, without any bytes. `size`: that of the body in bytes, where it is known.

        SHA-256 is computed always, the digests of `algorithms` too.
        """

    async def adopt(self, algorithms: Iterable[str], total: int) -> None:
        """Go on with the bytes of an earlier run, as far as they prove to be those that were received.

        `total`: the size of the whole body.
        """

    def write(self, data: Buffer) -> Awaitable[None] | None:
        """See `Sink.write`."""

    def tail(self, size: int) -> bytes:
        """The last bytes, at most `size`. Not while a write is in flight."""

    def segment(self, offset: int) -> SegmentWriter:
        """A writer for the bytes from `offset` on. They join the body when `follow` reaches them."""

    def follow(self, end: int) -> None:
        """Begin to add the bytes that segments have stored behind those of the body, up to offset `end`."""

    async def clone(self, source: int) -> bool:
        """Share the blocks of an open file, after `begin` with its size. False: the bytes must be written."""

    async def settled(self) -> None:
        """Return when no write is in flight."""

    async def drained(self) -> None:
        """Return when all that was taken is stored."""

    async def complete(self) -> dict[str, bytes]:
        """Store all bytes that were taken. Returns the digests of the complete body by algorithm."""

    async def inspect(self, examine: Callable[[BinaryIO], T]) -> T:
        """The result of `examine`, called in a thread with the complete body as a seekable file."""


class PartialFile(Protocol):
    """Unfinished bytes of one asset. It ends with `commit`, `keep` or `drop`; these may follow `commit`.

    `left` is the header of the bytes of an earlier run, None if there are none.
    """

    @property
    def body(self) -> BodyWriter: ...

    @property
    def left(self) -> PartialHeader | None: ...

    def bind(self, header: PartialHeader | None) -> None:
        """Store the version of the asset that the bytes belong to, so that a later run may continue them.

        None: it may not. To be called after `body.begin` and before the first byte.
        """

    async def commit(self, path: str) -> int:
        """Give the complete and checked bytes their final path. Returns the `mtime_ns` of the file.

        Raises `PartialLost` if somebody else has removed the partial file, `TransferError` where something
        is in the way at `path`, `StorageError` when the store refuses.
        """

    async def keep(self) -> None:
        """Stop here. The bytes are kept for a later run if they are bound to a version, else deleted."""

    async def drop(self) -> None:
        """Delete the bytes."""


class PartialFiles(Protocol):
    """The partial files that earlier runs and workers left, and who goes on with them."""

    @property
    def has_partials(self) -> bool:
        """Whether there are any."""

    def give_partial_away(self, identity: tuple[str, str, str]) -> str:
        """The name of the partial file of an asset, which a worker goes on with; "" if there is none."""

    def adopt_partial(self, identity: tuple[str, str, str], name: str) -> None:
        """Have a partial file back that was given away."""

    def find_partials_of(self, names: str) -> None:
        """Find the partial files of a worker that has ended, by what their names have in common, and delete
        those that nobody can go on with."""


class Store(Protocol):
    """DEST as transfers see it: a directory, or a bucket. Paths are relative to it, with forward slashes.

    A file has a final path only when it is complete and checked. Waiting for space on a full disk is inside:
    where it is not wanted, or in vain, `StorageError` is raised.
    """

    @property
    def small_bytes(self) -> int:
        """Files of up to so many bytes may be `put`, in the event loop; 0: none may now."""

    def backpressure(self) -> Awaitable[None] | None:
        """An awaitable to wait for before another transfer begins; None if the store takes bytes now."""

    @property
    def has_partials(self) -> bool:
        """Whether an earlier run has left partial files."""

    def has_partial(self, identity: tuple[str, str, str]) -> bool:
        """Whether an earlier run has left a partial file of this asset."""

    def open_partial(self, identity: tuple[str, str, str]) -> PartialFile:
        """A partial file for one asset, with the bytes that an earlier run left of it, if any."""

    def put(self, path: str, data: bytes) -> int:
        """Write a small file atomically; an existing one is replaced. Returns its `mtime_ns`.

        Raises `TransferError` where a directory or another file is in the way, `StorageError` when the store
        refuses.
        """

    def stage(self, data: Buffer) -> tuple[str, int]:
        """Write a small file that has no final path yet. Returns a name for `place`, and its `mtime_ns`.

        Raises `StorageError` when the store refuses.
        """

    def place(self, name: str, path: str) -> int | None:
        """Give a staged file its final path. Returns its `mtime_ns` where that may have changed, else None.

        Raises as `put` does, and `PartialLost` if somebody else has removed the staged file. That is gone
        then.
        """

    def place_ready(self, names: Sequence[tuple[str, str]]) -> int:
        """Give staged files their final paths, in order, as long as nothing is odd: pairs of arguments of
        `place`. Returns how many have theirs now; `place` is for the next one."""

    def unstage(self, name: str) -> None:
        """Delete a staged file."""

    def exists(self, path: str) -> bool:
        """Whether there is a finished file at `path`."""

    async def link(self, existing: str, path: str) -> int:
        """Give a finished file a second path, by a link or a copy. Returns the `mtime_ns` of the second."""

    async def recover(self, error: StorageError) -> None:
        """Return when a transfer that met `error` may begin again; raise `error` if it may not."""

    async def stat(self, path: str) -> FileState | None:
        """The state of the finished file at `path`, None if there is none."""

    async def is_as_recorded(self, record: Record, *, by_content: bool = False) -> bool:
        """Whether a finished file still has the recorded size and mtime, or the recorded SHA-256."""

    async def digest(self, path: str, algorithm: str) -> bytes:
        """The digest of a finished file."""

    async def inspect(self, path: str, examine: Callable[[BinaryIO], T]) -> T:
        """The result of `examine`, called in a thread with a finished file, open for reading."""


class DocumentStore(Protocol):
    """DEST for the documents of a run: catalogue, receipt, list of errors."""

    @property
    def name(self) -> str:
        """The name of DEST in messages."""

    @property
    def receipt_removed(self) -> bool: ...

    def remove_receipt(self) -> None:
        """Remove the receipt of the last run, before this run changes any file."""

    def put_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """Write a document, given in pieces, in the thread of the ledger. Otherwise as `Store.put`."""

    def read_document(self, path: str) -> bytes:
        """The bytes of a document. Raises OSError."""

    def temporary_path(self, name: str) -> Path:
        """Where a local file can be made before its bytes are `put_pieces`. The caller deletes it."""

    def remove(self, record: Record, *, dry_run: bool = False) -> bool | None:
        """Remove a finished file. True if it was removed, or would be; False if it is another file by now,
        None if there is none. Raises `StorageError`."""

    def remove_empty_directories(self, paths: Iterable[str]) -> None:
        """Remove the directories of these files that are empty, and those above that this leaves empty."""

    def sync_names(self, paths: Iterable[str]) -> None:
        """Make the names of these files survive a power cut, where the run promises that."""

    def release_descriptors(self) -> bool:
        """Close descriptors that are kept open only for speed. False if there were none."""

    def is_unchanged(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether the file at `path` has this size and mtime."""

    @property
    def displaced(self) -> AbstractSet[str]:
        """Directories that another program removed or moved away during the run, "" for DEST itself: as far
        as the run noticed, which it does at the latest in `release_descriptors`."""

    def release_reserve(self) -> None:
        """Give back the space that was reserved for the receipt of a run that fills the disk."""

    def stop_waiting(self) -> None:
        """From now on a full disk is an error at once: the run ends."""
