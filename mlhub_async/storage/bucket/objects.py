"""Writes, copies, reads and removes the objects of a bucket, with what is the same for every store.

What differs is in `apis`: `StoreApi` makes the requests and reads the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from ...core.errors import TransferError, Transient
from ...core.model import Request
from ...core.ports import (
    Answer,
    ListedObject,
    ObjectFacts,
    StoreRequests,
    Sums,
    UnfinishedUpload,
    UploadPart,
    Whole,
)
from ...core.urls import redacted
from .apis.protocol import Call, StoreApi, Written

T = TypeVar("T")
CORRUPT_TRIES = 3
"""So often a body is sent if the store says that it has other bytes."""
COPY_PART_BYTES = 1 << 30
COPY_PAUSE_SECONDS = 1.0
"""Between two questions whether a copy is done."""
Sleep = Callable[[float], Awaitable[None]]


class BucketObjects:
    """See `ports.Objects`."""

    def __init__(self, requests: StoreRequests, api: StoreApi, *, sleep: Sleep = asyncio.sleep) -> None:
        self._requests, self._api, self._sleep = requests, api, sleep
        self.part_bytes, self.is_sequential, self.needs_md5 = (
            api.part_bytes,
            api.is_sequential,
            api.needs_md5,
        )
        self.has_conditions = True
        """whether the store knows conditional writes, as far as that is known"""

    async def listing(self, prefix: str) -> AsyncGenerator[Sequence[ListedObject], None]:
        token, asked = "", set[str]()
        while True:
            page = await self._do(self._api.page(prefix, token))
            if not all(one.key for one in page.objects):
                raise _hides_objects("an object without a name")
            yield page.objects
            token = page.following
            if not token:
                return
            if token in asked:
                raise _hides_objects("a page that it had")
            asked.add(token)

    async def facts(self, key: str) -> ObjectFacts | None:
        try:
            return await self._do(self._api.facts(key))
        except TransferError as error:
            if not error.absent:
                raise
            return None

    async def put(self, key: str, body: bytes, sums: Sums, *, replaces: str | None = None) -> str:
        for left in reversed(range(CORRUPT_TRIES)):
            condition = replaces
            written = await self._write(lambda given: self._api.put(key, body, sums, given), condition)
            if written.fits:
                break
            await self.remove(key)
            self._give_up(key, left)
            replaces = None if replaces is None else ""
        return written.etag

    def _give_up(self, key: str, left: int) -> None:
        if not left:
            where = redacted(self._api.facts(key).request.url)
            raise TransferError(f"{where}: the store has other bytes than were sent", kind="corrupt")

    async def begin_upload(self, key: str, whole: Whole, replaces: str | None = None) -> str:
        if isinstance(begun := self._api.begin_upload(key, whole, None), str):
            return begun
        return await self._write(lambda given: self._begin(key, whole, given), replaces)

    def _begin(self, key: str, whole: Whole, replaces: str | None) -> Call[str]:
        call = self._api.begin_upload(key, whole, replaces)
        assert not isinstance(call, str)
        return call

    async def put_part(
        self, upload: UnfinishedUpload, number: int, first: int, body: bytes, sums: Sums, whole: Whole
    ) -> UploadPart:
        for left in reversed(range(CORRUPT_TRIES)):
            call = self._api.put_part(upload, number, first, body, sums, whole)
            written = await self._do(call)
            if written.fits:
                break
            if self.is_sequential:
                await self._remove_written(upload.key, written)
            self._give_up(upload.key, 0 if self.is_sequential else left)
        size = len(body) if written.size is None else written.size - first
        return UploadPart(number, size, written.etag)

    async def _remove_written(self, key: str, written: Written) -> None:
        """Remove an object that has other bytes, unless there is another one by now."""
        facts = await self.facts(key)
        if facts is not None and facts.etag == written.etag:
            await self.remove(key)

    async def parts(self, upload: UnfinishedUpload) -> list[UploadPart]:
        found: list[UploadPart] = []
        while True:
            page = await self._do(self._api.parts(upload, found[-1].number if found else 0))
            found += page.parts
            if not page.parts or not page.goes_on:
                return found

    async def complete_upload(
        self,
        upload: UnfinishedUpload,
        parts: Sequence[UploadPart],
        whole: Whole,
        *,
        replaces: str | None = None,
    ) -> str:
        return await self._write(
            lambda given: self._api.complete_upload(upload, parts, whole, given), replaces
        )

    async def unfinished(self, prefix: str) -> list[UnfinishedUpload]:
        found: list[UnfinishedUpload] = []
        token = ""
        while (call := self._api.unfinished(prefix, token)) is not None:
            try:
                page = await self._do(call)
            except TransferError as error:
                if isinstance(error, Transient) and error.kind != "protocol":
                    raise
                break  # it does not tell
            found += [UnfinishedUpload(key, id_, "") for key, id_ in page.uploads]
            if not page.following or page.following == token:
                break
            token = page.following
        return found

    async def abort_upload(self, upload: UnfinishedUpload) -> None:
        if (request := self._api.abort_upload(upload)) is not None:
            await self._delete(request)

    async def copy(self, source: str, facts: ObjectFacts, key: str) -> str:
        if facts.size > self._api.max_copy_bytes:
            return await self._copy_in_parts(source, facts, key)
        copied = await self._do(self._api.copy(source, facts, key, ""))
        while copied.token:
            await self._sleep(COPY_PAUSE_SECONDS)
            copied = await self._do(self._api.copy(source, facts, key, copied.token))
        return copied.etag

    async def _copy_in_parts(self, source: str, facts: ObjectFacts, key: str) -> str:
        copy_part, whole = self._api.copy_part, Whole(facts.size, facts.sha256)
        assert copy_part is not None
        upload = UnfinishedUpload(key, await self.begin_upload(key, whole), facts.sha256)
        parts = []
        for number, first in enumerate(range(0, facts.size, COPY_PART_BYTES), 1):
            span = range(first, min(first + COPY_PART_BYTES, facts.size))
            parts.append(await self._do(copy_part(upload, number, source, facts, span)))
        return await self.complete_upload(upload, parts, whole)

    async def remove(self, key: str) -> None:
        await self._delete(self._api.remove(key))

    async def _delete(self, request: Request) -> None:
        try:
            await self._requests.ask(request)
        except TransferError as error:
            if not (error.no_content or error.absent):
                raise

    async def read(self, key: str, first: int, size: int, etag: str) -> bytes:
        if not size:
            return b""
        call = self._api.read(key, first, size, etag)

        def read(answer: Answer) -> bytes:
            body = call.read(answer)
            if len(body) != size:
                words = f"{redacted(call.request.url)}: other bytes than those asked for"
                raise Transient(words, kind="range", tries=3)
            return body

        return await self._do(call._replace(read=read))

    async def _write(self, call: Callable[[str | None], Call[T]], replaces: str | None) -> T:
        """A write that makes an object visible, with a condition where the store knows such."""
        if replaces is not None and self.has_conditions:
            try:
                return await self._do(call(replaces))
            except TransferError as error:
                if not error.unsupported:
                    raise
            self.has_conditions = False
        return await self._do(call(None))

    async def _do(self, call: Call[T]) -> T:
        found: list[T] = []

        def check(answer: Answer) -> None:
            found[:] = [call.read(answer)]

        await self._requests.ask(call.request, check, call.again)
        return found[0]


def _hides_objects(found: str) -> Transient:
    """The error for a listing that would hide objects: what is not listed is taken for not there."""
    return Transient(f"the object store listed {found}", kind="protocol", tries=3)
