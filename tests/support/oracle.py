"""The judge of a mirror: what may lie under DEST at any instant, told from the bytes alone.

It shares no code with the program: it reads files, SQLite and the journal's lines by itself.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

STATE = ".mlhub"
DONE = 1
SUFFIXES = ("", "-wal", "-journal")


class Fact(NamedTuple):
    """What the ledger says of one file that it calls done."""

    path: str
    role: int
    size: int
    mtime_ns: int
    sha256: str
    is_line: bool = False
    """a line of the journal says so, and no row of the database yet"""


@dataclass
class Offered:
    """Every version of every asset that a server offered in full, by its path under DEST, oldest first.

    `least`: the oldest version that a mirror which calls itself complete may hold.
    """

    versions: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    least: dict[str, int] = field(default_factory=dict)

    def add(self, path: str, body: bytes, *, must: bool = True) -> None:
        self.versions[path].append(hashlib.sha256(body).hexdigest())
        if must or path not in self.least:
            self.least[path] = len(self.versions[path]) - 1

    def forget(self, path: str) -> None:
        """It is no longer listed: a complete mirror may do without it."""
        self.least.pop(path, None)

    def serial(self, path: str, sha256: str) -> int:
        """Which version this is, -1 if none that was ever offered."""
        known = self.versions.get(path, [])
        return known.index(sha256) if sha256 in known else -1


def flaws(
    dest: Path, offered: Offered, code: int | None = None, *, after_power_cut: bool = False
) -> list[str]:
    """Every broken promise under DEST. `code`: how the last run ended, None if it was killed.

    `after_power_cut`: nothing orders journal and names on the disk, so a line of the journal counts only
    where the file has the size and mtime it speaks of; the program looks at that before it takes it.
    """
    if not dest.exists():
        return [f"exit {code} without DEST"] if code == 0 else []
    found = [*wrong_names(dest, offered), *wrong_facts(dest, offered, code == 0, after_power_cut)]
    return [*found, *(incomplete(dest, offered) if code == 0 else ())]


def final_files(dest: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(dest.rglob("*")):
        name = path.relative_to(dest).as_posix()
        if not name.startswith(f"{STATE}/") and name != STATE and (path.is_symlink() or not path.is_dir()):
            yield name, path


def wrong_names(dest: Path, offered: Offered) -> Iterator[str]:
    """I1: a final name stands for one version that was offered in full, or for a whole document."""
    for name, path in final_files(dest):
        if path.is_symlink() or not path.is_file():
            yield f"I1 {name}: no regular file"
        elif name.endswith(".json"):
            if whole_json(path) is None:
                yield f"I1 {name}: a torn document"
        elif offered.serial(name, digest(path)) < 0:
            yield f"I1 {name}: {path.stat().st_size} bytes that nobody offered"


def wrong_facts(dest: Path, offered: Offered, exact: bool, after_power_cut: bool) -> Iterator[str]:
    """I2: what the ledger calls done is there.

    A kill between a line and its rename leaves the bytes under a name of the run. One between a rename and
    its line leaves a newer version than the row speaks of; then size or mtime must differ from the row, for
    that is how the program finds out. `exact`: neither.
    """
    try:
        facts = ledger_facts(dest, after_power_cut)
    except sqlite3.DatabaseError as error:
        yield f"I2 the ledger is broken: {error}"
        return
    for fact in facts:
        path = dest / fact.path
        if not path.is_file():
            if exact or not (fact.is_line and awaits_its_name(dest, fact)):
                yield f"I2 {fact.path}: done, and not there"
            continue
        now = digest(path)
        if (path.stat().st_size, now) == (fact.size, fact.sha256):
            continue
        newer = fact.role or offered.serial(fact.path, now) > offered.serial(fact.path, fact.sha256)
        if exact or not newer or as_said(path, fact.size, fact.mtime_ns):
            yield f"I2 {fact.path}: done, with other bytes than the ledger says"


def incomplete(dest: Path, offered: Offered) -> Iterator[str]:
    """I4: after exit 0 everything is there, as new as it must be, and the receipt proves it."""
    lines = []
    for name, path in final_files(dest):
        if not name.endswith(".json") and name in offered.least:
            lines.append(f"{name} {path.stat().st_size} {digest(path)}\n")
    for name, least in offered.least.items():
        path = dest / name
        if not path.is_file():
            yield f"I4 exit 0 without {name}"
        elif offered.serial(name, digest(path)) < least:
            yield f"I4 exit 0 with an old {name}"
    receipt = whole_json(dest / STATE / "receipt.json") or {"exit_code": None, "manifest_sha256": None}
    if receipt["exit_code"] != 0 or not receipt["listing"]["complete"]:
        yield "I4 exit 0, and the receipt says otherwise"
    if receipt["manifest_sha256"] != hashlib.sha256("".join(sorted(lines)).encode()).hexdigest():
        yield "I4 the receipt is of other files"


def litter(dest: Path) -> list[str]:
    """What a run that ended with 0 should not have left."""
    return [f"I6 {one.name} was left unfinished" for one in (dest / STATE / "partial").iterdir()]


def ledger_facts(dest: Path, doubt_journal: bool = False) -> list[Fact]:
    """What the database and the journal before it call done; read from a copy, nothing is touched."""
    state = dest / STATE
    database = [state / f"ledger.sqlite{suffix}" for suffix in SUFFIXES]
    rows = dict(table_rows(*(one.read_bytes() if one.exists() else None for one in database)))
    lines = set()
    for name in ("journal.0", "journal.1"):
        for identity, row in journal_rows(state / name):
            if not doubt_journal or as_said(dest / row[0], *row[2:4]):
                rows[identity] = row
                lines.add(identity)
    return [
        Fact(path, identity[2], size, mtime_ns, sha256, identity in lines)
        for identity, (path, done, size, mtime_ns, sha256) in rows.items()
        if done == DONE
    ]


def awaits_its_name(dest: Path, fact: Fact) -> bool:
    """Whether the bytes that a line speaks of are whole on the disk, under a name of the run."""
    folders = (dest / STATE / "partial", dest / STATE / "unpacked")
    files = (path for folder in folders for path in folder.rglob("*"))
    return any(as_said(path, fact.size, fact.mtime_ns) and digest(path) == fact.sha256 for path in files)


def as_said(path: Path, size: int, mtime_ns: int) -> bool:
    return path.is_file() and (path.stat().st_size, path.stat().st_mtime_ns) == (size, mtime_ns)


@functools.lru_cache(16)
def table_rows(*database: bytes | None) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """What SQLite makes of these files. Raises `sqlite3.DatabaseError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        for suffix, body in zip(SUFFIXES, database, strict=True):
            if body is not None:
                path.with_name(path.name + suffix).write_bytes(body)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous=OFF")  # it is a copy
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("quick_check")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                return []  # cut off while it was made
            columns = "collection, item, role, key, path, state, size, mtime_ns, sha256"
            return [(row[:4], row[4:]) for row in connection.execute(f"SELECT {columns} FROM file")]


def journal_rows(path: Path) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """A line has the rows of one append, or, of earlier versions, one row."""
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            for row in found if isinstance(found[0], list) else [found]:
                yield tuple(row[:4]), tuple(row[4:9])


def whole_json(path: Path) -> dict[str, Any] | None:
    """The document, None if it is torn or not there."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, FileNotFoundError):
        return None
    return found if isinstance(found, dict) else None


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
