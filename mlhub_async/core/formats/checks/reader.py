"""Reads bytes at an offset for the checks of file structures, and limits the work of each check.

The files are untrusted: pointers in them may form loops or lead anywhere. So a check reads little at a time,
and `MAX_WORK` bounds what it reads in all.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

MAX_WORK = 64 << 20
"""Bytes that one check may read, each read counted as `READ_COST_BYTES` more. It takes a few seconds."""
READ_COST_BYTES = 64
SEARCH_BLOCK_BYTES = 1 << 20


class StructureError(Exception):
    """The structure of a file is wrong. The message says how; its subject is the file."""


class IntrinsicFlawError(StructureError):
    """A flaw that truncation does not explain: presumably the file was written like that."""


class IntrinsicFlaw(str):
    """The message of an `IntrinsicFlawError`."""


class WorkLimitError(Exception):
    """The check has used up its work limit. What it has read is right."""


class Reader:
    """An open file, read at any offset. `size` is its size in bytes. The caller closes the file.

    Each method that reads raises `WorkLimitError` when the work limit is used up.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._left = MAX_WORK

    def exact(self, offset: int, size: int, what: str = "its structure") -> bytes:
        """Exactly `size` bytes. Raises `StructureError` about `what` where the file ends before them."""
        if offset < 0 or offset + size > self.size:
            raise StructureError(f"{what} goes on to byte {offset + size} of {self.size}")
        return self._read(offset, size)

    def available(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes: fewer where the file ends."""
        offset = min(max(offset, 0), self.size)
        return self._read(offset, min(size, self.size - offset))

    def unpack(self, layout: str, offset: int, what: str = "its structure") -> tuple[Any, ...]:
        """The values at an offset, in a layout of `struct`. Raises as `exact` does."""
        return struct.unpack(layout, self.exact(offset, struct.calcsize(layout), what))

    def find(self, wanted: bytes, offset: int) -> int:
        """The offset of the first occurrence at or after `offset`, -1 if there is none."""
        while offset < self.size:
            block = self.available(offset, SEARCH_BLOCK_BYTES)
            if (found := block.find(wanted)) >= 0:
                return offset + found
            offset += max(len(block) - len(wanted) + 1, 1)
        return -1

    def _read(self, offset: int, size: int) -> bytes:
        self._left -= size + READ_COST_BYTES
        if self._left < 0:
            raise WorkLimitError
        self._file.seek(offset)
        data = self._file.read(size)
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        if len(data) < size:
            raise StructureError(f"it became shorter than {offset + size} bytes while it was read")
        return data


def run_check(examine: Callable[[Reader], None], file: BinaryIO) -> str | None:
    """What `examine` finds wrong with an open file, None if nothing.

    An `IntrinsicFlaw`: truncation does not explain it. A check that uses up its work limit finds
    nothing.
    """
    try:
        examine(Reader(file))
    except IntrinsicFlawError as error:
        return IntrinsicFlaw(error)
    except StructureError as error:
        return str(error)
    except WorkLimitError:
        return None
    return None
