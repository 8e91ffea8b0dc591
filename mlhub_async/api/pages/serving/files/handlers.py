"""Request handlers for the files of a mirror, the public files of its state, and the manifest."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from .....core.errors import TransferError
from .....core.urls import canonical, parse
from .....engine.verify.following import FollowedLedger
from .....engine.verify.snapshot import LedgerSnapshot, read_mirror
from .....storage.integrity import open_unfollowed
from .....storage.layout import LOOKUP_MARK
from .....storage.ledger.lookups.browsing import Database, FileRow, file_at
from .....storage.ledger.lookups.copies import FileCopy, copy_by_digest, copy_by_url, copy_of_asset
from .media_types import media_type
from .opened import OpenedFile, open_file, path_of, regular
from .responses import send_file

_is_sha256 = re.compile(r"[0-9a-f]{64}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class MirrorFiles:
    """The handlers for the mirror at `dest`."""

    dest: Path
    ledger: FollowedLedger

    async def file(self, request: web.Request) -> web.StreamResponse:
        path = path_of(request.rel_url.raw_path)
        found = await asyncio.to_thread(self._open, path) if path is not None else None
        if found is None:
            raise web.HTTPNotFound
        opened, role = found
        return await send_file(request, opened, media_type(opened.path, role))

    def _open(self, path: str) -> tuple[OpenedFile, int | None] | None:
        row = self.ledger.ask(lambda snapshot: file_at(snapshot.statements.database, path))
        return self._opened(path, row)

    def _opened(self, path: str, row: FileRow | None) -> tuple[OpenedFile, int | None] | None:
        opened = open_file(self.dest, path, known=row is not None and row.is_there)
        return None if opened is None else (_with_digest(opened, row), None if row is None else row.role)

    async def by_digest(self, request: web.Request) -> web.StreamResponse:
        """The file with the SHA-256 that the address ends with."""
        sha256 = request.match_info["digest"].lower()
        found = await asyncio.to_thread(self._open_copy, sha256) if _is_sha256(sha256) else None
        if found is None:
            raise web.HTTPNotFound
        return await send_file(request, found, media_type(found.path, None))

    def _open_copy(self, sha256: str) -> OpenedFile | None:
        row = self.ledger.ask(lambda snapshot: _row_of(snapshot.statements.database, sha256))
        found = None if row is None else self._opened(row.path, row)
        if found is not None and found[0].sha256 != sha256:
            found[0].file.close()
            return None
        return None if found is None else found[0]

    async def lookup(self, request: web.Request) -> web.Response:
        """What the ledger has of the file with a digest, or from a URL, or else of the file of an asset.

        Without any of these: that this can be asked."""
        asked = request.query
        if not {"url", "sha-256"} & set(asked):
            return web.json_response({LOOKUP_MARK: 1, "by": ["url", "collection item key", "sha-256"]})
        identity = asked.get("collection", ""), asked.get("item", ""), asked.get("key", "")
        url, sha256 = _canonical(asked.get("url", "")), asked.get("sha-256", "")

        def look(snapshot: LedgerSnapshot) -> FileCopy | None:
            database = snapshot.statements.database
            if sha256:
                return copy_by_digest(database, sha256)
            return (copy_by_url(database, url) or copy_of_asset(database, identity)) if url else None

        if (copy := await asyncio.to_thread(self.ledger.ask, look)) is None:
            raise web.HTTPNotFound
        return web.json_response(copy._asdict())

    async def state_file(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/")
        opened = await asyncio.to_thread(self._open_state, path)
        if opened is None:
            raise web.HTTPNotFound
        return await send_file(request, opened, media_type(path, None))

    def _open_state(self, path: str) -> OpenedFile | None:
        try:
            return regular(path, open_unfollowed(self.dest / path))
        except FileNotFoundError:
            return None

    async def manifest(self, request: web.Request) -> web.StreamResponse:
        """Streamed from a look at the ledger of its own: it may have millions of lines."""
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        response.headers["Cache-Control"] = "no-cache"
        with ExitStack() as stack:
            snapshot = await asyncio.to_thread(stack.enter_context, read_mirror(self.dest))
            await response.prepare(request)
            if request.method == "GET":
                await _write_manifest(response, snapshot)
        await response.write_eof()
        return response


async def _write_manifest(response: web.StreamResponse, snapshot: LedgerSnapshot) -> None:
    lines = snapshot.statements.manifest_lines(snapshot.run_id)
    while some := await asyncio.to_thread(next, lines, b""):
        await response.write(some)


def _canonical(url: str) -> str:
    """A URL as the ledger has it; "" for what is none."""
    try:
        return canonical(parse(url))
    except TransferError:
        return ""


def _row_of(database: Database, sha256: str) -> FileRow | None:
    """The row of a file with this digest."""
    copy = copy_by_digest(database, sha256)
    return None if copy is None else file_at(database, copy.path)


def _with_digest(opened: OpenedFile, row: FileRow | None) -> OpenedFile:
    """With the digest of the ledger, if the file is still the one that it was of."""
    if row is None or not row.sha256 or not row.is_as_recorded(*opened.state):
        return opened
    return OpenedFile(opened.path, opened.file, opened.state, row.sha256)
