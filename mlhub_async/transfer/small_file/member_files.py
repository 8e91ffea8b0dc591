"""Small members of archives as files: many are read at a time, checked, written, and settled together.

    submit ──► MemberFile ──► Members.read ──► _take: check, write ──► settle: log, name, ledger
    general path ◄── what is not ordinary, and what was not given

It decides nothing about trouble, as the small-file path does: a member that is not given, or is not as
promised, goes to the general path, which asks for it by itself and knows what to do.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING

from ...core.concurrency import LazyAwaitable
from ...core.errors import MlhubError
from ...core.formats.sniffing import SNIFF_BYTES
from ...core.model import Job, Outcome, Record, Status
from ...core.ports.members import Content, MemberFacts, MemberOrder, Members, UnpackedFile
from ...core.urls import canonical, parse, split_plain
from ..context import TransferContext
from .checks import NO_FIELDS, is_as_promised, is_eligible, record_with
from .final_names import FinalNames, StagedFile

if TYPE_CHECKING:
    from ...core.ports import Buffer, Settle, Settled, Submit

MAX_WAITING_BYTES = 16 << 20
MAX_WAITING = 1_000
"""The members that wait have so many bytes, and are so many; the listing waits above that."""
SETTLED_AT_ONCE = 100
_members_of = attrgetter("members")


class MemberFile(StagedFile):
    """A member that was asked for."""

    __slots__ = ("job", "member", "members")

    def __init__(self, job: Job, url: str, members: Members, member: MemberFacts) -> None:
        self.urls: tuple[str, ...] = ()
        self.finished = None
        self.stalled = False
        self.job = job
        self.url = url
        self.members = members
        self.member = member
        self.staged = ""
        """the file without a name, once the member was given"""


class MemberFiles:
    """The members of one run. `put` gives a job to the general path; `read_all` runs as a task beside it."""

    def __init__(self, context: TransferContext, put: Submit, settle: Settle) -> None:
        self._context = context
        self._put = put
        self._settle = settle
        self._may_know_any = context.existing.looks_at_files or context.store.has_partials
        """of each file something may be on disk"""
        self._usual_places: set[str] = set()
        """beginnings of URLs that are canonical, if a plain path follows"""
        self._waiting: list[MemberFile] = []
        self._waiting_bytes = self._reading = 0
        self._landed: list[Settled] = []
        self._names = FinalNames[MemberFile](context, self._give_back)
        """for those that have landed"""
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
        if not self._waiting:
            self._has_waiting.set()
        self._waiting.append(file)
        self._waiting_bytes += file.member.size
        while self._waiting_bytes >= MAX_WAITING_BYTES or len(self._waiting) >= MAX_WAITING:
            await self._room()

    async def _room(self) -> None:
        self._has_room.clear()
        await self._has_room.wait()

    def _file(self, job: Job) -> MemberFile | None:
        """The member that a job asks for, if it is small and nothing is known of the file yet; others wait
        for its URL from now on."""
        asset, context = job.asset, self._context
        href = asset.href
        members = context.http.members_at(href)
        if members is None or asset.unavailable or not is_eligible(job):
            return None
        if (self._may_know_any or asset.checksum is not None) and self._may_know(job):
            return None
        member = members.find(href)
        limit = math.inf if members.are_files else context.store.small_bytes  # 0 while the disk is slow
        if member is None or not 0 < (size := member.size) <= limit or asset.size not in (None, size):
            return None
        url = self._canonical(href)
        file = MemberFile(job, url, members, member)
        return file if context.dedupe.begin_first(url, file, known_url=job.known_url) else None

    def _may_know(self, job: Job) -> bool:
        """Whether something of the file may be on disk, or in another mirror."""
        asset, context = job.asset, self._context
        if asset.checksum is not None and context.references is not None and context.references.may_have(job):
            return True
        return context.existing.may_keep(job) or context.store.has_partial(asset.identity)

    def _canonical(self, href: str) -> str:
        """The canonical URL of an href, which nearly always is the href itself."""
        plain = split_plain(href)
        if plain is None or "/download/" in href:
            return canonical(parse(href))
        if (place := plain[1]) not in self._usual_places:
            if (url := canonical(parse(href))) != href:
                return url
            self._usual_places.add(place)
        return href

    async def read_all(self) -> None:
        """Read what is submitted, until it is cancelled."""
        try:
            await self._read_on()
        finally:
            for file in self._names.staged.values():
                if not file.members.are_files:  # those were there already, and stay
                    self._context.store.unstage(file.staged)

    async def _read_on(self) -> None:
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            files, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._reading = len(files)
            self._has_room.set()
            for members in dict.fromkeys(map(_members_of, files)):
                await self._read(members, [file for file in files if file.members is members])
            self._reading = 0
            self._has_room.set()

    async def _read(self, members: Members, files: Sequence[MemberFile]) -> None:
        if self._context.events.observed:
            for file in files:
                self._context.events.job("start", file.job)
        await members.read(files, self._context.http.send, self._take)
        await self._settle_landed()
        for file in [file for file in files if not file.staged]:
            self._context.dedupe.end(file, (), None)
            await self._put(file.job)
        while self._returned:
            await self._put(self._returned.pop())

    def _take(self, order: MemberOrder, content: Content) -> Awaitable[None] | None:
        """Check a member, and note it as a file without a name; see `ports.TakeMember`."""
        assert isinstance(order, MemberFile)
        if isinstance(content, UnpackedFile):
            record = self._unpacked(order, content)
        else:
            record = self._written(order, content)
        if record is None:
            return None
        self._names.staged[record.path] = order
        size, landed = record.size, self._landed
        landed.append((Outcome(order.job, Status.FETCHED, record, None, 1, size), order.url))
        self._context.meter.received += size
        return LazyAwaitable(self._settle_landed) if len(landed) >= SETTLED_AT_ONCE else None

    def _unpacked(self, file: MemberFile, content: UnpackedFile) -> Record | None:
        """The record of a member that is on the disk, under its final name; None if anything is odd about
        it."""
        job, sha256 = file.job, content.sha256
        if not is_as_promised(job, NO_FIELDS, content.begin, bytes.fromhex(sha256)):
            return None
        file.staged = content.path
        return record_with(job, file.member.etag, content.size, sha256, content.mtime_ns)

    def _written(self, file: MemberFile, content: Buffer) -> Record | None:
        """The same for one whose bytes have to be written."""
        job, store, size = file.job, self._context.store, len(content)
        if size > store.small_bytes:
            return None
        digest = sha256(content)
        if not is_as_promised(job, NO_FIELDS, bytes(content[:SNIFF_BYTES]), digest.digest()):
            return None
        try:
            file.staged, mtime_ns = store.stage(content)
        except MlhubError:  # the general path meets it, too, and knows what to do
            return None
        return record_with(job, file.member.etag, size, digest.hexdigest(), mtime_ns)

    async def _settle_landed(self) -> None:
        landed, self._landed = self._landed, []
        await self._names.settle(landed, self._settle)

    def _give_back(self, file: MemberFile) -> None:
        self._returned.append(file.job)
        self._context.dedupe.end(file, (), None)
