"""Partial files: the bytes of unfinished assets in `.mlhub/partial`, also those that an earlier run left."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from ...core.model import PartialHeader
from ..layout import checkpoints_file, partial_file
from ..os_errors import storage_error
from .body import BodyWriter
from .checkpoint import Checkpoints
from .directories import HAS_DIR_FD
from .writer import WriterThreads


class PartialFile:
    """See `ports.PartialFile`. `stem` is its name in the directory, without the suffix."""

    def __init__(self, partials: Partials, key: str) -> None:
        self._partials = partials
        self._key = key
        self.stem = partials.unique_name()
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

    def __init__(
        self, folder: Path, threads: WriterThreads, publish: Callable[[BodyWriter, str], Awaitable[int]]
    ) -> None:
        self.folder = folder
        self.threads = threads
        self.publish = publish
        self.directory: int | None = None
        self._run = os.urandom(4).hex()
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
        return f"{prefix}{self._run}{next(self._counter):x}"

    def unique_path(self, prefix: str) -> str:
        """The path of such a name, see `path`."""
        name = f"{prefix}{self._run}{next(self._counter):x}"
        return name if HAS_DIR_FD else str(self.folder / name)

    def path(self, name: str) -> str:
        """The path to pass to functions of `os` together with `dir_fd=directory`."""
        return name if HAS_DIR_FD else str(self.folder / name)

    def checkpoints(self, stem: str) -> Checkpoints:
        return Checkpoints(self.path(checkpoints_file(stem)), self.directory)

    def find_left(self) -> None:
        """Find the partial files with usable checkpoints; delete everything else that a killed run left."""
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
        checkpoints = self.checkpoints(stem)
        try:
            found = checkpoints.reopen()
        except OSError:
            return ""
        finally:
            checkpoints.close()
        return found[0] if found is not None else ""

    def has_left(self, identity: tuple[str, str, str]) -> bool:
        return bool(self._left) and _key(identity) in self._left

    def open_file(self, identity: tuple[str, str, str]) -> PartialFile:
        key = _key(identity)
        file = PartialFile(self, key)
        if (stem := self._left.pop(key, None)) is not None:
            file.take_over(stem)
        return file

    def has(self, body: BodyWriter) -> bool:
        """Whether the file of a body still exists."""
        try:
            os.stat(body.path, dir_fd=self.directory, follow_symlinks=False)
        except OSError:
            return False
        return True


def _key(identity: tuple[str, str, str]) -> str:
    """A short hash of an asset's identity."""
    return hashlib.blake2b("\0".join(identity).encode(errors="surrogatepass"), digest_size=12).hexdigest()
