"""Asks where the files of a lockfile are whether they still are the same: what a mirror of it would meet.

Published digests and validators of a listing answer first, then a conditional request, the size and the
digest in the head of an answer. Only what none of these decides is read; nothing is written.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...core import checksum
from ...core.concurrency import affordable_transfers, fan_out
from ...core.errors import SourceError, TransferError, Transient
from ...core.model import Asset, Head, Request
from ...core.options import Options
from ...core.urls import parse, term_safe
from ...http.decoding.body import AS_STORED, is_encoded
from ...http.resilience.concurrency import MAX_LIMIT
from ...http.status import NOT_MODIFIED, OK
from ...http.validators import content_length
from ...sources.items.lockfile.format import LockedFile
from ...sources.items.lockfile.reading import read_header
from ...stac.objects import is_version
from ...storage.indexes.sorting import sorted_lines
from ..connect import open_lock_places
from .locked_changes import locked_files

if TYPE_CHECKING:
    from ...core.ports import Buffer
    from ...http.client import Http


class Found(enum.StrEnum):
    """What there is in the place of a file."""

    SAME = "same"
    GONE = "gone"
    SIZE = "size"
    """a file of another size"""
    DIGEST = "digest"
    """a file of the same size with other bytes"""
    REFUSED = "refused"
    """nobody may read it, as this program was started"""
    UNKNOWN = "unknown"
    """it cannot be asked for: it has no address, or not one that can be used"""
    FAILED = "failed"
    """it could not be asked for at present: another check may"""


class CheckedFile(NamedTuple):
    """A file of the lockfile. `by` is what has decided: "listing", "request", "head", "body", or "".

    `why` says in words what there is instead.
    """

    row: LockedFile
    found: Found
    by: str = ""
    why: str = ""


@dataclass(slots=True)
class LockCheck:
    """The counts of a check. `decided` counts the files that are the same by what has told it."""

    found: Counter[Found] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    received: int = 0
    """bytes of bodies that had to be read"""

    @property
    def exit_code(self) -> int:
        """0: all are the same; 5: nothing is known of some at present; 4: others."""
        others = {kind for kind, count in self.found.items() if count} - {Found.SAME}
        return 0 if not others else 5 if others == {Found.FAILED} else 4


async def check_lockfile(
    path: Path, options: Options, environ: Mapping[str, str], each: Callable[[CheckedFile], None]
) -> LockCheck:
    """Check all files of a local lockfile; `each` is called with those that are not the same, in any order.

    Raises `SourceError` for what is no lockfile, or one that was changed, before anything is asked for; for
    a place of `--from` what `mirror` raises.
    """
    _refuse_changed(path)
    result = LockCheck()
    async with open_lock_places(path, options, environ) as (http, elsewhere):
        check = _Check(http, elsewhere, result)

        async def produce(put: Callable[[LockedFile], Awaitable[None]]) -> None:
            for row in locked_files(path):
                await put(row)

        async def work(row: LockedFile) -> None:
            checked = await check.file(row)
            result.found[checked.found] += 1
            if checked.found is Found.SAME:
                result.decided[checked.by] += 1
            else:
                each(checked)

        await fan_out(produce, work, affordable_transfers(options.concurrency or MAX_LIMIT))
    return result


def _refuse_changed(path: Path) -> None:
    """Raise `SourceError` for a lockfile whose lines are not those that its header has the digest of.

    An ETag that is of other bytes than a changed line says would be taken for an answer.
    """
    digest = hashlib.sha256()
    for line in sorted_lines(f"{row.path} {row.size} {row.sha256}\n" for row in locked_files(path)):
        digest.update(line.encode())
    where = term_safe(str(path), 300)
    with path.open("rb") as file:
        if read_header(file, where).manifest_sha256 != digest.hexdigest():
            raise SourceError(
                f"{where}: its files are not those of its manifest_sha256: it was changed; write the "
                "lockfile anew: mlhub-async lock DEST -o FILE",
                kind="not-lock",
            )


class ListedElsewhere(Protocol):
    """What another place lists of the files of a lockfile; see `sources.items.lockfile.elsewhere`."""

    def best(self, row: LockedFile) -> Asset | None: ...

    def addresses(self, row: LockedFile) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class _Check:
    http: Http
    elsewhere: ListedElsewhere | None
    result: LockCheck

    async def file(self, row: LockedFile) -> CheckedFile:
        """The best answer that any address of the file gives."""
        there = None if self.elsewhere is None else self.elsewhere.best(row)
        if there is not None and (listed := _by_listing(row, there)) is not None:
            return listed
        named = [] if self.elsewhere is None else self.elsewhere.addresses(row)
        own = [one for one in (row.href, *row.alternates) if one]
        first: CheckedFile | None = None
        for href in dict.fromkeys([*named, *own]):
            answer = await self._at(href, row)
            if answer.found is Found.SAME:
                return answer
            first = first or answer
        why = "the lockfile has no address of it: --from SOURCE names another place"
        return first or CheckedFile(row, Found.UNKNOWN, why=why)

    async def _at(self, href: str, row: LockedFile) -> CheckedFile:
        try:
            return await self.http.retry(partial(self._once, href, row))
        except Transient as error:
            return CheckedFile(row, Found.FAILED, why=error.message)
        except TransferError as error:
            missing = error.absent or error.kind == "not-found"
            found = Found.GONE if missing else Found.REFUSED if error.denied else Found.UNKNOWN
            return CheckedFile(row, found, why=error.message)

    async def _once(self, href: str, row: LockedFile) -> CheckedFile:
        url, condition = parse(href), {}
        if row.validator:
            name = "if-none-match" if row.validator.startswith('"') else "if-modified-since"
            condition = {name: row.validator}
        sink = _Answer(row)
        try:
            await self.http.get(Request(url, headers={**AS_STORED, **condition}), sink)
        except _Decided as decided:
            return decided.answer
        finally:
            self.result.received += sink.received
        return sink.whole()


def _by_listing(row: LockedFile, there: Asset) -> CheckedFile | None:
    """What the listing of another place says of a file; None if it does not decide."""
    published = there.checksum
    if published is not None and published.algorithm == "sha256":
        if checksum.matches(published, bytes.fromhex(row.sha256)):
            return CheckedFile(row, Found.SAME, "listing")
        return CheckedFile(row, Found.DIGEST, "listing", "another digest is published")
    if there.size not in (None, row.size):
        return _other_size(row, there.size, "listing")
    if there.size == row.size and is_version(there, row.validator):
        return CheckedFile(row, Found.SAME, "listing")
    return None


def _other_size(row: LockedFile, size: int | None, by: str) -> CheckedFile:
    return CheckedFile(row, Found.SIZE, by, f"{size} bytes, not {row.size}")


class _Decided(Exception):
    """The head has decided: the body is not read."""

    def __init__(self, answer: CheckedFile) -> None:
        super().__init__(answer.found)
        self.answer = answer


class _Answer:
    """The sink of one request; see `ports.Sink`. Reads no more of a body than it must."""

    def __init__(self, row: LockedFile) -> None:
        self._row = row
        self._unchanged = False
        self._digest = hashlib.sha256()
        self.received = 0

    def start(self, head: Head) -> None:
        row, fields = self._row, head.headers
        if head.status == NOT_MODIFIED:
            self._unchanged = True
            return
        if head.status != OK or is_encoded(fields, row.path):
            raise TransferError(f"{term_safe(row.path)}: it is not sent as it is", kind="protocol")
        if (length := content_length(fields)) not in (None, row.size):
            raise _Decided(_other_size(row, length, "head"))
        published = checksum.from_headers(fields)
        if published is not None and published.algorithm == "sha256":
            same = checksum.matches(published, bytes.fromhex(row.sha256))
            raise _Decided(CheckedFile(row, *((Found.SAME, "head") if same else (Found.DIGEST, "head"))))

    def write(self, data: Buffer) -> None:
        self.received += len(data)
        self._digest.update(data)
        if self.received > self._row.size:
            raise _Decided(CheckedFile(self._row, Found.SIZE, "body", f"more than {self._row.size} bytes"))

    def whole(self) -> CheckedFile:
        row = self._row
        if self._unchanged:
            return CheckedFile(row, Found.SAME, "request")
        if self.received != row.size:
            return _other_size(row, self.received, "body")
        same = self._digest.hexdigest() == row.sha256
        return CheckedFile(row, Found.SAME if same else Found.DIGEST, "body")
