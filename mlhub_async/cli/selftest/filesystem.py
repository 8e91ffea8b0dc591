"""What a file system does with files, asked through the very functions that a run uses."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...core.progress import human
from ...storage.ledger.schema import connect, file_system
from ...storage.local.store import LocalStore
from .checks import Check, Finding

LOW = 1 << 30
FEW = 10_000
REPLACED = 200
SYNCED = 5
ROWS = 2_000
ELSEWHERE = "choose another DEST: no run is safe on this file system"


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
