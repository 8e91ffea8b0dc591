"""The protocols of the members of an archive: asked for one by one, or many small ones at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from ..model import Head, Request
from .parts import Buffer, Send, Sink


class UnpackedFile(NamedTuple):
    """A member that is on the disk of DEST already, whole: its bytes are those of the archive.

    `path` is absolute; the file may be moved away from there. `size` is in bytes, `begin` its first bytes,
    `sha256` in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str
    mtime_ns: int
    begin: bytes


class MemberFacts(Protocol):
    """What is known of a member before its bytes are: its size in bytes, and a validator of its content."""

    @property
    def size(self) -> int: ...

    @property
    def etag(self) -> str: ...


class MemberOrder(Protocol):
    """Somebody's wish to have a member whole."""

    @property
    def member(self) -> MemberFacts: ...


Content = Buffer | UnpackedFile
TakeMember = Callable[[MemberOrder, Content], Awaitable[None] | None]
"""Takes a whole member whose bytes are those that the archive promises; a view is valid during the call only.
Returns None, or what is to be awaited before many more are given."""


class Members(Protocol):
    """The members of an archive, each of which has a URL that begins with that of the archive.

    `get` answers a request for one of them as a server would that has it as a file, and returns the head
    that `sink` got. Bytes of the archive are asked for by `send`. It makes one attempt and raises as `send`
    does; `Corrupt` where the archive contradicts itself. `are_files`: `read` gives files of this disk.
    """

    @property
    def are_files(self) -> bool: ...

    async def get(self, request: Request, sink: Sink, send: Send) -> Head: ...

    def find(self, url: str) -> MemberFacts | None:
        """The member at a URL if `read` can give it, else None."""

    async def read(self, orders: Sequence[MemberOrder], send: Send, take: TakeMember) -> None:
        """Give members that were found, in the order in which they lie; one attempt.

        Those that are not given have to be asked for by `get`, which tells what is wrong with them. Raises
        `Fatal`.
        """

    def release(self, url: str) -> None:
        """The member at a URL has its place in DEST: room that it takes up here is not needed any more."""
