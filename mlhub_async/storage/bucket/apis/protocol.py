"""What differs between object stores: one class per store makes the requests and reads the answers to them.

None of them sends anything: `objects.BucketObjects` does, and knows what is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from ....core.model import Request
from ....core.ports import Answer, ListedObject, ObjectFacts, Sums, UnfinishedUpload, UploadPart, Whole

T = TypeVar("T")


class Call(NamedTuple, Generic[T]):
    """A request, and what an answer to it means. `read` raises `Transient` for an answer that is none.

    `again`: what is sent in place of the request after an attempt that failed; None: the same.
    """

    request: Request
    read: Callable[[Answer], T]
    again: Request | None = None


class ListedPage(NamedTuple):
    """Objects, and the token that asks for those that follow; "" after the last."""

    objects: Sequence[ListedObject]
    following: str


class Written(NamedTuple):
    """What a store says of a body that it took. `fits`: it does not say that it has other bytes.

    `size`: how many bytes it has taken, in all of a sequential upload; None: all that were sent.
    """

    etag: str
    fits: bool = True
    size: int | None = None


class PartsPage(NamedTuple):
    """Parts of an unfinished upload, and whether there are more behind these."""

    parts: Sequence[UploadPart]
    goes_on: bool = False


class Copied(NamedTuple):
    """The ETag of a copy. `token`: the copy is not done, and goes on by another call with this."""

    etag: str
    token: str = ""


class UploadsPage(NamedTuple):
    """Keys and ids of unfinished uploads, and the token that asks for those that follow; "" at the end."""

    uploads: Sequence[tuple[str, str]]
    following: str = ""


CopyPart = Callable[[UnfinishedUpload, int, str, ObjectFacts, range], Call[UploadPart]]
"""Copies a range of an object into a part with this number of an upload."""


class StoreApi(Protocol):
    """The calls of one bucket. `replaces` is the condition of a write: see `ports.Objects`."""

    part_bytes: int
    is_sequential: bool
    needs_md5: bool
    max_copy_bytes: int
    """a larger object is copied in parts"""

    @property
    def copy_part(self) -> CopyPart | None: ...

    def page(self, prefix: str, token: str) -> Call[ListedPage]: ...

    def facts(self, key: str) -> Call[ObjectFacts]: ...

    def put(self, key: str, body: bytes, sums: Sums, replaces: str | None) -> Call[Written]: ...

    def read(self, key: str, first: int, size: int, etag: str) -> Call[bytes]: ...

    def remove(self, key: str) -> Request: ...

    def copy(self, source: str, facts: ObjectFacts, key: str, token: str) -> Call[Copied]: ...

    def begin_upload(self, key: str, whole: Whole, replaces: str | None) -> Call[str] | str:
        """The id of an upload, or the call that gets it."""
        ...

    def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> Call[Written]: ...

    def parts(self, upload: UnfinishedUpload, after: int) -> Call[PartsPage]:
        """The parts behind the one of the number `after`."""
        ...

    def complete_upload(
        self, upload: UnfinishedUpload, parts: Sequence[UploadPart], whole: Whole, replaces: str | None
    ) -> Call[str]:
        """Not called where uploads are sequential."""
        ...

    def unfinished(self, prefix: str, token: str) -> Call[UploadsPage] | None:
        """None where the store does not tell."""
        ...

    def abort_upload(self, upload: UnfinishedUpload) -> Request | None:
        """None where the store forgets unfinished uploads by itself only."""
        ...
