"""Opens a file below DEST by the path of a request; no link is followed."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import unquote_to_bytes

from .....core.model import FileState
from .....storage.integrity import open_unfollowed
from .....storage.layout import COPY_PREFIX, STATE_DIR
from .....storage.naming import is_plain_path

MAX_PATH_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A regular file, open to be read; whoever has it closes `file`. `sha256`: "" where it is not known."""

    path: str
    file: FileIO
    state: FileState
    sha256: str = ""


def path_of(raw_path: str) -> str | None:
    """The path below DEST that the path of a URL means; None for one that names no file of a mirror.

    Each component is decoded by itself: an encoded separator is none.
    """
    if len(raw_path) > MAX_PATH_LENGTH:
        return None
    try:
        names = [unquote_to_bytes(part).decode() for part in raw_path.removeprefix("/").split("/")]
    except UnicodeDecodeError:
        return None
    if any("/" in name or not name for name in names):
        return None
    path = "/".join(names)
    return path if is_plain_path(path) and not _is_private(names) else None


def _is_private(names: list[str]) -> bool:
    return any(name == STATE_DIR or name.startswith(COPY_PREFIX) for name in map(str.lower, names))


def open_file(dest: Path, path: str, *, known: bool) -> OpenedFile | None:
    """The regular file at `path`, None if there is none or a link on the way. Raises OSError otherwise.

    `known`: it belongs to the mirror. Only then may it have a hidden name, as the `.zarray` of a Zarr store.
    """
    if not known and (path[:1] == "." or "/." in path):
        return None
    try:
        return regular(path, _open_below(dest, path.split("/")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        if _is_link(dest, path):
            return None
        raise


def regular(path: str, file: FileIO) -> OpenedFile | None:
    """An open file with its state; None, and closed, if it is no regular one."""
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode):
        file.close()
        return None
    return OpenedFile(path, file, FileState(found.st_size, found.st_mtime_ns))


def _is_link(dest: Path, path: str) -> bool:
    """What systems say of a link that is not to be followed, or of a directory, differs: look."""
    full = dest / path
    return any(one.is_symlink() for one in (full, *full.parents) if one.is_relative_to(dest)) or full.is_dir()


def _open_below(dest: Path, names: list[str]) -> FileIO:
    if os.open not in os.supports_dir_fd:
        return _open_resolved(dest, names)
    folder = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names[:-1]:
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return open_unfollowed(names[-1], folder)
    finally:
        os.close(folder)


def _open_resolved(dest: Path, names: list[str]) -> FileIO:
    """Where directories cannot be opened (Windows): a path must resolve to itself; short names do not."""
    wanted = os.path.join(os.path.realpath(dest), *names)
    if os.path.realpath(wanted) != wanted:
        raise FileNotFoundError(wanted)
    return open_unfollowed(wanted)
