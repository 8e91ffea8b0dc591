"""Counts different URLs and sums their sizes, in memory that does not grow with their number."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

PARTS = 256
"""URLs are divided by their hash: each part is counted by itself."""
MAX_HELD = 1 << 13
"""URLs that are held before they are written to a temporary file, as hashes and sizes."""
_BOUNDS = [-(1 << 63) + (1 << 64) // PARTS * number for number in range(1, PARTS)]
"""The least hash of each part but the first."""


class DistinctUrls:
    """To be closed by `totals`. Where no temporary file can be written, all is held in memory.

    The file is a chain of pieces for each part: offset and bytes of the piece before it, then the hashes,
    then as many sizes.
    """

    def __init__(self) -> None:
        self._held: dict[int, int] = {}
        """sizes by hash"""
        self._room = MAX_HELD
        self._file: BinaryIO | None = None
        self._last = [(0, 0)] * PARTS
        """offset and bytes of the last piece of each part; (0, 0): it has none"""

    def add(self, urls: Sequence[str], sizes: Sequence[int]) -> None:
        """Of a URL that comes more than once the first size counts."""
        note = self._held.setdefault
        for key, size in zip(map(hash, urls), sizes, strict=True):
            note(key, size)
        if len(self._held) > self._room:
            self._room = len(self._held) + MAX_HELD
            with suppress(OSError):
                self._write()
                self._held, self._room = {}, MAX_HELD

    def _write(self) -> None:
        if self._file is None:
            from tempfile import TemporaryFile

            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - `totals` closes it
        last = list(self._last)
        for number, (hashes, sizes) in enumerate(self._parts()):
            piece = array("q", (*last[number], *hashes, *sizes))
            data = memoryview(piece).cast("B")
            offset = self._file.seek(0, 2)
            if self._file.write(data) != len(data):
                raise OSError("the disk is full")
            last[number] = offset, len(data)
        self._last = last

    def _parts(self) -> Iterator[tuple[list[int], list[int]]]:
        """Hashes and sizes that are held, by part."""
        hashes = sorted(self._held)
        sizes = list(map(self._held.__getitem__, hashes))
        begin = 0
        for bound in (*_BOUNDS, 1 << 63):
            end = bisect_left(hashes, bound, begin)
            yield hashes[begin:end], sizes[begin:end]
            begin = end

    def totals(self) -> tuple[int, int]:
        """The number of different URLs, and the sum of their sizes."""
        count = total = 0
        for number, (hashes, sizes) in enumerate(self._parts()):
            first = dict(zip(hashes, sizes, strict=True))
            for piece in self._pieces(number):  # the first of a URL counts
                half = len(piece) // 2
                first.update(zip(piece[:half], piece[half:], strict=True))
            count += len(first)
            total += sum(first.values())
        if self._file is not None:
            self._file.close()
        return count, total

    def _pieces(self, number: int) -> Iterator[array[int]]:
        """The pieces of a part that were written, the last one first."""
        offset, size = self._last[number]
        while size:
            assert self._file is not None
            piece = array("q")
            self._file.seek(offset)
            piece.frombytes(self._file.read(size))
            offset, size = piece[0], piece[1]
            yield piece[2:]
