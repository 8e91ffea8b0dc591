"""Counts different URLs and sums their sizes, in memory that does not grow with their number."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

PARTS = 256
"""URLs are divided by their hash: each part is counted by itself."""
MAX_HELD = 1 << 13
"""URLs that are held before they are written to a temporary file, as hashes and sizes."""


class DistinctUrls:
    """To be closed by `totals`. Where no temporary file can be written, all is held in memory.

    The file is a chain of pieces for each part: offset and bytes of the piece before it, then the pairs.
    """

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(PARTS)]
        self._room = MAX_HELD
        self._file: BinaryIO | None = None
        self._last = [(0, 0)] * PARTS
        """offset and bytes of the last piece of each part; (0, 0): it has none"""

    def add(self, urls: Sequence[tuple[str, int]]) -> None:
        """Of a URL that comes more than once the first size counts."""
        parts = self._parts
        for url, size in urls:
            key = hash(url)
            parts[key % PARTS].extend((key, size))
        self._room -= len(urls)
        if self._room < 0:
            self._room = MAX_HELD
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - `totals` closes it
        for number, part in enumerate(self._parts):
            piece = array("q", self._last[number])
            piece.extend(part)
            data = memoryview(piece).cast("B")
            offset = self._file.seek(0, 2)
            if self._file.write(data) != len(data):
                return  # the disk is full; what stays in memory is counted from there
            self._last[number] = offset, len(data)
            self._parts[number] = array("q")

    def totals(self) -> tuple[int, int]:
        """The number of different URLs, and the sum of their sizes."""
        count = total = 0
        for number in range(PARTS):
            sizes: dict[int, int] = {}
            for held in self._pieces(number):
                sizes.update(zip(held[-2::-2], held[::-2], strict=True))  # the first of a URL counts
            count += len(sizes)
            total += sum(sizes.values())
        if self._file is not None:
            self._file.close()
        return count, total

    def _pieces(self, number: int) -> Iterator[array[int]]:
        """The pieces of a part, the last one first."""
        yield self._parts[number]
        offset, size = self._last[number]
        while size:
            assert self._file is not None
            piece = array("q")
            self._file.seek(offset)
            piece.frombytes(self._file.read(size))
            offset, size = piece[0], piece[1]
            yield piece[2:]
