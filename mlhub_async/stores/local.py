"""The mirror on a local disk: unfinished bytes under `.mlhub/partial`, finished files under their names.

A name on disk is a promise (FAULTS 4.1): a file gets its final name only by rename, after every check.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from ..errors import StorageError
from .body import SMALL, Body
from .lock import RunLock
from .tree import HAS_DIR_FD, Tree, storage_error

STATE = ".mlhub"
DISK_THREADS = 4
RESERVE = 64 << 10
"""Bytes set aside while a run goes on, so that it can say how it ended on a disk that is full."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a partial file is a part of: only bytes of this very representation may be added to it."""

    key: str
    validator: str
    total: int
    boot: str


@dataclass(slots=True)
class Draft:
    """A place for one asset's unfinished bytes, and what an earlier run left of them, if anything."""

    identity: tuple[str, str, str]
    stem: str
    body: Body
    left: Origin | None = None
    bound: bool = False


class LocalStore:
    """Owns DEST for one run. `open` takes the lock; `close` gives everything back."""

    def __init__(self, root: Path, *, durability: str = "process") -> None:
        self.root = root
        self.state = root / STATE
        self._partial = self.state / "partial"
        self._sync = durability == "full"
        self._pool = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="mlhub-disk")
        self._numbers = itertools.count()
        self._run = secrets.token_hex(4)
        self._boot = _boot_id()
        self._left: dict[str, tuple[str, Origin]] = {}
        self.tree = Tree(root)
        self._documents = Tree(root)
        self._directory: int | None = None
        self._receipt_gone = False
        self._lock = RunLock(self.state / "lock")

    def refuse_unless_directory(self) -> None:
        """Raises `StorageError` if DEST is something else already; makes nothing."""
        if self.root.exists() and not self.root.is_dir():
            raise StorageError(f"{self.root} is not a directory; choose another DEST")

    def open(self) -> None:
        """Make DEST and its state directory, take the lock, see what an earlier run left unfinished.

        Raises `StorageError` (DEST is no directory, not writable ...) or `Locked`.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._refuse_links(self.state)
            self.state.mkdir(mode=0o700, exist_ok=True)
            self._refuse_links(*self.state.iterdir())
            self._partial.mkdir(mode=0o700, exist_ok=True)
            self._refuse_another_file_system()
            flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
            self._directory = os.open(self._partial, flags) if HAS_DIR_FD else None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StorageError(f"{self.root}: cannot be used as DEST ({reason})") from None
        self._lock.take()
        self._look_around()
        self._set_aside()

    def _refuse_links(self, *paths: Path) -> None:
        """What the mirror keeps for itself is written without asking: it must not lead out of DEST."""
        for path in paths:
            if path.is_symlink():
                raise StorageError(f"{path} is a link; remove it, or put a directory in its place")

    def _refuse_another_file_system(self) -> None:
        """A rename is only atomic, or possible at all, within one."""
        if self._partial.stat().st_dev != self.root.stat().st_dev:
            raise StorageError(f"{self._partial} is on another file system than {self.root}; unmount it")

    def _set_aside(self) -> None:
        """Keep a little of the disk for the receipt of a run that fills it."""
        try:
            (self.state / "reserve").write_bytes(b"\0" * RESERVE)
        except OSError as error:
            raise StorageError(f"{self.state}: {error.strerror}; free some space, then run again") from None

    def use_reserve(self) -> None:
        with contextlib.suppress(OSError):
            (self.state / "reserve").unlink()

    def _look_around(self) -> None:
        """Keep partial files whose origin is proven; the rest is litter of a run that was killed."""
        names = {entry.name for entry in os.scandir(self._partial)}
        for stem in (name.removesuffix(".part") for name in names if name.endswith(".part")):
            if (origin := self._origin_of(stem)) is not None:
                self._left.setdefault(origin.key, (stem, origin))
        kept = {f"{stem}.{kind}" for stem, _ in self._left.values() for kind in ("part", "json")}
        for name in names - kept:
            with contextlib.suppress(OSError):
                (self._partial / name).unlink()

    def _origin_of(self, stem: str) -> Origin | None:
        try:
            fields = orjson.loads((self._partial / f"{stem}.json").read_bytes())
            origin = Origin(
                str(fields["key"]), str(fields["validator"]), int(fields["total"]), str(fields["boot"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # What was not synced before the machine went down may be holes: only the same boot counts.
        return origin if origin.boot == self._boot else None

    def draft(self, identity: tuple[str, str, str]) -> Draft:
        """Unfinished bytes for one asset, under a name that no other run uses.

        The caller must `keep`, `drop` or `commit` it in the end.
        """
        stem = f"{self._run}{next(self._numbers):x}"
        draft = Draft(identity, stem, Body(self._path(stem), self._directory, self._pool))
        if self._left and (left := self._left.pop(_key(identity), None)) is not None:
            self._take_over(*left, draft)
        return draft

    def _take_over(self, old: str, origin: Origin, draft: Draft) -> None:
        """Make an earlier run's partial file ours. If it is gone meanwhile, we begin anew."""
        self.bind(draft, origin.validator, origin.total)
        try:
            (self._partial / f"{old}.part").rename(self._partial / f"{draft.stem}.part")
        except OSError:
            self._unbind(draft)
            return
        with contextlib.suppress(OSError):
            (self._partial / f"{old}.json").unlink()
        draft.left = origin

    def _path(self, stem: str) -> str:
        return f"{stem}.part" if HAS_DIR_FD else str(self._partial / f"{stem}.part")

    def bind(self, draft: Draft, validator: str, total: int | None) -> None:
        """Note what a draft is a part of, so that a later run may go on with it. Call it after `begin`:
        the note must never be newer than the bytes."""
        if not validator or total is None or total <= SMALL:
            self._unbind(draft)
            return
        origin = Origin(_key(draft.identity), validator, total, self._boot)
        sidecar = self._partial / f"{draft.stem}.json"
        try:
            sidecar.write_bytes(orjson.dumps(asdict(origin)))
        except OSError as error:
            raise storage_error(error, sidecar) from None
        draft.bound = True

    async def keep(self, draft: Draft) -> None:
        """Stop here; a later run goes on if the draft is bound, else nothing is left behind."""
        await draft.body.close()
        if not draft.bound:
            self._unlink(draft)

    async def drop(self, draft: Draft) -> None:
        """Forget the bytes."""
        await draft.body.close()
        self._unlink(draft)

    def _unlink(self, draft: Draft) -> None:
        if draft.body.was_opened:
            with contextlib.suppress(OSError):
                os.unlink(draft.body.path, dir_fd=self._directory)
        self._unbind(draft)

    def _unbind(self, draft: Draft) -> None:
        if draft.bound:
            with contextlib.suppress(OSError):
                (self._partial / f"{draft.stem}.json").unlink()
            draft.bound = False

    async def commit(self, draft: Draft, path: str) -> int:
        """Give the checked bytes their final name; returns the file's mtime in nanoseconds."""
        body = draft.body
        if self._sync:
            mtime = await body.in_thread(body.finish, True)
        else:
            mtime = body.finish(False)
        self.tree.place(body.path, self._directory, path)
        body.was_opened = False
        self._unbind(draft)
        return mtime

    def duplicate(self, existing: str, path: str) -> int:
        """Make `path` the same file as `existing`: a hard link where there are such, else a copy."""
        stem = f"link.{self._run}{next(self._numbers):x}"
        source, target = self.root / existing, self._partial / f"{stem}.part"
        try:
            try:
                os.link(source, target, follow_symlinks=False)
            except OSError:
                shutil.copyfile(source, target, follow_symlinks=False)
            mtime = os.stat(target, follow_symlinks=False).st_mtime_ns
        except OSError as error:
            raise storage_error(error, path) from None
        self.tree.place(self._path(stem), self._directory, path)
        return mtime

    def forget_receipt(self) -> None:
        """From now on the last receipt speaks of files that may change: there is none until this run ends."""
        if not self._receipt_gone:
            self._receipt_gone = True
            with contextlib.suppress(OSError):
                (self.state / "receipt.json").unlink()

    def found(self, path: str) -> tuple[int, int] | None:
        """Bytes and mtime (ns) of the regular file at `path`, None if there is none."""
        try:
            there = os.stat(self.root / path, follow_symlinks=False)
        except OSError:
            return None
        return (there.st_size, there.st_mtime_ns) if stat.S_ISREG(there.st_mode) else None

    def write_document(self, path: str, data: bytes) -> int:
        """Put a small document in its place whole; returns its mtime in nanoseconds.

        In the loop's thread, or, where files are synced, in the ledger's.
        """
        name = self._path(f"document.{self._run}{next(self._numbers):x}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            fd = os.open(name, flags, 0o666, dir_fd=self._directory)
            try:
                if os.write(fd, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if self._sync:
                    os.fsync(fd)
                mtime = os.fstat(fd).st_mtime_ns
            finally:
                os.close(fd)
        except OSError as error:
            raise storage_error(error, path) from None
        (self._documents if self._sync else self.tree).place(name, self._directory, path)
        return mtime

    def sync_directories(self, paths: Iterable[str]) -> None:
        """Make the names of these files survive a power cut, those of the directories above them too."""
        if not HAS_DIR_FD:
            return
        folders = {""}
        for path in paths:
            while path := path.rpartition("/")[0]:
                folders.add(path)
        for folder in sorted(folders, reverse=True):
            try:
                fd = os.open(self.root / folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            except OSError as error:
                raise storage_error(error, folder) from None

    def write_pieces(self, path: str, pieces: Iterable[bytes]) -> int:
        """The same for a document that comes in pieces, in the ledger's thread."""
        stem = f"document.{self._run}{next(self._numbers):x}"
        temporary = self._partial / f"{stem}.part"
        try:
            with open(temporary, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                if self._sync:
                    os.fsync(file.fileno())
                mtime = os.fstat(file.fileno()).st_mtime_ns
        except OSError as error:
            raise storage_error(error, path) from None
        self._documents.place(self._path(stem), self._directory, path)
        return mtime

    async def digest(self, path: str, algorithm: str) -> bytes:
        """The digest of a finished file, read in the disk thread."""
        body = Body(str(self.root / path), None, self._pool)
        try:
            await body.adopt([algorithm], read_only=True)
            return (await body.complete())[algorithm]
        finally:
            await body.close()

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self.tree.close()
        self._documents.close()
        if self._directory is not None:
            os.close(self._directory)
            self._directory = None
        self.use_reserve()
        self._lock.release()


def _key(identity: tuple[str, str, str]) -> str:
    """An asset's identity as one short word."""
    return hashlib.blake2b("\0".join(identity).encode(errors="surrogatepass"), digest_size=12).hexdigest()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
