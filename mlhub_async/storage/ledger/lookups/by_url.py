"""Finds finished files of earlier runs by the URL they were fetched from.

One call for a page of a listing: a call per asset would cost a task switch each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ....core.errors import TransferError
from ....core.model import Proof, Record
from ....core.urls import canonical, parse
from ...integrity import IsUnchanged
from ..claims.assignment import Claim, ClaimResult
from ..rows import execute_in_chunks


def mark_known_urls(database: sqlite3.Connection, results: Iterable[ClaimResult | None]) -> None:
    """Set `known_url` in the claims of assets whose URL a finished file was fetched from."""
    asked: dict[str, list[tuple[list[Claim], int]]] = {}
    for claims in [claimed.claims for claimed in results if claimed is not None]:
        for place, claim in enumerate(claims):
            if (claim.known is None or claim.unsure) and (url := _identity(claim.asset.href)):
                asked.setdefault(url, []).append((claims, place))
    if not asked:
        return
    database.execute(INDEX)
    for found in execute_in_chunks(database, FINISHED, [(url,) for url in asked]):
        for (url,) in found:
            for claims, place in asked[url]:
                claims[place] = claims[place]._replace(known_url=True)


def _identity(href: str) -> str:
    try:
        return canonical(parse(href))
    except TransferError:
        return ""


def find(database: sqlite3.Connection, is_unchanged: IsUnchanged, url: str) -> Record | None:
    """A finished file that was fetched from this very URL, if it is still there."""
    for path, size, sha256, mtime_ns, proof, validator in database.execute(FIND, (url,)):
        if is_unchanged(path, size, mtime_ns):
            return Record(path, size, sha256, mtime_ns, Proof(proof), validator)
    return None


INDEX = "CREATE INDEX IF NOT EXISTS file_by_url ON file (url) WHERE state=1"
"""Created by the second run: in a first one it would add a tenth to the cost of the ledger."""
FINISHED = (
    "SELECT asked.column1 FROM ({}) AS asked CROSS JOIN file ON file.url=asked.column1 AND file.state=1"
)
FIND = "SELECT path, size, sha256, mtime_ns, proof, validator FROM file WHERE url=? AND state=1"
