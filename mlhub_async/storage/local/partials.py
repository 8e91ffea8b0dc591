"""Partial files: the bytes of unfinished assets in `.mlhub/partial`, also those that an earlier run left."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import PartialLost, TransferError
from ...core.model import PartialHeader
from ..layout import checkpoints_file, partial_file
from ..os_errors import state_error, storage_error
from .directories import HAS_DIR_FD
from .writer import WriterThreads

if TYPE_CHECKING:
    from .body import BodyWriter
    from .checkpoint import Checkpoints


Publish = Callable[["BodyWriter", str], Awaitable[int]]
"""Gives a complete body its final path; returns the `mtime_ns` that its record has."""


class PartialFile:
    """See `ports.PartialFile`. `stem` is its name in the directory, without the suffix."""

    def __init__(self, partials: Partials, key: str) -> None:
        self._partials = partials
        self._key = key
        self.stem = partials.unique_name()
        from .body import BodyWriter  # most small files come without

        self.body = BodyWriter(partials.path(partial_file(self.stem)), partials.directory, partials.threads)
        self.left: PartialHeader | None = None

    def take_over(self, stem: str) -> None:
        """Rename an earlier run's partial file to this one: if two runs try, only one succeeds.

        Its checkpoints are copied first, so that a kill at any moment leaves a complete pair. They are not
        renamed: where the file system ignores locks, the run that began them may still append to them, even
        for another version of the asset.
        """
        folder = self._partials.folder
        ours, theirs = (folder / checkpoints_file(name) for name in (self.stem, stem))
        checkpoints = self._partials.checkpoints(self.stem)
        try:
            import shutil

            shutil.copyfile(theirs, ours, follow_symlinks=False)
            if (found := checkpoints.reopen()) is not None:
                (folder / partial_file(stem)).rename(folder / partial_file(self.stem))
        except OSError:
            found = None
        if found is None:
            checkpoints.delete()
            return
        with contextlib.suppress(OSError):
            theirs.unlink()
        self.left = found[1]
        self.body.digests.checkpoints = checkpoints

    def bind(self, header: PartialHeader | None) -> None:
        """See `ports.PartialFile`. Before the first byte: a header must not be newer than the bytes."""
        if header is None:
            self._unbind()
            return
        checkpoints = self.body.digests.checkpoints or self._partials.checkpoints(self.stem)
        begin = partial(self._begin_checkpoints, checkpoints, header)
        disk = self._partials.threads.disk
        if disk.fast:
            disk.run_here(begin)
        else:
            self.body.run_first(begin)

    def _begin_checkpoints(self, checkpoints: Checkpoints, header: PartialHeader) -> None:
        try:
            checkpoints.begin(self._key, header)
        except OSError as error:
            self._unbind()
            checkpoints.delete()
            raise storage_error(error, checkpoints_file(self.stem)) from None
        self.body.digests.checkpoints = checkpoints

    def _unbind(self) -> None:
        checkpoints, self.body.digests.checkpoints = self.body.digests.checkpoints, None
        if checkpoints is not None:
            checkpoints.delete()

    async def commit(self, path: str) -> int:
        mtime_ns = await self._partials.publish(self.body, path)
        self.body.is_persistent = False
        self._unbind()
        return mtime_ns

    async def keep(self) -> None:
        try:
            await self.body.close()
        finally:
            if self.body.digests.checkpoints is None:
                self._delete()
            else:
                self.body.digests.checkpoints.close()

    async def drop(self) -> None:
        try:
            await self.body.close(keep=False)
        finally:
            self._delete()

    def _delete(self) -> None:
        if self.body.is_persistent or self.left is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.body.path, dir_fd=self._partials.directory)
        self._unbind()


class Partials:
    """The directory of partial files, for one run.

    `publish` gives a complete body its final path: it moves the file out of here by rename.
    """

    def __init__(self, folder: Path, threads: WriterThreads, publish: Publish) -> None:
        self.folder = folder
        self.threads = threads
        self.publish = publish
        self.directory: int | None = None
        self.run = os.urandom(4).hex()
        self._counter = itertools.count()
        self._left: dict[str, str] = {}

    def open(self) -> None:
        """Create the directory. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
        self.directory = os.open(self.folder, flags) if HAS_DIR_FD else None

    def close(self) -> None:
        if self.directory is not None:
            os.close(self.directory)
            self.directory = None

    def unique_name(self, prefix: str = "") -> str:
        """A name, without suffix, that no other run uses."""
        return f"{prefix}{self.run}{next(self._counter):x}"

    def unique_paths(self, prefix: str) -> Iterator[str]:
        """The paths (see `path`) of such names, without end."""
        beginning = self.path(f"{prefix}{self.run}").replace("{", "{{").replace("}", "}}")
        return map((beginning + "{:x}").format, self._counter)

    def path(self, name: str) -> str:
        """The path to pass to functions of `os` together with `dir_fd=directory`."""
        return name if HAS_DIR_FD else str(self.folder / name)

    def checkpoints(self, stem: str) -> Checkpoints:
        from .checkpoint import Checkpoints

        return Checkpoints(self.path(checkpoints_file(stem)), self.directory)

    def find_left(self) -> None:
        """Find the partial files with usable checkpoints; delete everything else that a killed run left."""
        self._find_among({entry.name for entry in os.scandir(self.folder)})

    def _find_among(self, names: set[str]) -> None:
        found: dict[str, str] = {}
        for stem in {name.rpartition(".")[0] for name in names}:
            if {partial_file(stem), checkpoints_file(stem)} <= names and (key := self._key_of(stem)):
                found.setdefault(key, stem)
        self._left |= found
        kept = {of(stem) for stem in found.values() for of in (partial_file, checkpoints_file)}
        for name in names - kept:
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()

    def _key_of(self, stem: str) -> str:
        checkpoints = self.checkpoints(stem)
        try:
            found = checkpoints.reopen()
        except OSError:
            return ""
        finally:
            checkpoints.close()
        return found[0] if found is not None else ""

    def find_of(self, run: str) -> None:
        """Find the partial files with usable checkpoints of a worker that has ended; delete what else it has
        left. The names of its files have `run` in them. Raises `StorageError` where they cannot be listed."""
        try:
            names = {entry.name for entry in os.scandir(self.folder) if run in entry.name}
        except OSError as error:
            raise state_error(error, self.folder) from None
        self._find_among(names)

    def give_away(self, identity: tuple[str, str, str]) -> str:
        """The name of the partial file of an asset that was left, for `adopt` in a worker; "" if none."""
        return self._left.pop(_key(identity), "") if self._left else ""

    def adopt(self, identity: tuple[str, str, str], stem: str) -> None:
        """Take a partial file for one that was left here."""
        self._left[_key(identity)] = stem

    @property
    def any_left(self) -> bool:
        return bool(self._left)

    def has_left(self, identity: tuple[str, str, str]) -> bool:
        return bool(self._left) and _key(identity) in self._left

    def open_file(self, identity: tuple[str, str, str]) -> PartialFile:
        key = _key(identity)
        file = PartialFile(self, key)
        if (stem := self._left.pop(key, None)) is not None:
            file.take_over(stem)
        return file

    def discard(self, body: BodyWriter) -> None:
        """Delete the file of a body whose bytes are somewhere else by now. Where it is open and cannot be
        deleted, the next run does that."""
        with contextlib.suppress(OSError):
            os.unlink(body.path, dir_fd=self.directory)

    def explained(self, error: TransferError, source: str, path: str) -> TransferError:
        """Why the file `source` in here could not be given its final `path`: `PartialLost` if it is gone."""
        try:
            os.stat(source, dir_fd=self.directory, follow_symlinks=False)
        except OSError:
            return PartialLost(f"{path}: its unfinished file was removed by somebody else")
        return error


def _key(identity: tuple[str, str, str]) -> str:
    """A short hash of an asset's identity."""
    return hashlib.blake2b("\0".join(identity).encode(errors="surrogatepass"), digest_size=12).hexdigest()
