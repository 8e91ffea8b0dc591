"""Describes a mirror as a Research Object (`--ro-crate`)."""

from __future__ import annotations

from datetime import UTC, datetime

from ...stac.index.ro_crate import crate_pieces
from ...storage.layout import CRATE_FILE
from .described import Description


class CrateFile(Description):
    """ro-crate-metadata.json."""

    names = (CRATE_FILE,)

    def _write_all(self, name: str, source: str, stamp: str) -> None:
        day = datetime.now(UTC).date().isoformat()
        pieces = crate_pieces(CRATE_FILE, name, source, day, self._collections(), self._files)
        self._write(CRATE_FILE, pieces, stamp)
