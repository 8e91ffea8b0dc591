"""Small members of archives as files: many are read at a time, checked, written, and settled together.

    submit ──► MemberFile ──► Members.read ──► _take: check, write ──► settle: log, name, ledger
    general path ◄── what is not ordinary, and what was not given

It decides nothing about trouble, as the small-file path does: a member that is not given, or is not as
promised, goes to the general path, which asks for it by itself and knows what to do.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ...core.concurrency import LazyAwaitable
from ...core.errors import MlhubError, StorageError, TransferError
from ...core.model import Job, Outcome, Record, Status
from ...core.ports.members import Content, MemberFacts, MemberOrder, Members, UnpackedFile
from ...core.urls import canonical, parse
from ..context import TransferContext
from ..dedupe import InFlight
from .checks import checked, is_as_promised, is_eligible, is_ordinary, record_of

if TYPE_CHECKING:
    from ...core.ports import Settle, Settled, Submit

MAX_WAITING_BYTES = 16 << 20
MAX_WAITING = 1_000
"""The members that wait have so many bytes, and are so many; the listing waits above that."""
SETTLED_AT_ONCE = 100


class MemberFile(InFlight):
    """A member that was asked for."""

    __slots__ = ("is_unpacked", "job", "member", "members", "staged", "url")

    def __init__(self, job: Job, url: str, members: Members, member: MemberFacts) -> None:
        self.urls: tuple[str, ...] = ()
        self.finished = None
        self.stalled = False
        self.job = job
        self.url = url
        self.members = members
        self.member = member
        self.staged = ""
        self.is_unpacked = False
        """the file was there already, and stays if the run ends before it has its name"""


class MemberFiles:
    """The members of one run. `put` gives a job to the general path; `read_all` runs as a task beside it."""

    def __init__(self, context: TransferContext, put: Submit, settle: Settle) -> None:
        self._context = context
        self._put = put
        self._settle = settle
        self._waiting: list[MemberFile] = []
        self._waiting_bytes = self._reading = 0
        self._landed: list[Settled] = []
        self._staged: dict[str, MemberFile] = {}
        """those that have landed and have no names yet, by path"""
        self._odd: list[Settled] = []
        """outcomes of files whose names gave them another time, or that could not be given theirs"""
        self._returned: list[Job] = []
        """those that the general path has to go on with"""
        self._has_waiting, self._has_room = asyncio.Event(), asyncio.Event()

    async def drained(self) -> None:
        """Return when each job that was submitted is settled or has gone the general way."""
        while self._waiting or self._reading:
            await self._room()

    async def submit(self, job: Job) -> None:
        """Take a job, for this path or for the general one. Waits while there are too many of them."""
        if (file := self._file(job)) is None:
            await self._put(job)
            return
        self._context.dedupe.begin(file.url, file)
        self._waiting.append(file)
        self._waiting_bytes += file.member.size
        self._has_waiting.set()
        while self._waiting_bytes >= MAX_WAITING_BYTES or len(self._waiting) >= MAX_WAITING:
            await self._room()

    async def _room(self) -> None:
        self._has_room.clear()
        await self._has_room.wait()

    def _file(self, job: Job) -> MemberFile | None:
        """The member that a job asks for, if it is small and nothing is known of the file yet."""
        asset, context = job.asset, self._context
        members = context.http.members_at(asset.href)
        if members is None or asset.unavailable or not is_eligible(job):
            return None
        references = context.references
        if references is not None and asset.checksum is not None and references.may_have(job):
            return None
        url = canonical(parse(asset.href))
        known = context.dedupe.knows(url, known_url=job.known_url) or context.existing.may_keep(job)
        if known or context.store.has_partial(asset.identity):
            return None
        member = members.find(asset.href)
        limit = math.inf if members.are_files else context.store.small_bytes  # 0 while the disk is slow
        if member is None or not is_ordinary({}, member.size, asset, limit):
            return None
        return MemberFile(job, url, members, member)

    async def read_all(self) -> None:
        """Read what is submitted, until it is cancelled."""
        try:
            await self._read_on()
        finally:
            for file in self._staged.values():
                if not file.is_unpacked:
                    self._context.store.unstage(file.staged)

    async def _read_on(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            files, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._reading = len(files)
            self._has_room.set()
            for members in {id(file.members): file.members for file in files}.values():
                await self._read(members, [file for file in files if file.members is members])
            self._reading = 0
            self._has_room.set()

    async def _read(self, members: Members, files: Sequence[MemberFile]) -> None:
        if self._context.events.observed:
            for file in files:
                self._context.events.job("start", file.job)
        given: set[int] = set()
        await members.read(files, self._context.http.send, partial(self._take, given))
        await self._settle_landed()
        for file in files:
            if id(file) not in given:
                self._context.dedupe.end(file, (), None)
                await self._put(file.job)
        while self._returned:
            await self._put(self._returned.pop())

    def _take(self, given: set[int], order: MemberOrder, content: Content) -> Awaitable[None] | None:
        """Check a member, and note it as a file without a name; see `ports.TakeMember`."""
        assert isinstance(order, MemberFile)
        if (record := self._record(order, content)) is None:
            return None
        given.add(id(order))
        self._staged[record.path] = order
        self._landed.append((Outcome(order.job, Status.FETCHED, record, None, 1, record.size), order.url))
        self._context.meter.received += record.size
        return LazyAwaitable(self._settle_landed) if len(self._landed) >= SETTLED_AT_ONCE else None

    def _record(self, file: MemberFile, content: Content) -> Record | None:
        """The record of a member under its final name; None if anything is odd about it."""
        job, fields, store = file.job, {"etag": file.member.etag}, self._context.store
        if isinstance(content, UnpackedFile):
            if not is_as_promised(job, fields, content.begin, bytes.fromhex(content.sha256)):
                return None
            file.staged, file.is_unpacked = content.path, True
            return record_of(job, fields, content.size, content.sha256, content.mtime_ns)
        if len(content) > store.small_bytes or not (sha256 := checked(job, fields, content)):
            return None
        try:
            file.staged, mtime_ns = store.stage(content)
        except MlhubError:  # the general path meets it, too, and knows what to do
            return None
        return record_of(job, fields, len(content), sha256, mtime_ns)

    async def _settle_landed(self) -> None:
        landed, self._landed = self._landed, []
        await self._settle(landed, self._place)
        if odd := self._odd:
            self._odd = []
            await self._settle(odd)

    def _place(self, outcomes: Sequence[Outcome]) -> Iterator[Sequence[bool]]:
        """Give files their names; see `ports.Place`."""
        for outcome in outcomes:
            yield [self._place_one(outcome)]

    def _place_one(self, outcome: Outcome) -> bool:
        record = outcome.record
        assert record is not None
        file, placed = self._staged.pop(record.path), None
        try:
            moved = self._context.store.place(file.staged, record.path)
            placed = record if moved is None else record._replace(mtime_ns=moved)
        except StorageError:  # the general path meets it, too, and knows what to do
            self._returned.append(file.job)
        except TransferError as error:
            failed = outcome._replace(status=Status.FAILED, record=None, error=error)
            self._odd.append((failed, file.url))
        self._context.dedupe.end(file, (file.url,) if placed else (), placed)
        if placed is not None and placed is not record:
            self._odd.append((outcome._replace(record=placed), file.url))
        return placed is record
