"""Writes an object of any size: a small one by one request, a large one in parts.

The key of every upload is noted in the state directory before that begins, and its id before its first part,
with the SHA-256 of the body. A later run that has the same body goes on with it: with those parts whose sizes
and MD5, as the store tells them, are those of the body; or, where the store compares the MD5 of the whole,
behind the last byte that it has. What is left in the end is aborted, as are the uploads of noted keys whose
ids never came: nobody sees the parts of an upload, but they are stored and paid for.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from ...core.concurrency import FirstErrorGroup
from ...core.errors import MlhubError, StorageError, TransferError
from ...core.json_text import dumps, loads
from ...core.ports import Objects, Sums, UnfinishedUpload, UploadPart, Whole

PARTS_AT_A_TIME = 4
"""Of all uploads of a run: so many parts are in memory at most."""
MAX_PARTS = 10_000
READ_BYTES = 8 << 20
MAX_STALLS = 5
"""So often in a row a store may have nothing of a part that was sent."""
PART_STEP_BYTES = 1 << 20
"""The size of the parts of a huge object is a multiple of this."""

Read = Callable[[int, int], Awaitable[bytes]]
"""Reads so many bytes of a body from an offset on."""


class Body(NamedTuple):
    """A body that is complete and checked: its size in bytes, its SHA-256 in hex, and how it is read."""

    size: int
    sha256: str
    read: Read

    async def whole(self, *, md5: bool) -> Whole:
        """What becomes one object. `md5`: its MD5 is needed, for which it is read once."""
        if not md5:
            return Whole(self.size, self.sha256)
        digest = hashlib.md5(usedforsecurity=False)
        for first in range(0, self.size, READ_BYTES):
            piece = await self.read(first, min(READ_BYTES, self.size - first))
            await asyncio.to_thread(digest.update, piece)
        return Whole(self.size, self.sha256, digest.digest())


class UploadEnded(TransferError):
    """The store does not know an unfinished upload any more, or parts of it: a lifecycle rule of the bucket,
    an administrator or its age has ended it. Another one may be completed."""

    def __init__(self, refusal: TransferError) -> None:
        super().__init__(
            f"{refusal.message}; the store knows the unfinished upload no more: a lifecycle rule of the "
            "bucket, or somebody else, has ended it",
            kind="upload-ended",
        )


class Uploads:
    """The uploads of one run below a prefix. `journal`: the file of the unfinished ones."""

    def __init__(self, objects: Objects, prefix: str, journal: Path) -> None:
        self._objects, self._prefix = objects, prefix
        self._journal = journal
        self._room = asyncio.Semaphore(PARTS_AT_A_TIME)
        self._left: dict[str, list[UnfinishedUpload]] = {}
        """those that earlier runs began, by key"""
        self._mine: set[UnfinishedUpload] = set()
        self._keys: set[str] = set()
        """of all uploads that this run or earlier ones have begun"""

    def open(self) -> None:
        """Find what earlier runs have begun."""
        with contextlib.suppress(OSError):
            for line in self._journal.read_bytes().splitlines():
                if (upload := _noted(line)) is not None:
                    self._keys.add(upload.key)
                    if upload.id:
                        self._left.setdefault(upload.key, []).append(upload)

    async def write(self, key: str, body: Body, replaces: str) -> str:
        """Make an object of a body, in place of the one with this ETag ("": none). Returns its ETag.

        Raises `TransferError`, `unmet` where there is another object by now.
        """
        if body.size <= self._objects.part_bytes:
            return await self._put(key, body, replaces)
        whole = await body.whole(md5=self._objects.needs_md5)
        upload, known = await self._begun(key, body)
        if upload is not None:
            try:
                return await self._go_on(upload, known, body, whole, replaces)
            except UploadEnded:
                pass
            except TransferError as error:
                # In an order its condition is about what was there when it was begun.
                if not (self._objects.is_sequential and error.unmet):
                    raise
                await self._abandon(upload)
        try:
            return await self._begin(key, body, whole, replaces)
        except UploadEnded:
            return await self._begin(key, body, whole, replaces)

    async def _begin(self, key: str, body: Body, whole: Whole, replaces: str) -> str:
        self._note(UnfinishedUpload(key, "", body.sha256))
        try:
            upload_id = await self._objects.begin_upload(key, whole, replaces)
        except TransferError as error:
            return await self._done_already(error, key, body)
        return await self._go_on(UnfinishedUpload(key, upload_id, body.sha256), {}, body, whole, replaces)

    async def _go_on(
        self,
        upload: UnfinishedUpload,
        known: dict[int, UploadPart],
        body: Body,
        whole: Whole,
        replaces: str,
    ) -> str:
        self._mine.add(upload)
        self._note(upload)
        try:
            if self._objects.is_sequential:
                etag = await self._send_in_order(upload, body, whole, known)
            else:
                parts = await self._send(upload, body, whole, known)
                etag = await self._objects.complete_upload(upload, parts, whole, replaces=replaces)
        except TransferError as error:
            etag = await self._done_already(await self._explained(error, upload), upload.key, body)
        found = await self._objects.facts(upload.key)
        if found is None or found.size != body.size:
            size = "nothing" if found is None else f"{found.size} bytes"
            raise StorageError(f"{upload.key}: the store has {size} where {body.size} bytes were put")
        self._mine.discard(upload)
        return found.etag or etag

    async def _explained(self, error: TransferError, upload: UnfinishedUpload) -> TransferError:
        """The error of a request of an upload; `UploadEnded`, and it is abandoned, where that is why."""
        if not (error.absent or error.rejected):
            return error
        await self._abandon(upload)
        return UploadEnded(error)

    async def _abandon(self, upload: UnfinishedUpload) -> None:
        self._mine.discard(upload)
        with contextlib.suppress(MlhubError):  # it ends by itself
            await self._objects.abort_upload(upload)

    async def _put(self, key: str, body: Body, replaces: str) -> str:
        async with self._room:
            data = await body.read(0, body.size)
            try:
                return await self._objects.put(key, data, _sums(data, body.sha256), replaces=replaces)
            except TransferError as error:
                return await self._done_already(error, key, body)

    async def _begun(self, key: str, body: Body) -> tuple[UnfinishedUpload | None, dict[int, UploadPart]]:
        """An upload of this body that a run which was killed began, and its parts; None without one."""
        for upload in [one for one in self._left.get(key, []) if one.sha256 == body.sha256]:
            self._left[key].remove(upload)
            try:
                parts = await self._objects.parts(upload)
            except TransferError as error:
                if not error.absent:
                    raise
            else:
                return upload, {one.number: one for one in parts}
        return None, {}

    def _note(self, upload: UnfinishedUpload) -> None:
        self._keys.add(upload.key)
        try:
            with open(self._journal, "ab", opener=_for_owner) as file:
                file.write(dumps(list(upload)) + b"\n")
        except OSError as error:
            raise StorageError(f"{self._journal}: {error.strerror}; choose another --state") from None

    async def _send_in_order(
        self, upload: UnfinishedUpload, body: Body, whole: Whole, known: dict[int, UploadPart]
    ) -> str:
        """Put the parts behind those that the store has. Returns the ETag of the object."""
        first, etag, number = sum(one.size for one in known.values()), "", 0
        size, stalls = self._part_bytes(body.size), 0
        while first < body.size or not number:
            number += 1
            async with self._room:
                data = await body.read(first, min(size, body.size - first))
                sums = await asyncio.to_thread(_sums, data, body.sha256)
                part = await self._objects.put_part(upload, number, first, data, sums, whole)
            stalls = 0 if part.size > 0 else stalls + 1
            if stalls > MAX_STALLS:
                raise TransferError(f"{upload.key}: the store takes nothing of an upload", kind="protocol")
            first, etag = first + part.size, part.etag
        return etag

    async def _send(
        self, upload: UnfinishedUpload, body: Body, whole: Whole, known: dict[int, UploadPart]
    ) -> list[UploadPart]:
        """All parts, those included that the store has already and that are those of the body."""
        size, parts = self._part_bytes(body.size), dict[int, UploadPart]()

        async def send(number: int, first: int, data: bytes, sums: Sums) -> None:
            try:
                parts[number] = await self._objects.put_part(upload, number, first, data, sums, whole)
            finally:
                self._room.release()

        async with FirstErrorGroup() as group:
            for number, first in enumerate(range(0, body.size, size), 1):
                await self._room.acquire()
                try:
                    data = await body.read(first, min(size, body.size - first))
                    sums = await asyncio.to_thread(_sums, data, body.sha256)
                    if _is_part(known.get(number), data, sums):
                        parts[number] = known[number]
                except BaseException:
                    self._room.release()
                    raise
                if number in parts:
                    self._room.release()
                else:
                    group.create_task(send(number, first, data, sums))
        return [parts[number] for number in sorted(parts)]

    def _part_bytes(self, size: int) -> int:
        least = -(-size // MAX_PARTS)
        return max(self._objects.part_bytes, -(-least // PART_STEP_BYTES) * PART_STEP_BYTES)

    async def _done_already(self, error: TransferError, key: str, body: Body) -> str:
        """The ETag where the request was carried out and only its answer was lost; else raises `error`."""
        if not (error.unmet or error.absent or error.rejected or isinstance(error, UploadEnded)):
            raise error
        found = await self._objects.facts(key)
        if found is None or (found.size, found.sha256) != (body.size, body.sha256):
            raise error
        return found.etag

    async def end(self) -> None:
        """Abort what earlier runs have begun and this one did not go on with.

        What this run could not complete is left to the next one.
        """
        try:
            for key in list(self._left):
                for upload in self._left[key]:
                    await self._objects.abort_upload(upload)
                del self._left[key]
            if self._keys:
                await self._abort_unknown()
        except MlhubError:
            return  # the ids stay in the journal
        with contextlib.suppress(OSError):
            self._journal.unlink(missing_ok=True)
            for upload in self._mine:
                self._note(upload)

    async def _abort_unknown(self) -> None:
        """Abort those whose ids never came: a run was killed before, or the answer was lost."""
        mine = {(one.key, one.id) for one in self._mine}
        for upload in await self._objects.unfinished(self._prefix):
            if upload.key in self._keys and (upload.key, upload.id) not in mine:
                await self._objects.abort_upload(upload)


def _for_owner(path: str, flags: int) -> int:
    """The id of an upload may be all that is needed to go on with it."""
    return os.open(path, flags, 0o600)


def _noted(line: bytes) -> UnfinishedUpload | None:
    """A line that was written in part names no upload."""
    try:
        key, id_, sha256 = loads(line)
    except (ValueError, TypeError):
        return None
    found = UnfinishedUpload(key, id_, sha256)
    return found if all(isinstance(one, str) for one in found) else None


def _sums(data: bytes, whole: str) -> Sums:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return Sums(md5, hashlib.sha256(data).digest(), whole)


def _is_part(known: UploadPart | None, data: bytes, sums: Sums) -> bool:
    """Whether a part that the store has is this one. An ETag that is no MD5 proves nothing."""
    return known is not None and known.size == len(data) and known.etag == sums.md5.hex()
