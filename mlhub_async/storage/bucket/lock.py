"""The lock of a mirror in a bucket: an object that the run which owns the prefix renews while it lasts.

It is created with If-None-Match and renewed with If-Match, so that of two runs one has it, where the store
knows conditional writes. Its age is told by the store: the clocks of machines do not matter. A run that was
killed leaves it behind: its own state directory knows it again, any other waits until it is old.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ...core.errors import Locked, MlhubError, StorageError, TransferError
from ...core.json_text import dumps, loads
from ...core.ports import ObjectFacts, Objects, Sums

RENEW_SECONDS = 30.0
LEASE_SECONDS = 120.0
"""The age at which a lock is nobody's: several renewals have failed then."""
DOUBTFUL_SECONDS = 2 * RENEW_SECONDS
"""So long after a renewal the store is asked before anything is changed: the machine may have stood still."""
Sleep = Callable[[float], Awaitable[None]]


def seconds_since_boot() -> float:
    """Those included for which the machine was suspended, where the system counts them."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class PrefixLock:
    """`owner_file` has the name by which the runs of one state directory know their lock again."""

    def __init__(
        self,
        objects: Objects,
        key: str,
        name: str,
        owner_file: Path,
        *,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = seconds_since_boot,
    ) -> None:
        """`name`: that of DEST in messages. `clock` goes on while the machine is suspended."""
        self._objects, self._key, self._name = objects, key, name
        self._owner_file, self._sleep = owner_file, sleep
        self._clock, self._renewed_at = clock, clock()
        self._etag = ""
        self._renewal = asyncio.Lock()
        self.lost: Locked | None = None
        """why the prefix is not ours any more"""

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Raises `Locked` where another run has it."""
        self._owner = self._known_owner()
        await self._take()
        renewing = self.renewing = asyncio.get_running_loop().create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing
            if self.lost is None:
                with contextlib.suppress(MlhubError):  # it grows old
                    await self.confirm()
                    await self._objects.remove(self._key)

    def _known_owner(self) -> str:
        try:
            if self._owner_file.exists() and (known := self._owner_file.read_text("ascii")):
                return known
            self._owner_file.write_text(made := os.urandom(16).hex(), "ascii")
        except OSError as error:
            raise StorageError(f"{self._owner_file}: {error.strerror}; choose another --state") from None
        return made

    async def _take(self) -> None:
        there = await self._objects.facts(self._key)
        if there is not None:
            await self._refuse_unless_free(there)
        try:
            self._etag = await self._put("" if there is None else there.etag)
            self._renewed_at = self._clock()
        except TransferError as error:
            if not error.unmet:
                raise
            raise self._refusal("", 0.0) from None

    async def _refuse_unless_free(self, there: ObjectFacts) -> None:
        about = await self._found(there)
        if about.get("owner") != self._owner and 0 <= there.age < LEASE_SECONDS:
            raise self._refusal(str(about.get("host", "")), there.age)

    async def _found(self, there: ObjectFacts) -> dict[str, object]:
        try:
            found = loads(await self._objects.read(self._key, 0, there.size, there.etag))
        except (ValueError, TransferError):
            found = None
        return found if isinstance(found, dict) else {}

    async def confirm(self) -> None:
        """Raise `Locked` where the prefix is not ours any more. Call it before each change of an object."""
        if self.lost is None and self._clock() - self._renewed_at > DOUBTFUL_SECONDS:
            async with self._renewal:
                if self.lost is None and self._clock() - self._renewed_at > DOUBTFUL_SECONDS:
                    await self._take_again()
        if self.lost is not None:
            raise self.lost

    async def _take_again(self) -> None:
        """Find the lock as this run has left it, also in a store without conditional writes, and renew it."""
        there = await self._objects.facts(self._key)
        if there is None or (await self._found(there)).get("owner") != self._owner:
            self.lost = self._loss()
        else:
            self._etag = there.etag  # the answer to a renewal may have been lost
            await self._renew_once()

    def _loss(self) -> Locked:
        return Locked(f"{self._name}: another run has taken the lock of this prefix")

    def _refusal(self, host: str, age: float) -> Locked:
        who = f" on {host!a}" if host else ""
        return Locked(
            f"{self._name}: another run{who} owns this prefix, by a lock of {age:.0f} s: wait for it to end;"
            f" one that was killed loses it {LEASE_SECONDS:.0f} s after it was renewed last"
        )

    async def _put(self, replaces: str) -> str:
        about = {"owner": self._owner, "host": socket.gethostname(), "pid": os.getpid()}
        body = dumps({**about, "renewal": os.urandom(8).hex()})
        digest = hashlib.sha256(body)
        sums = Sums(hashlib.md5(body, usedforsecurity=False).digest(), digest.digest(), digest.hexdigest())
        return await self._objects.put(self._key, body, sums, replaces=replaces)

    async def _renew(self) -> None:
        while self.lost is None:
            await self._sleep(RENEW_SECONDS)
            async with self._renewal:
                await self._renew_once()

    async def _renew_once(self) -> None:
        """One that fails otherwise than by another lock, or none, is made up for by the next one."""
        try:
            self._etag = await self._put(self._etag)
            self._renewed_at = self._clock()
        except TransferError as error:
            if error.unmet or error.absent:
                self.lost = self._loss()
