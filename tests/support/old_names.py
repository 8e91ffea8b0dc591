"""Makes mirrors as the program made them when escapes in names of files had a percent sign."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from mlhub_async.storage import naming

RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)").match
BAD = '\x00-\x1f\x7f-\x9f/\\\\:*?#;"<>|\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff'
UNSAFE = re.compile(rf"[{BAD}%]|\A[.~ -]|[. ]\Z")
IS_RESULT = re.compile(rf"(?:[^{BAD}%]|%[0-9A-F]{{2}})+~[0-9a-f]{{10}}(?:\.[A-Za-z0-9]{{1,8}})?").fullmatch
SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,8}\Z", re.DOTALL)


def old_component(text: str, spare: int = 0) -> str:
    """`naming.safe_component` as it was; for texts of at most 2048 characters."""
    name = unicodedata.normalize("NFC", text)
    if not ("%" in name and IS_RESULT(name) and name[0] not in ".~ -"):
        name = UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
    name = f"_{name}" if not name or RESERVED(name) else name
    if name == text and len(name.encode()) <= 180:
        return name
    found = SUFFIX.search(name)
    stem, suffix = (name[: found.start()], found[0]) if found else (name, "")
    room = 180 - spare - 11 - len(suffix)
    if len(stem.encode()) > room:
        stem = re.sub(r"%[0-9A-F]?\Z", "", stem.encode()[:room].decode("utf-8", "ignore"))
    return f"{stem}~{hashlib.sha256(text.encode()).hexdigest()[:10]}{suffix}"


@contextmanager
def old_names(dest: Path) -> Iterator[None]:
    """Runs in this context leave at `dest` what the program left then."""
    present = naming.safe_component
    _set(old_component)
    try:
        yield
    finally:
        _set(present)
        with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as ledger, ledger:
            ledger.execute("DROP TABLE renaming")


def _set(safe_component: object) -> None:
    naming.safe_component = safe_component  # type: ignore[assignment]
    for cached in (naming.collection_dir, naming.item_dir, naming._file_name):
        cached.cache_clear()
