"""A mirror behind an HTTP server as a reference: `mlhub-async serve`, or any server of the files of a mirror.

`serve` finds files by digest and by URL. Another server has them at their paths: there a file is looked for
at the path that it gets in DEST, and only if the catalogue publishes a digest of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from ....core.errors import AccessLost, Corrupt, TransferError
from ....core.model import Head, Job, Proof, Request
from ....core.ports import BodyWriter
from ....core.urls import canonical, origin, parse, redacted, term_safe
from ....http.decoding.body import AS_STORED, is_encoded
from ....http.status import OK
from ....http.validators import content_length
from ....storage.layout import DIGEST_ADDRESS, LOOKUP_ADDRESS, LOOKUP_MARK
from .found import FoundFile

if TYPE_CHECKING:
    from ....core.ports import Buffer
    from ....http.client import Http


class ServedReference:
    """See `found.Reference`. `url` is the parsed address of its DEST, with a slash at the end; `http` is a
    client for references alone, which its owner closes."""

    def __init__(self, url: str, http: Http) -> None:
        self.name = term_safe(redacted(url), 300)
        self._url = url
        self._http = http
        self._finds: bool | None = None
        """whether it finds files by digest and URL; None: not asked yet"""
        self._asking = asyncio.Lock()

    async def find(self, job: Job) -> FoundFile | None:
        gate = self._http.limits.gate(origin(self._url))
        if gate.held_for > 0:
            return None
        async with self._asking:
            if self._finds is None:
                self._finds = await self._is_serve()
        asset = job.asset
        published = asset.checksum
        digest = published is not None and published.usable
        if self._finds and published is not None and published.algorithm == "sha256":
            whole = len(published.digest) == 32
            sha256 = published.digest.hex()
            if whole and job.suffix_pending:  # its name there tells the suffix
                known = await self._lookup({"sha-256": sha256})
                return None if known is None else known._replace(validator="", url="")
            return FoundFile(f"{DIGEST_ADDRESS}/{sha256}", asset.size, sha256) if whole else None
        if self._finds:
            named = dict(zip(("collection", "item", "key"), asset.identity, strict=True))
            return await self._lookup({"url": canonical(parse(asset.href)), **named})
        return FoundFile(job.path, asset.size) if digest else None

    async def fill(self, found: FoundFile, job: Job, body: BodyWriter, algorithms: list[str]) -> int:
        sink = _BodySink(self.name, found, body, algorithms)
        request = Request(self._url + quote(found.path), headers=AS_STORED)
        with _no_end_of_run():
            await self._http.get(request, sink)
        sink.check_whole()
        return body.offset

    def give_up(self) -> None:
        breaker = self._http.limits.gate(origin(self._url)).breaker
        breaker.give_up_for_now(f"{self.name} is not asked any more", "host-down")

    def close(self) -> None:
        """The client is not its own."""

    async def _is_serve(self) -> bool:
        """Raises `TransferError` where there is no server."""
        try:
            with _no_end_of_run():
                answer = await self._http.read(Request(self._url + LOOKUP_ADDRESS))
        except TransferError as error:
            if error.status is None and error.kind not in ("not-json", "page", "data"):
                raise
            return False
        return isinstance(answer.body, dict) and LOOKUP_MARK in answer.body

    async def _lookup(self, asked: dict[str, str]) -> FoundFile | None:
        address = f"{self._url}{LOOKUP_ADDRESS}?{urlencode(asked, errors='replace')}"
        try:
            with _no_end_of_run():
                answer = await self._http.read(Request(address))
        except TransferError as error:
            if error.absent:
                return None
            raise
        return _found_of(answer.body, self.name)


@contextmanager
def _no_end_of_run() -> Iterator[None]:
    """Keys that a reference refuses again and again end no run: the origins are there."""
    try:
        yield
    except AccessLost as lost:
        raise TransferError(lost.message, kind=lost.kind) from None


def _found_of(told: Any, name: str) -> FoundFile:
    """Raises `TransferError` for an answer that has another form."""
    try:
        size, sha256 = told["size"], told["sha256"]
        texts = [told[name] for name in ("path", "validator", "url")]
        whole = len(bytes.fromhex(sha256)) == 32 and type(size) is int and size >= 0
        if whole and all(isinstance(one, str) for one in texts):
            path, validator, url = texts
            return FoundFile(path, size, sha256, validator, url, Proof(told["proof"]))
    except (KeyError, TypeError, ValueError):
        pass
    raise TransferError(f"{name} answers in a form that is not known", kind="protocol")


class _BodySink:
    """Takes the response with a file; see `ports.Sink`."""

    def __init__(self, name: str, found: FoundFile, body: BodyWriter, algorithms: list[str]) -> None:
        self._name = name
        self._found = found
        self._body = body
        self._algorithms = algorithms
        self._size = found.size

    def start(self, head: Head) -> None:
        length, size = content_length(head.headers), self._found.size
        if head.status != OK or is_encoded(head.headers, self._found.path):
            raise TransferError(f"{self._name}: {self._found.path} is not sent as it is", kind="protocol")
        if length is not None and size is not None and length != size:
            raise self._other_size(length)
        self._size = size if length is None else length
        self._body.begin(self._algorithms, self._size)

    def write(self, data: Buffer) -> Awaitable[None] | None:
        if self._size is not None and self._body.offset + len(data) > self._size:
            raise self._other_size(self._body.offset + len(data))
        return self._body.write(data)

    def check_whole(self) -> None:
        if self._size is not None and self._body.offset != self._size:
            raise self._other_size(self._body.offset)

    def _other_size(self, size: int) -> Corrupt:
        words = f"{self._name} sent {size} bytes of {self._found.path}, not {self._found.size}"
        return Corrupt(words, kind="wrong-bytes")
