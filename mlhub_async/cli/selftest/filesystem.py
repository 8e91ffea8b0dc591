"""What a file system does with files, asked through the very functions that a run uses."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...core.telemetry import human
from ...core.urls import term_safe
from ...storage.ledger.schema import connect, file_system
from ...storage.local.store import LocalStore
from ...storage.naming import LONGEST, fold, safe_component
from .checks import Check, Finding

LOW = 1 << 30
FEW = 10_000
REPLACED = 200
SYNCED = 5
ROWS = 2_000
ELSEWHERE = "choose another DEST: no run is safe on this file system"

LEVELS = 3


@contextlib.contextmanager
def opened(place: Path, durability: str = "process") -> Iterator[LocalStore]:
    """A store as a run has it, with its lock taken."""
    store = LocalStore(place, durability=durability)
    try:
        store.open()
        yield store
    finally:
        store.close()


def replaces(place: Path) -> Finding:
    """A reader meets the old content or the new one, whole, while a file is replaced again and again."""
    contents = [letter * 40_000 for letter in (b"a", b"b")]
    odd: list[str] = []
    over = threading.Event()
    with opened(place) as store:
        store.write_document("folder/file.json", contents[0])
        reader = threading.Thread(target=_read, args=(place / "folder/file.json", contents, odd, over))
        reader.start()
        try:
            for number in range(REPLACED):
                store.write_document("folder/file.json", contents[number % 2])
        finally:
            over.set()
            reader.join()
    return Finding(odd[0], good=False) if odd else Finding(f"whole at every look, {REPLACED} times replaced")


def _read(path: Path, contents: list[bytes], odd: list[str], over: threading.Event) -> None:
    while not over.is_set() and not odd:
        try:
            if path.read_bytes() not in contents:
                odd.append("a reader met a file that was half replaced")
        except OSError as error:
            odd.append(f"a reader lost the file while it was replaced ({error.strerror})")


def links(place: Path) -> Finding:
    """Assets that share a URL are one file with several names."""
    with opened(place) as store:
        store.write_document("one.bin", b"shared")
        store.duplicate("one.bin", "folder/two.bin")
    same = os.path.samefile(place / "one.bin", place / "folder/two.bin")
    return Finding("one file, two names" if same else "none: copied instead", good=same)


def syncs(place: Path) -> Finding:
    """A file and the directories above it, synced as `--durability full` does."""
    began = time.monotonic()
    with opened(place, "full") as store:
        for number in range(SYNCED):
            path = f"folder/{number}/file.json"
            store.write_document(path, b"x" * 16_384)
            store.sync_directories([path])
    return Finding(f"{(time.monotonic() - began) * 1000 / SYNCED:.0f} ms a file with its directories")


def keeps_a_ledger(place: Path) -> Finding:
    """The ledger opened as a run opens it, written, read beside the writer, opened again."""
    path = place / "ledger.sqlite"
    with contextlib.closing(connect(path)) as database:
        mode = str(database.execute("PRAGMA journal_mode").fetchone()[0])
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO seen VALUES (?, 1)", ((number,) for number in range(ROWS)))
        database.execute("COMMIT")
        with contextlib.closing(connect(path)) as other:
            seen = other.execute("SELECT count(*) FROM seen").fetchone()[0]
    if seen != ROWS:
        return Finding(f"{seen} of {ROWS} rows that were written are there", good=False)
    if mode.upper() == "WAL":
        return Finding("write-ahead log (WAL), read beside the writer")
    why = f"{file_system(place) or 'this file system'} has no shared memory"
    return Finding(f"rollback journal ({mode.lower()}): {why}; safe, a little slower")


def has_room(place: Path) -> Finding:
    """Bytes and, where they are counted, files that can still be made."""
    free, files = shutil.disk_usage(place).free, _files(place)
    kind = file_system(place) or "a file system of unknown kind"
    words = f"{kind}, {human(free)}{f' and {files:,} files' if files else ''} free"
    return Finding(words, good=free >= LOW and not 0 < files < FEW)


def _files(place: Path) -> int:
    look: Callable[[Path], os.statvfs_result] | None = getattr(os, "statvfs", None)
    return look(place).f_favail if look is not None else 0


CHECKS = (
    Check("atomic replace", replaces, ELSEWHERE),
    Check("fsync, file and directory", syncs, "do not ask for --durability full here", matters=False),
    Check("ledger (SQLite)", keeps_a_ledger, ELSEWHERE),
    Check("hard links", links, "a file that many items share takes its space for each", matters=False),
    Check("room", has_room, "see with 'mlhub-async plan' whether it suffices", matters=False),
)


CASES = (
    ("a", "A"),
    ("\u00e9", "\u00c9"),
    ("\u00df", "\u1e9e"),
    ("\u03c3", "\u03c2"),
    ("K", "\u212a"),
    ("ss", "\u00df"),
    ("s", "\u017f"),
    ("i", "\u0131"),
    ("fi", "\ufb01"),
)
FORMS = (("\u00e9", "e\u0301"), ("\u1e69", "s\u0323\u0307"), ("\uac00", "\u1100\u1161"))
HARD = ("con", "a:b*c?d", "trailing.", "new\nline", "../out", "日本語", "%2F", "-rf", "a\\b")


def alike(place: Path, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those pairs of which the second name is that of the first one's file."""
    found = []
    for number, (one, other) in enumerate(pairs):
        folder = place / str(number)
        folder.mkdir(parents=True)
        (folder / one).write_bytes(b"")
        if (folder / other).exists():
            found.append((one, other))
    return found


def collides(place: Path) -> Finding:
    """Names that are one to the file system have to be one to the ledger, which then tells them apart."""
    cases, forms = alike(place / "case", CASES), alike(place / "form", FORMS)
    if missed := [pair for pair in cases + forms if fold(pair[0]) != fold(pair[1])]:
        shown = " and ".join(ascii(name) for name in missed[0])
        return Finding(f"{shown} are one file here, which the ledger does not know", good=False)
    told = ["upper and lower case", "composed and decomposed letters"]
    merged = [words for words, found in zip(told, (cases, forms), strict=True) if found]
    if merged:
        return Finding(f"{' and '.join(merged)} are one name here: whatever collides is named apart")
    return Finding("upper and lower case differ, so do composed letters: nothing collides here")


def takes_names(place: Path) -> Finding:
    """Names as catalogues have them, made safe as a run does it."""
    with opened(place) as store:
        for number, name in enumerate(HARD):
            path = f"{number}/{safe_component(name)}"
            store.write_document(path, b"x")
            if store.found(path) is None or os.listdir(place / str(number)) == []:
                return Finding(f"{term_safe(path)} was written and is not there", good=False)
    return Finding(f"{len(HARD)} hard ones written as they are made safe here")


def takes_long_names(place: Path) -> Finding:
    """The longest path that the default template makes: three levels of the longest component."""
    path = "/".join([(letter * LONGEST) for letter in "cik"[:LEVELS]])
    with opened(place) as store:
        store.write_document(path, b"x")
        there = store.found(path) is not None
    return Finding(f"{LEVELS} levels of {LONGEST} bytes {'hold' if there else 'are lost'}", good=there)


NAMING_CHECKS = (
    Check("names that collide", collides, ELSEWHERE),
    Check("unusual names", takes_names, "assets whose names it refuses will fail", matters=False),
    Check("long names", takes_long_names, "assets with long ids will fail here", matters=False),
)
