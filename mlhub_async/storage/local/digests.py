"""The digests of a body's bytes as they come, noted in its journal as proof for a later run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...core import checksum
from ...core.ports import Buffer
from .checkpoint import Journal

if TYPE_CHECKING:
    from ...core.checksum import Hasher


class Digests:
    """Of everything from the first byte on. Without a `journal` nothing is noted."""

    def __init__(self) -> None:
        self._hashes: Mapping[str, Hasher] = {}
        self._noted = 0
        self.journal: Journal | None = None

    def begin(self, algorithms: Iterable[str]) -> None:
        self._hashes = {name: checksum.hasher(name) for name in {"sha256", *algorithms}}
        self._noted = 0

    def see(self, piece: Buffer) -> None:
        for digest in self._hashes.values():
            digest.update(piece)

    def note(self, written: int, *, last: bool = False) -> None:
        """So many bytes are on the disk; the digest of them costs nothing: it is on its way to that of the
        whole. Few bytes are noted only if they are the `last`. Raises OSError."""
        journal = self.journal
        if journal is not None and written - self._noted >= (1 if last else journal.spacing):
            journal.add(written, self._hashes["sha256"])
            self._noted = written

    def prove(self, fd: int, total: int) -> int:
        """How many bytes of a file are those that the journal speaks of: the digests are of them now."""
        assert self.journal is not None
        self._noted, self._hashes = self.journal.proven(fd, self._hashes, total)
        return self._noted

    def found(self) -> dict[str, bytes]:
        return {name: digest.digest() for name, digest in self._hashes.items()}
