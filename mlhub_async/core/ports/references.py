"""The protocol of references: other mirrors that have files which a run would else ask their origins for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from ..model import Job, Record, Status

AskOrigin = Callable[[Record], Awaitable[tuple[Status, Record, str]]]
"""Asks the origin of an asset whether a version is its present one, by If-None-Match. SKIPPED: it is, at this
URL; FETCHED: there is another one, which was fetched."""


class Brought(NamedTuple):
    """What came of the references of one asset.

    `record` None: the origin has to be asked, as if there were none. `reference` gave the file, "" where the
    origin did; `received` bytes of it came over the network. `trouble`: the name of a reference that failed,
    a colon and the kind of its error, or "".
    """

    status: Status = Status.FAILED
    record: Record | None = None
    reference: str = ""
    received: int = 0
    trouble: str = ""


class References(Protocol):
    """Other mirrors, asked one after the other. A file of theirs is taken when its bytes are proven.

    Proven means that they have the digest that the catalogue publishes. Where it publishes none: the digest
    that the reference recorded, of the version that the origin has now. What goes wrong with a reference is
    told in `Brought.trouble`. Raises `Fatal`, `StorageError` for our own disk, and what `ask` raises.
    """

    def may_have(self, job: Job) -> bool:
        """Whether any of them is to be asked for the file of a job."""

    async def bring(self, job: Job, ask: AskOrigin) -> Brought: ...
