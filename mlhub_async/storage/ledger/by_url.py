"""Hides how new assets are found whose URL a finished file of an earlier run has, under whatever name.

A page of a listing is asked about at once: a question per asset would cost the loop a task switch for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ...core.errors import TransferError
from ...core.model import Proof, Record
from ...core.urls import canonical, parse
from .claims import Claim, ClaimResult, IsUnchanged
from .rows import in_steps


def mark_known_urls(database: sqlite3.Connection, answers: Iterable[ClaimResult | None]) -> None:
    """Say so in the claims of assets whose URL a finished file has."""
    asked: dict[str, list[tuple[list[Claim], int]]] = {}
    for claims in [claimed.claims for claimed in answers if claimed is not None]:
        for place, claim in enumerate(claims):
            if claim.known is None and (url := _identity(claim.asset.href)):
                asked.setdefault(url, []).append((claims, place))
    if not asked:
        return
    database.execute(INDEX)
    for found in in_steps(database, FINISHED, [(url,) for url in asked]):
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
"""Made by the first run that goes on with another. In one of its own it would cost a tenth of the ledger."""
FINISHED = (
    "SELECT asked.column1 FROM ({}) AS asked CROSS JOIN file ON file.url=asked.column1 AND file.state=1"
)
FIND = "SELECT path, size, sha256, mtime_ns, proof, validator FROM file WHERE url=? AND state=1"
