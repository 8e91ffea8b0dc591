"""Reads small members that lie beside each other by one request: one range has many of them."""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from .....core.concurrency import parked
from .....core.errors import MlhubError, Transient
from .....core.formats.archives.zip_directory import ZipDirectory, ZipMember
from .....core.ports import Send
from ..ranges import Take

CELL_BYTES = 2 << 20
SMALL_BYTES = 256 << 10
"""Members of up to so many bytes in the archive are read with their neighbours."""
MAX_CELLS = 16
"""Cells that are kept: workers ask for members that are not far from each other, in any order."""


class ZipBytes(Protocol):
    """The bytes of an archive, wherever they are: see `ArchiveBytes`."""

    where: str
    total: int

    async def read(self, send: Send, first: int, end: int) -> bytes: ...

    async def stream(self, send: Send, first: int, end: int, take: Take) -> None: ...


@dataclass(slots=True)
class _Cell:
    """Members beside each other, in the bytes of the archive from `first` to before `end`."""

    first: int
    end: int
    data: memoryview | None = None
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class ReadAhead:
    """The cells of one archive. Each is asked for by whoever needs it first; others wait for it."""

    def __init__(self, archive: ZipBytes, directory: ZipDirectory) -> None:
        self._archive = archive
        self._directory = directory
        self._cells: OrderedDict[int, _Cell] = OrderedDict()
        """by the offset of their first byte, the one that was used last at the end"""

    async def read(self, member: ZipMember, send: Send) -> memoryview:
        """The bytes of the archive from the member's local header to its limit. Makes one attempt."""
        cell = self._cell_of(member) or await self._fetch(member.offset, send)
        if cell.data is None:
            await _ready(cell)
        assert cell.data is not None
        if cell.first in self._cells:
            self._cells.move_to_end(cell.first)
        return cell.data[member.offset - cell.first : member.limit - cell.first]

    def forget(self, member: ZipMember) -> None:
        """The bytes of a member were wrong: the next read asks for them again."""
        for first in [one.first for one in self._cells.values() if one.first <= member.offset < one.end]:
            if self._cells[first].data is not None:
                del self._cells[first]

    @property
    def has_any(self) -> bool:
        """Whether the bytes of any member may be there."""
        return bool(self._cells)

    def have(self, member: ZipMember) -> memoryview | None:
        """The same bytes where they were read for another member, else None."""
        cell = self._cell_of(member)
        if cell is None or cell.data is None:
            return None
        return cell.data[member.offset - cell.first : member.limit - cell.first]

    def _cell_of(self, member: ZipMember) -> _Cell | None:
        for cell in self._cells.values():
            if cell.first <= member.offset < cell.end:
                return cell
        return None

    async def _fetch(self, offset: int, send: Send) -> _Cell:
        begin = offset // CELL_BYTES * CELL_BYTES
        first, end = self._directory.neighbours(offset, begin, begin + CELL_BYTES, SMALL_BYTES)
        cell = self._cells[first] = _Cell(first, end)
        error: BaseException | None = None
        try:
            cell.data = memoryview(await self._archive.read(send, first, end))
        except BaseException as failure:
            del self._cells[first]
            error = failure
            raise
        finally:
            _tell(cell, error)
        whole = [one.first for one in self._cells.values() if one.data is not None]
        for oldest in whole[:-MAX_CELLS]:
            del self._cells[oldest]
        return cell


async def _ready(cell: _Cell) -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    cell.waiting.append(waiting)
    with parked():
        await waiting


def _tell(cell: _Cell, error: BaseException | None) -> None:
    """Let those go on that wait for a cell; each gets an error of its own."""
    for waiting in cell.waiting:
        if waiting.done():
            continue
        if error is None:
            waiting.set_result(None)
        elif isinstance(error, MlhubError):
            waiting.set_exception(copy.copy(error).without_traceback())
        else:
            waiting.set_exception(Transient("the request for it was given up", kind="connection"))
    cell.waiting.clear()
