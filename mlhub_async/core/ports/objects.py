"""The protocols of an object store as DEST: requests to it, and what is done with its objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from ..model import Request


class Answer(NamedTuple):
    """A response of an object store, whole. `fields` are by lower-case name.

    `incomplete`: what was sent is a part of an upload that goes on.
    """

    fields: Mapping[str, str]
    body: bytes
    incomplete: bool = False


def accept(answer: Answer) -> None:
    """Every answer is one."""


class StoreRequests(Protocol):
    """Sends requests to an object store by the HTTP policy of the run: limits, credentials, retries.

    Raises `TransferError`, or `Transient` after the last attempt; `error.unmet` says that a condition of the
    request (If-Match, If-None-Match) was not met.
    """

    async def ask(
        self, request: Request, check: Callable[[Answer], None] = accept, again: Request | None = None
    ) -> Answer:
        """The answer to a request, however often that has to be sent: it must be safe to repeat.

        `check` may raise `Transient` for an answer that says that it is none. `again`: what is sent after
        an attempt that failed, where the same request must not be repeated.
        """
        ...


class ListedObject(NamedTuple):
    """One object of a listing: its key, its size in bytes, and its ETag without quotes."""

    key: str
    size: int
    etag: str


class ObjectFacts(NamedTuple):
    """What a store says of one object. `sha256` is what was stored beside it, in hex, "" for nothing.

    `age`: seconds since it was written, by the clock of the store; negative where that is not known.
    """

    size: int
    etag: str
    sha256: str
    age: float = -1.0


class Sums(NamedTuple):
    """The digests of a body that is sent; `whole` is the SHA-256 of the object that it is of, in hex."""

    md5: bytes
    sha256: bytes
    whole: str


class Whole(NamedTuple):
    """A body that is to become one object: its size in bytes, its SHA-256 in hex, and its MD5, b"" where the
    store does not ask for that."""

    size: int
    sha256: str
    md5: bytes = b""


class UploadPart(NamedTuple):
    """A part of an unfinished upload, numbered from 1."""

    number: int
    size: int
    etag: str


class UnfinishedUpload(NamedTuple):
    """An upload of an object in parts that was begun and neither completed nor aborted. `sha256`: that of the
    body that it is of, in hex."""

    key: str
    id: str
    sha256: str


class Objects(Protocol):
    """The objects of one bucket. An ETag is without quotes, and stands for one version of an object; where a
    store counts generations it is the number of the generation. `replaces`: the ETag of the object that may
    be replaced, "" for none; None: whatever is there.

    Where the store has conditional writes, a write that meets another object raises `TransferError` with
    `unmet`. An object is visible when it is whole, and not before. Errors are those of `StoreRequests`.
    """

    part_bytes: int
    """the size of a part, in bytes; all but the last have it"""
    is_sequential: bool
    """Parts are put in order, one at a time, and the last one makes the object under the condition that the
    upload was begun with. `parts` is then one, of all that has come: the store may take less of a part than
    is sent, and compares the MD5 of the whole."""
    needs_md5: bool
    """whether the MD5 of the whole is to be known when an upload begins"""

    def listing(self, prefix: str) -> AsyncIterator[Sequence[ListedObject]]:
        """All objects whose keys begin so."""
        ...

    async def facts(self, key: str) -> ObjectFacts | None:
        """None where there is no such object."""
        ...

    async def put(self, key: str, body: bytes, sums: Sums, *, replaces: str | None = None) -> str:
        """Write an object with one request. Returns its ETag."""
        ...

    async def begin_upload(self, key: str, whole: Whole, replaces: str | None = None) -> str:
        """Begin an object in parts. Returns the id of the upload."""
        ...

    async def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> UploadPart:
        """Put a part from offset `first` on. The ETag of the last one of a sequential upload is that of the
        object."""
        ...

    async def parts(self, upload: UnfinishedUpload) -> list[UploadPart]:
        """The parts that the store has. Raises `TransferError`, `absent`, where there is no such upload."""
        ...

    async def complete_upload(
        self,
        upload: UnfinishedUpload,
        parts: Sequence[UploadPart],
        whole: Whole,
        *,
        replaces: str | None = None,
    ) -> str:
        """Make the object of its parts. Returns its ETag."""
        ...

    async def unfinished(self, prefix: str) -> list[UnfinishedUpload]:
        """The unfinished uploads of keys that begin so, none where the store or the rights do not tell. Their
        `sha256` is ""."""
        ...

    async def abort_upload(self, upload: UnfinishedUpload) -> None:
        """Forget it and its parts. Nothing happens where there is none, and where the store forgets
        unfinished uploads by itself only."""
        ...

    async def copy(self, source: str, facts: ObjectFacts, key: str) -> str:
        """Copy an object within the store. Returns the ETag of the copy."""
        ...

    async def remove(self, key: str) -> None:
        """Nothing happens where there is no such object."""
        ...

    async def read(self, key: str, first: int, size: int, etag: str) -> bytes:
        """So many bytes of an object from offset `first`, all of which it has.

        Raises `TransferError`, `unmet`, for another object than that of the ETag.
        """
        ...
