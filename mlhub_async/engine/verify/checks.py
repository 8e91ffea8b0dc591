"""Checks one file, one document or the receipt of a mirror against its ledger."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from typing import Any

from ...core import formats
from ...core.json_text import parse_json
from ...storage.integrity import content_mismatch, is_annexed, open_unfollowed
from ...storage.ledger.schema import ASSET, INDEX
from ...storage.os_errors import is_unreachable, state_error
from .results import Damage
from .snapshot import RECEIPT, LedgerSnapshot, receipt_of
from .walk import ComparedPath, link_above

MAX_PARSED_DOCUMENT_BYTES = 64 << 20
"""Larger JSON documents are not parsed: only their digest is checked."""
ANNEXED = "a link of git-annex: 'git annex unlock' puts the file in its place, after 'git annex get'"
LINKED = "{} is a symbolic link, which is not followed: put the directory in its place"
ASSET_COUNTS = ("selected", "verified_checksum", "verified_size", "unverifiable", "failed")


def file_damage(dest: Path, compared: ComparedPath, stop: Event, *, deep: bool = False) -> Damage | None:
    """How a file differs from its record in the ledger, None if it does not. Blocks: call it in a thread.

    `deep`: its structure is checked too, if its format is a known one. It ends early, without a finding, when
    `stop` is set.
    """
    record = compared.record
    if record is None or compared.is_file is None:
        link = link_above(dest, compared.path)
        return Damage(compared.path, "missing", LINKED.format(link) if link else "")
    if not compared.is_file:
        annexed = is_annexed(dest / compared.path)
        return Damage(compared.path, "not a regular file", ANNEXED if annexed else "")
    try:
        with open_unfollowed(f"{dest}/{compared.path}") as file:
            flaw: tuple[str, str] | None = content_mismatch(file, record, stop.is_set)
            if (
                deep
                and flaw is None
                and compared.role == ASSET
                and (found := formats.flaw(file, compared.path))
            ):
                flaw = ("structure", found)
    except OSError as error:
        if is_unreachable(error):
            raise state_error(error, compared.path) from None
        return Damage(compared.path, "unreadable", error.strerror or type(error).__name__)
    if flaw is None and compared.role not in (ASSET, INDEX):
        return document_damage(dest, compared.path)
    return Damage(compared.path, *flaw) if flaw else None


def document_damage(dest: Path, path: str) -> Damage | None:
    """The damage of a STAC document that cannot be read or is no JSON object, else None."""
    try:
        with open_unfollowed(f"{dest}/{path}") as file:
            large = os.fstat(file.fileno()).st_size > MAX_PARSED_DOCUMENT_BYTES
            readable = large or isinstance(parse_json(file.read()), dict)
    except OSError as error:
        return Damage(path, "unreadable", error.strerror or type(error).__name__)
    except ValueError:
        readable = False
    return None if readable else Damage(path, "not JSON")


def receipt_damage(dest: Path, snapshot: LedgerSnapshot) -> tuple[dict[str, Any] | None, list[Damage]]:
    """The receipt, None if there is no consistent one, and its damage.

    After a killed run the receipt is that of an earlier run, and the ledger is newer: then they are not
    compared.
    """
    try:
        receipt = receipt_of(dest)
    except ValueError as error:
        return None, [Damage(RECEIPT, "unreadable", str(error))]
    if not snapshot.finished:
        return receipt, []
    if receipt is None:
        return None, [Damage(RECEIPT, "missing")]
    if not _is_consistent(receipt):
        return None, [Damage(RECEIPT, "balance", "its numbers contradict each other or its exit code")]
    if not snapshot.has_manifest(receipt.get("manifest_sha256")):
        return receipt, [Damage(RECEIPT, "manifest", "manifest_sha256 differs from that of the ledger")]
    if receipt["exit_code"] == 0 and not _matches_ledger(
        receipt, *snapshot.statements.count_finished(snapshot.run_id)
    ):
        return receipt, [Damage(RECEIPT, "balance", "its numbers differ from those of the ledger")]
    return receipt, []


def _is_consistent(receipt: dict[str, Any]) -> bool:
    """Whether each selected asset is counted once, and exit code 0 stands for a complete copy only."""
    assets, listing, code = (receipt.get(name) for name in ("assets", "listing", "exit_code"))
    if not isinstance(assets, dict) or not isinstance(listing, dict) or type(code) is not int:
        return False
    counts = [assets.get(name) for name in ASSET_COUNTS]
    if any(type(count) is not int for count in counts):
        return False
    selected, *stored, failed = (int(count or 0) for count in counts)
    unfinished = selected - sum(stored) - failed
    complete = listing.get("complete") is True and not unfinished and not failed
    return complete if code == 0 else unfinished >= 0 and assets.get("unfinished", unfinished) == unfinished


def _matches_ledger(receipt: dict[str, Any], count: int, size: int) -> bool:
    return bool(receipt["assets"]["selected"] == count and receipt.get("bytes") == size)
