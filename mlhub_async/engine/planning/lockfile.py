"""Writes the lockfile of a mirror: what it takes to have the same bytes elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from ... import __version__
from ...core.errors import MlhubError, StorageError, UsageError
from ...core.json_text import parse_json
from ...core.model import JsonObject, Proof, Record
from ...core.options.output_file import output_file
from ...core.urls import has_placeholder, term_safe
from ...sources.items.lockfile.format import Header, LockedDocument, LockedFile
from ...storage.integrity import is_unchanged
from ...storage.ledger.schema import ASSET, DONE, run_of
from ..verify.checks import file_damage
from ..verify.outputs import refuse_mirror_file
from ..verify.results import EXIT_DAMAGED, Damage
from ..verify.snapshot import LedgerSnapshot, read_mirror, receipt_of
from ..verify.walk import ComparedPath, stored_kind

_OF_THE_FILE = ("href", "file:size", "file:checksum", "alternate")
"""Members of an asset that the line of its file says."""
_WEB = ("http://", "https://")
MAX_SHOWN = 5


class DamagedMirror(MlhubError):
    """Files of a mirror are gone, or are other ones than its ledger has."""

    kind = "damaged"
    exit_code = EXIT_DAMAGED


_LOCKED = f"FROM file WHERE state=? AND collection!='' AND {run_of('file')}=?"
"""The rows of a lockfile, for a state and a run."""


def lock(dest: str | os.PathLike[str], path: str | os.PathLike[str] | None = None) -> Path:
    """Write the lockfile of a mirror to `path`, by default DEST.lock beside it, and return where it is.

    Raises as `lock_lines` does, `StorageError` where the file cannot be written, and `UsageError` where it
    would replace a file of a mirror.
    """
    written = Path(f"{Path(dest).absolute()}.lock") if path is None else Path(path)
    refuse_mirror_file(written, "-o")
    try:
        with output_file(str(written)) as file:
            file.writelines(lock_lines(Path(dest)))
    except OSError as error:
        raise StorageError(f"{term_safe(str(written), 300)} cannot be written: {error.strerror}") from None
    return written


def lock_lines(dest: Path) -> Iterator[bytes]:
    """The lines of the lockfile of a mirror, whose last run must have ended with exit code 0.

    Reads the ledger and the documents, and changes nothing. Files are looked at before the first line: those
    of another time than recorded are read. Raises `UsageError` for a mirror that is not there or not
    complete, `DamagedMirror` for one whose files are not as recorded, `StorageError` for a ledger or
    documents that cannot be read.
    """
    with read_mirror(dest) as snapshot:
        receipt = _complete_receipt(dest, snapshot)
        _check_files(dest, snapshot)
        yield _header(receipt, snapshot).line()
        document: JsonObject = {}
        for row in _rows(snapshot):
            collection, item, role, key, path, size, sha256, url, validator = row
            if role == ASSET:
                directory = _directory(document, key, path)
                others = () if directory else _alternates(document, key)
                href = "" if has_placeholder(url) else url
                known = LockedFile(path, size, sha256, collection, item, key, href, others, validator)
                yield known._replace(directory=directory).line()
            else:
                document = _document(dest, path)
                yield LockedDocument(collection, item, _shortened(document)).line()


def _directory(document: JsonObject, key: str, path: str) -> str:
    """The key of the asset that a file with this key and path is a file of; "" for an asset of its own."""
    assets = document.get("assets")
    if not isinstance(assets, dict) or key in assets:
        return ""
    for name in filter(key.startswith, [f"{one}/" for one in assets]):
        if path.endswith("/" + key[len(name) :].lstrip("/")):
            return name[:-1]
    return ""


def _complete_receipt(dest: Path, snapshot: LedgerSnapshot) -> dict[str, Any]:
    where = term_safe(str(dest), 300)
    try:
        receipt = receipt_of(dest)
    except ValueError as error:
        raise UsageError(f"{where}: its receipt cannot be read: {error}; run the mirror again") from None
    code = None if receipt is None else receipt.get("exit_code")
    if receipt is None or not snapshot.finished or code != 0:
        why = "has not ended" if receipt is None or not snapshot.finished else f"ended with exit code {code}"
        raise UsageError(f"{where}: its last run {why}: only a complete mirror is locked; run it again first")
    if not snapshot.has_manifest(receipt.get("manifest_sha256")):
        raise UsageError(f"{where}: receipt and ledger differ: 'mlhub-async verify' says more")
    return receipt


def _check_files(dest: Path, snapshot: LedgerSnapshot) -> None:
    damage = list(_damage(dest, snapshot))
    if damage:
        shown = "; ".join(map(str, damage[:MAX_SHOWN]))
        more = f"; and {len(damage) - MAX_SHOWN} more" if len(damage) > MAX_SHOWN else ""
        advice = "run the mirror again, it brings them back, then lock it"
        raise DamagedMirror(
            f"{term_safe(str(dest), 300)}: files are not as they were fetched: {shown}{more}: {advice}"
        )


def _damage(dest: Path, snapshot: LedgerSnapshot) -> Iterator[Damage]:
    """By size and time, as a second run looks at files. Copies of a mirror may have other times."""
    found = snapshot.statements.database.execute(
        f"SELECT role, path, size, sha256, mtime_ns {_LOCKED} ORDER BY path", (DONE, snapshot.run_id)
    )
    for role, path, size, sha256, mtime_ns in found:
        if is_unchanged(f"{dest}/{path}", size, mtime_ns):
            continue
        record = Record(path, size, sha256, mtime_ns, Proof.NONE)
        if damage := file_damage(dest, ComparedPath(path, role, record, stored_kind(dest, path)), Event()):
            yield damage


def _header(receipt: Mapping[str, Any], snapshot: LedgerSnapshot) -> Header:
    files, size = snapshot.statements.count_finished(snapshot.run_id)
    about = {
        "tool": f"mlhub-async {__version__}",
        "selection": receipt.get("selection"),
    }
    return Header(str(receipt.get("source", "")), receipt["manifest_sha256"], files, size, about)


def _rows(snapshot: LedgerSnapshot) -> Iterator[tuple[Any, ...]]:
    """Documents have the larger roles: they come before the files of their item."""
    found = snapshot.statements.database.execute(
        "SELECT collection, item, role, key, path, size, sha256, url, validator "
        f"{_LOCKED} ORDER BY collection, item, role DESC, path",
        (DONE, snapshot.run_id),
    )
    while some := found.fetchmany(1000):
        yield from some


def _document(dest: Path, path: str) -> JsonObject:
    try:
        found = parse_json((dest / path).read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"{term_safe(path)} cannot be read: {reason}; run the mirror again") from None
    if not isinstance(found, dict):
        raise StorageError(f"{term_safe(path)} is no STAC document: run the mirror again")
    return found


def _shortened(document: JsonObject) -> JsonObject:
    """Without links inside the copy, and without what other lines say."""
    links, assets = document.get("links"), document.get("assets")
    kept = [one for one in links if _leads_out(one)] if isinstance(links, list) else []
    short = {**document, "links": kept}
    if isinstance(assets, dict):
        short["assets"] = {key: _described(one) for key, one in assets.items() if isinstance(one, dict)}
    return short


def _leads_out(link: object) -> bool:
    return isinstance(link, dict) and str(link.get("href")).startswith(_WEB)


def _described(asset: JsonObject) -> JsonObject:
    return {name: value for name, value in asset.items() if name not in _OF_THE_FILE}


def _alternates(document: JsonObject, key: str) -> tuple[str, ...]:
    assets = document.get("assets")
    asset = assets.get(key) if isinstance(assets, dict) else None
    others = asset.get("alternate") if isinstance(asset, dict) else None
    if not isinstance(others, dict):
        return ()
    named = [one.get("href") for one in others.values() if isinstance(one, dict)]
    return tuple([one for one in named if isinstance(one, str) and "://" in one])
