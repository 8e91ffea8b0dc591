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
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ...core.errors import Locked, MlhubError, StorageError, TransferError
from ...core.json_text import dumps, loads
from ...core.ports import ObjectFacts, Objects, Sums

RENEW_SECONDS = 30.0
LEASE_SECONDS = 120.0
"""The age at which a lock is nobody's: several renewals have failed then."""
Sleep = Callable[[float], Awaitable[None]]


class PrefixLock:
    """`owner_file` has the name by which the runs of one state directory know their lock again."""

    def __init__(
        self, objects: Objects, key: str, name: str, owner_file: Path, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        """`name`: that of DEST in messages."""
        self._objects, self._key, self._name = objects, key, name
        self._owner_file, self._sleep = owner_file, sleep
        self._etag = ""
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
        except TransferError as error:
            if not error.unmet:
                raise
            raise self._refusal("", 0.0) from None

    async def _refuse_unless_free(self, there: ObjectFacts) -> None:
        try:
            found = loads(await self._objects.read(self._key, 0, there.size, there.etag))
        except (ValueError, TransferError):
            found = None
        about = found if isinstance(found, dict) else {}
        if about.get("owner") != self._owner and 0 <= there.age < LEASE_SECONDS:
            raise self._refusal(str(about.get("host", "")), there.age)

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
        """A renewal that fails otherwise is made up for by the next one."""
        while self.lost is None:
            await self._sleep(RENEW_SECONDS)
            try:
                self._etag = await self._put(self._etag)
            except TransferError as error:
                if error.unmet:
                    self.lost = Locked(f"{self._name}: another run has taken the lock of this prefix")
