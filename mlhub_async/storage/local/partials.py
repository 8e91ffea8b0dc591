"""The directory of unfinished bytes: a name for each draft, and what earlier runs left to go on with."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ..layout import checkpoints_file, partial_file
from .body import BodyWriter
from .checkpoint import Checkpoints, PartialHeader
from .directories import HAS_DIR_FD, storage_error
from .writer import WriterThreads


@dataclass(slots=True)
class PartialFile:
    """A place for one asset's unfinished bytes, and what an earlier run left of them, if anything."""

    identity: tuple[str, str, str]
    stem: str
    body: BodyWriter
    left: PartialHeader | None = None


class Partials:
    """Owns `.mlhub/partial` for one run. Finished files leave it by rename."""

    def __init__(self, folder: Path, disk: WriterThreads) -> None:
        self.folder = folder
        self._disk = disk
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._left: dict[str, str] = {}
        self.directory: int | None = None

    def open(self) -> None:
        """Make the directory. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self.directory = os.open(self.folder, flags) if HAS_DIR_FD else None

    def close(self) -> None:
        if self.directory is not None:
            os.close(self.directory)
            self.directory = None

    def stem(self, kind: str = "") -> str:
        """A name that no other run uses."""
        return f"{kind}{self._run}{next(self._numbers):x}"

    def path(self, name: str) -> str:
        """A name in the directory as calls take it that are also given `directory`."""
        return name if HAS_DIR_FD else str(self.folder / name)

    def _journal(self, stem: str) -> Checkpoints:
        return Checkpoints(self.path(checkpoints_file(stem)), self.directory)

    def look_around(self) -> None:
        """Keep partial files that have a journal we can read; the rest is litter of a run that was killed."""
        names = {entry.name for entry in os.scandir(self.folder)}
        for stem in {name.rpartition(".")[0] for name in names}:
            if not {partial_file(stem), checkpoints_file(stem)} <= names:
                continue
            key = self._key_of(stem)
            if key and key not in self._left:
                self._left[key] = stem
        kept = {of(stem) for stem in self._left.values() for of in (partial_file, checkpoints_file)}
        for name in names - kept:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()

    def _key_of(self, stem: str) -> str:
        journal = self._journal(stem)
        try:
            origin = journal.go_on()
        except OSError:
            return ""
        finally:
            journal.close()
        return origin.key if origin is not None else ""

    def left_over(self, identity: tuple[str, str, str]) -> bool:
        return bool(self._left) and _key(identity) in self._left

    def draft(self, identity: tuple[str, str, str]) -> PartialFile:
        """Unfinished bytes for one asset. The caller must `keep`, `drop` or finish them in the end."""
        stem = self.stem()
        body = BodyWriter(self.path(partial_file(stem)), self.directory, self._disk)
        draft = PartialFile(identity, stem, body)
        if self._left and (old := self._left.pop(_key(identity), None)) is not None:
            self._take_over(old, draft)
        return draft

    def _take_over(self, old: str, draft: PartialFile) -> None:
        """Make an earlier run's partial file ours by rename: of two runs only one succeeds.

        Its journal is copied first, so that a kill at any moment leaves a pair: a copy, since where locks do
        nothing the run that began it may still write to it, of another version even.
        """
        ours, theirs = (self.folder / checkpoints_file(stem) for stem in (draft.stem, old))
        journal = self._journal(draft.stem)
        try:
            shutil.copyfile(theirs, ours, follow_symlinks=False)
            draft.left = journal.go_on()
            (self.folder / partial_file(old)).rename(self.folder / partial_file(draft.stem))
        except OSError:
            draft.left = None
        if draft.left is None:
            journal.delete()
            return
        with contextlib.suppress(OSError):
            theirs.unlink()
        draft.body.digests.journal = journal

    def bind(self, draft: PartialFile, version: PartialHeader | None) -> None:
        """Note what a draft is a part of, so that a later run may go on with it; None: it may not.

        Call it after `begin`: what is noted must never be newer than the bytes. The key is filled in here.
        """
        if version is None:
            self.unbind(draft)
            return
        journal = draft.body.digests.journal or self._journal(draft.stem)
        try:
            journal.begin(replace(version, key=_key(draft.identity)))
        except OSError as error:
            self.unbind(draft)
            journal.delete()
            raise storage_error(error, checkpoints_file(draft.stem)) from None
        draft.body.digests.journal = journal

    def unbind(self, draft: PartialFile) -> None:
        journal, draft.body.digests.journal = draft.body.digests.journal, None
        if journal is not None:
            journal.delete()

    def has(self, body: BodyWriter) -> bool:
        """Whether the file that a body wrote is still where it was."""
        try:
            os.stat(body.path, dir_fd=self.directory, follow_symlinks=False)
        except OSError:
            return False
        return True

    async def keep(self, draft: PartialFile) -> None:
        """Stop here; a later run goes on if the draft is bound, else nothing is left behind."""
        try:
            await draft.body.close()
        finally:
            if draft.body.digests.journal is None:
                self._unlink(draft)
            else:
                draft.body.digests.journal.close()

    async def drop(self, draft: PartialFile) -> None:
        """Forget the bytes."""
        try:
            await draft.body.close(keep=False)
        finally:
            self._unlink(draft)

    def _unlink(self, draft: PartialFile) -> None:
        if draft.body.was_opened or draft.left is not None:
            with contextlib.suppress(OSError):
                os.unlink(draft.body.path, dir_fd=self.directory)
        self.unbind(draft)


def _key(identity: tuple[str, str, str]) -> str:
    """An asset's identity as one short word."""
    return hashlib.blake2b("\0".join(identity).encode(errors="surrogatepass"), digest_size=12).hexdigest()
