"""The files of a folder on this machine that no STAC describes. Symbolic links are not followed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from ....core import urls
from ....core.errors import CatalogDefect, CatalogError, SourceError
from ....core.formats.archives.names import is_junk
from ....core.model import JsonObject
from ....storage.layout import STATE_DIR
from ..listing import FileEntry, rfc3339

PAGE_FILES = 1_000
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class FolderListing:
    """See `FileListing`. Links, pipes, sockets and devices are listed as files that cannot be had."""

    is_sorted = True
    is_whole = False
    prefix = ""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._base = urls.from_path(folder).rstrip("/") + "/"
        self._unread: list[OSError] = []
        self.where = urls.term_safe(str(folder), 300)
        self.collection = _printable(Path(os.path.realpath(folder)).name) or "files"
        self.about: JsonObject = {}
        self.pinned: JsonObject = {}
        self.version = ""

    async def begin(self) -> None:
        """Everything is known from the path."""

    def url_of(self, key: str) -> str:
        return self._base + quote(key, safe="/")

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        """Raises `SourceError` where the folder itself cannot be read, and an error for folders in it that
        cannot be read after all that can be."""
        self._unread = []
        files, is_empty = self._walk(), True
        while page := await asyncio.to_thread(lambda: list(islice(files, PAGE_FILES))):
            is_empty = False
            yield page
        if self._unread:
            raise self._incomplete(self._unread)
        if is_empty:
            raise SourceError(f"{self.where} holds no files", kind="not-found")

    def _walk(self) -> Iterator[FileEntry]:
        """All files in the order of their whole paths. Folders may lie in each other more deeply than
        Python's calls can."""
        open_folders = [("", iter(self._names_in("")))]
        while open_folders:
            path, names = open_folders[-1]
            name = next(names, None)
            if name is None:
                open_folders.pop()
            elif name.endswith("/"):
                if name != f"{STATE_DIR}/":
                    open_folders.append((path + name, iter(self._names_in(path + name))))
            elif (entry := self._entry(path + name)) is not None:
                yield entry

    def _names_in(self, path: str) -> list[str]:
        """The names in a folder, sorted; those of folders end with a slash, which counts for the order."""
        try:
            with os.scandir(self._folder / path) as found:
                return sorted(one.name + "/" * one.is_dir(follow_symlinks=False) for one in found)
        except FileNotFoundError:
            if path:
                return []  # removed meanwhile
            raise SourceError(f"{self.where} does not exist here", kind="not-found") from None
        except OSError as error:
            if not path:
                raise SourceError(f"{self.where} cannot be read: {error.strerror}", kind="path") from error
            self._unread.append(error)
            return []

    def _entry(self, path: str) -> FileEntry | None:
        try:
            found = os.lstat(self._folder / path)
        except FileNotFoundError:
            return None
        key = _printable(path)
        if not stat.S_ISREG(found.st_mode):
            what = _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")
            return FileEntry(key, None, self.url_of(key), refused=f"it is {what}: it is left out")
        if is_junk(path):
            return None
        if key != path:
            why = "its name is not UTF-8: rename it"
            return FileEntry(key, found.st_size, self.url_of(key), refused=why)
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        return FileEntry(key, found.st_size, self.url_of(key), etag, rfc3339(found.st_mtime))

    def _incomplete(self, errors: list[OSError]) -> CatalogError:
        first = errors[0]
        where = urls.term_safe(os.fsdecode(first.filename), 300)
        others = f" (and {len(errors) - 1} other folders)" if len(errors) > 1 else ""
        kind = CatalogDefect if isinstance(first, PermissionError) else CatalogError
        return kind(f"{where} cannot be read: {first.strerror}{others}", kind="path")


def _printable(name: str) -> str:
    """A name as JSON can hold it: bytes that are not UTF-8 become escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
