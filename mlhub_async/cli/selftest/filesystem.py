"""Checks of the file system, by the functions that a run uses: replace, sync, ledger, links, names."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...core.telemetry import human_size
from ...core.urls import term_safe
from ...storage.file_systems import file_system
from ...storage.layout import LEDGER_FILE
from ...storage.ledger.schema import connect
from ...storage.local.store import LocalStore
from ...storage.naming import MAX_COMPONENT_BYTES, fold, safe_component
from .checks import Check, Finding

LOW_FREE_BYTES = 1 << 30
LOW_FREE_FILES = 10_000
REPLACEMENTS = 200
SYNCED_FILES = 5
LEDGER_ROWS = 2_000
NAME_LEVELS = 3
READ_LATER = "a reader may miss a file while a run replaces it: read when no run is under way"
MOUNT_WITH_CACHE = (
    "the ledger and unfinished files need that: mount it with a cache for writes (rclone: "
    "--vfs-cache-mode writes) or choose another DEST"
)
CHOOSE_ANOTHER = "choose another DEST: no run is safe on this file system"


@contextlib.contextmanager
def open_store(directory: Path, durability: str = "process") -> Iterator[LocalStore]:
    """A store as a run opens it, with its lock held until the end of the block."""
    store = LocalStore(directory, durability=durability)
    try:
        store.open()
        yield store
    finally:
        store.close()


def check_replace(directory: Path) -> Finding:
    """While a file is replaced again and again a reader finds the old or the new content, never a mixture.

    That it cannot read it for a moment spoils no mirror, as no run reads what another one writes.
    """
    contents = [letter * 40_000 for letter in (b"a", b"b")]
    faults: list[str] = []
    absences: list[OSError] = []
    finished = threading.Event()
    with open_store(directory) as store:
        store.put("folder/file.json", contents[0])
        path = directory / "folder/file.json"
        reader = threading.Thread(target=_read_repeatedly, args=(path, contents, faults, absences, finished))
        reader.start()
        try:
            for number in range(REPLACEMENTS):
                store.put("folder/file.json", contents[number % 2])
        finally:
            finished.set()
            reader.join()
    if faults:
        return Finding(faults[0], ok=False)
    if path.read_bytes() != contents[(REPLACEMENTS - 1) % 2]:
        return Finding("a file that was replaced has its old content", ok=False)
    if absences:
        return Finding(
            f"never half replaced, but not always to be read ({absences[0].strerror})",
            ok=False,
            harm=READ_LATER,
        )
    return Finding(f"whole in every read, {REPLACEMENTS} times replaced")


def _read_repeatedly(
    path: Path, contents: list[bytes], faults: list[str], absences: list[OSError], finished: threading.Event
) -> None:
    """Until `finished` is set or a read has found something wrong. `absences`: it could not read the file."""
    while not finished.is_set() and not faults:
        try:
            if path.read_bytes() not in contents:
                faults.append("a reader found a file that was half replaced")
        except OSError as error:
            absences.append(error)


def check_writes_in_place(directory: Path) -> Finding:
    """A file can be written in its middle, cut, and renamed over another: object stores cannot do that."""
    path, other = directory / "file", directory / "other"
    for one in (path, other):
        one.write_bytes(b"a" * 8192)
    step = "a file cannot be written in place"
    try:
        with open(path, "r+b", buffering=0) as file:
            file.seek(4096)
            file.write(b"b" * 4096)
            file.truncate(6000)
        step = "a file cannot be renamed over another one"
        os.replace(path, other)
    except OSError as error:
        return Finding(f"{step} ({error.strerror})", ok=False)
    if other.read_bytes() != b"a" * 4096 + b"b" * 1904:
        return Finding("what was written in place is not there", ok=False)
    return Finding("in the middle of a file; a file can be cut, and renamed over another one")


def check_hard_links(directory: Path) -> Finding:
    """Assets that share a URL are one file with several names."""
    with open_store(directory) as store:
        store.put("one.bin", b"shared")
        store.link_once("one.bin", "folder/two.bin")
    linked = os.path.samefile(directory / "one.bin", directory / "folder/two.bin")
    return Finding("one file, two names" if linked else "not supported: files are copied instead", ok=linked)


def check_sync(directory: Path) -> Finding:
    """A file and the directories above it can be synced, as `--durability full` does; measures the time."""
    started = time.monotonic()
    with open_store(directory, "full") as store:
        for number in range(SYNCED_FILES):
            path = f"folder/{number}/file.json"
            store.put(path, b"x" * 16_384)
            store.sync_names([path])
    milliseconds = (time.monotonic() - started) * 1000 / SYNCED_FILES
    return Finding(f"{milliseconds:.0f} ms per file with its directories")


def check_ledger(directory: Path) -> Finding:
    """The ledger can be opened as a run opens it, written, and read by a second connection."""
    path = directory / LEDGER_FILE
    with contextlib.closing(connect(path)) as database:
        mode = str(database.execute("PRAGMA journal_mode").fetchone()[0])
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO seen VALUES (?, 1)", ((number,) for number in range(LEDGER_ROWS)))
        database.execute("COMMIT")
        with contextlib.closing(connect(path)) as other:
            found = other.execute("SELECT count(*) FROM seen").fetchone()[0]
    if found != LEDGER_ROWS:
        return Finding(f"{found} of {LEDGER_ROWS} rows that were written can be read", ok=False)
    if mode.upper() == "WAL":
        return Finding("write-ahead log (WAL), readable while it is written")
    reason = f"{file_system(directory) or 'this file system'} has no shared memory"
    return Finding(f"rollback journal ({mode.lower()}): {reason}; safe, a little slower")


def check_free_space(directory: Path) -> Finding:
    """Free bytes and, where the file system counts them, files that can still be created."""
    free, files = shutil.disk_usage(directory).free, _free_files(directory)
    kind = file_system(directory) or "a file system of unknown kind"
    text = f"{kind}, {human_size(free)}{f' and {files:,} files' if files else ''} free"
    return Finding(text, ok=free >= LOW_FREE_BYTES and not 0 < files < LOW_FREE_FILES)


def _free_files(directory: Path) -> int:
    """0 where it is not known."""
    statvfs: Callable[[Path], os.statvfs_result] | None = getattr(os, "statvfs", None)
    return statvfs(directory).f_favail if statvfs is not None else 0


CASE_PAIRS = (
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
COMPOSITION_PAIRS = (("\u00e9", "e\u0301"), ("\u1e69", "s\u0323\u0307"), ("\uac00", "\u1100\u1161"))
DIFFICULT_NAMES = ("con", "a:b*c?d", "trailing.", "new\nline", "../out", "日本語", "%2F", "-rf", "a\\b")


def same_file_pairs(directory: Path, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of names that are the same file for this file system."""
    found = []
    for number, (one, other) in enumerate(pairs):
        folder = directory / str(number)
        folder.mkdir(parents=True)
        (folder / one).write_bytes(b"")
        if (folder / other).exists():
            found.append((one, other))
    return found


def check_collisions(directory: Path) -> Finding:
    """Names that are the same file for the file system collide for the ledger too, which keeps them apart."""
    cases = same_file_pairs(directory / "case", CASE_PAIRS)
    compositions = same_file_pairs(directory / "form", COMPOSITION_PAIRS)
    if missed := [pair for pair in cases + compositions if fold(pair[0]) != fold(pair[1])]:
        shown = " and ".join(ascii(name) for name in missed[0])
        return Finding(f"{shown} are one file here, but two for the ledger", ok=False)
    differences = ["upper and lower case", "composed and decomposed letters"]
    merged = [what for what, found in zip(differences, (cases, compositions), strict=True) if found]
    if merged:
        return Finding(f"{' and '.join(merged)} are one name here: colliding names get different ones")
    return Finding("case and composition of letters distinguish names: none collide")


def check_difficult_names(directory: Path) -> Finding:
    """Names as catalogues have them can be written after a run has made them safe."""
    with open_store(directory) as store:
        for number, name in enumerate(DIFFICULT_NAMES):
            path = f"{number}/{safe_component(name)}"
            store.put(path, b"x")
            if not (directory / path).is_file() or os.listdir(directory / str(number)) == []:
                return Finding(f"{term_safe(path)} was written and is not there", ok=False)
    return Finding(f"{len(DIFFICULT_NAMES)} difficult names written as they are made safe here")


def check_long_names(directory: Path) -> Finding:
    """The longest path of the default template can be written: three levels of the longest component."""
    path = "/".join([(letter * MAX_COMPONENT_BYTES) for letter in "cik"[:NAME_LEVELS]])
    with open_store(directory) as store:
        store.put(path, b"x")
        exists = (directory / path).is_file()
    result = "can be written" if exists else "are lost"
    return Finding(f"{NAME_LEVELS} levels of {MAX_COMPONENT_BYTES} bytes {result}", ok=exists)


CHECKS = (
    Check("atomic replace", check_replace, CHOOSE_ANOTHER),
    Check("fsync, file and directory", check_sync, "do not use --durability full here", required=False),
    Check("writes in place", check_writes_in_place, MOUNT_WITH_CACHE),
    Check("ledger (SQLite)", check_ledger, CHOOSE_ANOTHER),
    Check("hard links", check_hard_links, "a file that items share takes its space for each", required=False),
    Check("free space", check_free_space, "compare with the sizes of 'mlhub-async plan'", required=False),
    Check("names that collide", check_collisions, CHOOSE_ANOTHER),
    Check("unusual names", check_difficult_names, "assets with such names will fail", required=False),
    Check("long names", check_long_names, "assets with long ids will fail", required=False),
)
