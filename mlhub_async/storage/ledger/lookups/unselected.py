"""Finds what earlier runs have fetched of an item beside the assets that are selected now."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from ....core.formats.directories import kind_of_directory
from ....core.model import Asset, Proof, Record
from ..claims.assignment import ClaimRequest, ClaimResult
from ..rows import execute_in_chunks
from ..schema import ABSENT, ASSET, DONE, run_of

_Row = tuple[str, Record, int, str, bool]
"""Key, record, state and stamp of a file, and whether the last run that listed it has ended."""


def note_unselected(
    database: sqlite3.Connection, wanted: Sequence[ClaimRequest], results: list[ClaimResult | None]
) -> None:
    """Set `unselected` in the results of items: the files of assets that the request does not select.

    Of an asset that the catalogue describes otherwise by now there is none. A directory has all of its files,
    or none.
    """
    asked = {(one.collection, one.item): n for n, one in enumerate(wanted) if one.unselected and results[n]}
    rows: dict[tuple[str, str], list[_Row]] = {}
    for found in execute_in_chunks(database, FILES, list(asked)):
        for collection, item, key, state, stamp, ended, *known in found:
            path, size, sha256, mtime_ns, proof, validator = known
            record = Record(path, size, sha256, mtime_ns, Proof(proof or "none"), validator or "")
            rows.setdefault((collection, item), []).append((key, record, state, stamp or "", bool(ended)))
    for owner, files in rows.items():
        number = asked[owner]
        result, of_assets = results[number], [_files_of(one, files) for one in wanted[number].unselected]
        assert result is not None
        results[number] = result._replace(unselected=[one for one in of_assets if one])


def _files_of(asset: Asset, rows: Sequence[_Row]) -> Mapping[str, Record]:
    """The finished files of an asset by the keys of their rows."""
    for key, record, state, stamp, _ in rows:
        if key == asset.key:
            return {key: record} if state == DONE and stamp == asset.stamp else {}
    if not kind_of_directory(asset.href, asset.media_type):
        return {}
    files = [row for row in rows if row[0].startswith(f"{asset.key}/")]
    is_whole = all(
        [
            ended and state in (DONE, ABSENT) and f"{stamp}.".startswith(f"{asset.stamp}.")
            for *_, state, stamp, ended in files
        ]
    )
    return {key: record for key, record, state, *_ in files if state == DONE} if is_whole else {}


FILES = f"""SELECT file.collection, file.item, file.key, state, stamp,
    EXISTS (SELECT 1 FROM run WHERE run.id={run_of("file")} AND run.finished IS NOT NULL),
    path, size, sha256, mtime_ns, proof, validator
  FROM ({{}}) AS asked CROSS JOIN file ON file.collection=asked.column1 AND file.item=asked.column2
    AND file.role={ASSET}"""
"""A run that was killed may not have recorded all files of a directory."""
