"""Generates the files to copy: deterministic, incompressible, each with its digest."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 4 << 20
MODIFIED = 1_600_000_000
"""When the files were modified, in seconds since 1970: a data set is rarely younger than a minute, and the
program looks into files that are, as they may still be in the making."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A corpus: the number of files, their size in bytes, and the files per item."""

    name: str
    count: int
    size: int
    per_item: int

    def scaled(self, scale: float) -> Shape:
        """Fewer files; for a corpus of a few large files, smaller ones."""
        if self.count < 100:
            return Shape(self.name, self.count, max(1, int(self.size * scale)), self.per_item)
        return Shape(self.name, max(1, int(self.count * scale)), self.size, self.per_item)

    @property
    def bytes(self) -> int:
        return self.count * self.size

    def __str__(self) -> str:
        return f"{self.name}: {self.count:,} x {self.size / 1024:,.6g} KiB"


@dataclass(frozen=True, slots=True)
class File:
    """One file, served as files/ITEM/NAME, with the size and digest that its copy must have."""

    item: str
    name: str
    size: int
    sha256: str

    @property
    def path(self) -> str:
        return f"{self.item}/{self.name}"


SHAPES = {
    "small": Shape("small", 20_000, 16 << 10, 10),
    "chips": Shape("chips", 8_000, 100 << 10, 4),
    "large": Shape("large", 4, 512 << 20, 1),
}


def generate(shape: Shape, below: Path) -> list[File]:
    """Write the corpus as below/ITEM/NAME."""
    return [_write(below, shape, number) for number in range(shape.count)]


def tiny(count: int, content: bytes) -> list[File]:
    """`count` names for the same content, which the server has in one file."""
    digest = hashlib.sha256(content).hexdigest()
    return [File(*_path_parts(number, 10), len(content), digest) for number in range(count)]


def _write(below: Path, shape: Shape, number: int) -> File:
    item, name = _path_parts(number, shape.per_item)
    path = below / item / name
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in _pieces(shape, number):
            digest.update(piece)
            file.write(piece)
    os.utime(path, (MODIFIED, MODIFIED))
    return File(item, name, shape.size, digest.hexdigest())


def _path_parts(number: int, per_item: int) -> tuple[str, str]:
    return f"item-{number // per_item:06d}", f"a{number % per_item}.bin"


def _pieces(shape: Shape, number: int) -> Iterator[bytes]:
    rng = random.Random(f"{shape.name} {number}")
    for start in range(0, shape.size, PIECE_BYTES):
        yield rng.randbytes(min(PIECE_BYTES, shape.size - start))
