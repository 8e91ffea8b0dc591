"""Describes a mirror as a Croissant dataset (`--croissant`)."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.model import JsonObject
from ...stac.index.croissant import CopiedAsset, CopiedFile, croissant_pieces, table_pieces
from ...storage.layout import ASSET_TABLE_FILE, CROISSANT_FILE, CROISSANT_FILES
from ...storage.ledger.lookups.overview import stored_assets
from .described import Description


class CroissantFiles(Description):
    """croissant.json and the table of assets."""

    names = CROISSANT_FILES

    def _write_all(self, name: str, source: str, stamp: str) -> None:
        self._write(ASSET_TABLE_FILE, table_pieces(self._assets()), stamp)
        pieces = croissant_pieces(name, source, self._collections(), ASSET_TABLE_FILE, self._files())
        self._write(CROISSANT_FILE, pieces, stamp)

    def _assets(self) -> Iterator[CopiedAsset]:
        path: str | None = None
        body: JsonObject = {}
        for one in stored_assets(self._book.database):
            if one.document != path:
                path, body = one.document, self._document(one.document)
            file = CopiedFile(one.path, one.size, one.sha256)
            yield CopiedAsset(one.collection, one.item, one.key, file, body)
