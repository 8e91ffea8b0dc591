"""Hides what makes one file, one document or the receipt true."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import Any

import orjson

from ...core import formats
from ...storage.integrity import content_mismatch, open_unfollowed
from ...storage.ledger.schema import ASSET
from .results import Damage
from .snapshot import RECEIPT, Past, receipt_of
from .walk import Pair

_LARGEST_DOCUMENT = 64 << 20
"""bytes of JSON that are parsed; of a larger document the digest has to do"""
_COUNTS = ("selected", "verified_checksum", "verified_size", "unverifiable", "failed")


def file_damage(dest: Path, pair: Pair, stop: Event, *, deep: bool = False) -> Damage | None:
    """What is wrong with a file that the ledger calls done, if anything. Ends early when told to stop.

    `deep`: also how it is built inside, as far as its format says.
    """
    record = pair.record
    if record is None or pair.is_file is None:
        return Damage(pair.path, "missing")
    if not pair.is_file:
        return Damage(pair.path, "not a regular file")
    try:
        with open_unfollowed(f"{dest}/{pair.path}") as file:
            flaw: tuple[str, str] | None = content_mismatch(file, record, stop.is_set)
            if deep and flaw is None and pair.role == ASSET and (said := formats.flaw(file, pair.path)):
                flaw = ("structure", said)
    except OSError as error:
        return Damage(pair.path, "unreadable", error.strerror or type(error).__name__)
    if flaw is None and pair.role != ASSET:
        return document_damage(dest, pair.path)
    return Damage(pair.path, *flaw) if flaw else None


def document_damage(dest: Path, path: str) -> Damage | None:
    """Whether a document of the catalogue is readable as one."""
    try:
        with open_unfollowed(f"{dest}/{path}") as file:
            large = os.fstat(file.fileno()).st_size > _LARGEST_DOCUMENT
            readable = large or isinstance(orjson.loads(file.read()), dict)
    except OSError as error:
        return Damage(path, "unreadable", error.strerror or type(error).__name__)
    except ValueError:
        readable = False
    return None if readable else Damage(path, "not JSON")


def receipt_damage(dest: Path, past: Past) -> tuple[dict[str, Any] | None, list[Damage]]:
    """The receipt, if there is one to go by, and what is wrong with it.

    After a run that was killed the receipt is of an earlier one, and the ledger has moved on: it then
    proves nothing either way.
    """
    try:
        receipt = receipt_of(dest)
    except ValueError as error:
        return None, [Damage(RECEIPT, "unreadable", str(error))]
    if not past.ended:
        return receipt, []
    if receipt is None:
        return None, [Damage(RECEIPT, "missing")]
    if not _balances(receipt):
        return None, [Damage(RECEIPT, "balance", "its numbers do not add up to its exit code")]
    if receipt.get("manifest_sha256") != past.book.manifest(past.run):
        return receipt, [Damage(RECEIPT, "manifest", "manifest_sha256 is not that of the ledger")]
    if receipt["exit_code"] == 0 and not _counts(receipt, *past.book.count_finished(past.run)):
        return receipt, [Damage(RECEIPT, "balance", "its numbers are not those of the ledger")]
    return receipt, []


def _balances(receipt: dict[str, Any]) -> bool:
    """Every selected asset is on disk, failed or unfinished, and 0 is only said of whole copies."""
    assets, listing, code = (receipt.get(name) for name in ("assets", "listing", "exit_code"))
    if not isinstance(assets, dict) or not isinstance(listing, dict) or type(code) is not int:
        return False
    counts = [assets.get(name) for name in _COUNTS]
    if any(type(count) is not int for count in counts):
        return False
    selected, *kept, failed = (int(count or 0) for count in counts)
    rest = selected - sum(kept) - failed
    whole = listing.get("complete") is True and not rest and not failed
    return whole if code == 0 else rest >= 0 and assets.get("unfinished", rest) == rest


def _counts(receipt: dict[str, Any], count: int, size: int) -> bool:
    return bool(receipt["assets"]["selected"] == count and receipt.get("bytes") == size)
