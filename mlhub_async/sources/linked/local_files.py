"""Local catalogues: the file that a path names, and which files a catalogue may name itself: those of its own
folder, and of STAC collections beside it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...core import urls
from ...core.errors import SourceError, TransferError, UsageError
from ...core.json_text import loads
from ...core.model import CATALOG_FILE, COLLECTION_FILE

MAX_COLLECTION_BYTES = 16 << 20
_names_a_user = re.compile(r"(?://)?[^/?:]*:[^/?@]*@").match


class LocalFiles:
    """The files that a catalogue in `folder` may name. Symbolic links are resolved before the check.

    MLHub packed labels and imagery into archives of their own, which are unpacked beside each other: so
    where `folder` holds a STAC collection, files of a folder beside it may be read if that one does too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._collections: dict[Path, bool] = {}

    def admits(self, path: Path) -> bool:
        """Whether a file may be read. `path` is absolute and free of symbolic links."""
        return path.is_relative_to(self._folder) or self._is_of_neighbour(path)

    def _is_of_neighbour(self, path: Path) -> bool:
        above = self._folder.parent
        if not path.is_relative_to(above) or len(path.relative_to(above).parts) < 2:
            return False
        beside = above / path.relative_to(above).parts[0]
        return self._is_collection(self._folder) and self._is_collection(beside)

    def _is_collection(self, folder: Path) -> bool:
        if (known := self._collections.get(folder)) is None:
            known = self._collections[folder] = _holds_collection(folder)
        return known


def _holds_collection(folder: Path) -> bool:
    document = folder / COLLECTION_FILE
    try:
        if document.is_symlink() or document.stat().st_size > MAX_COLLECTION_BYTES:
            return False
        body = loads(document.read_bytes())
    except (OSError, ValueError):
        return False
    is_stac = isinstance(body, dict) and isinstance(body.get("id"), str) and "stac_version" in body
    return is_stac and (body.get("type") == "Collection" or ("extent" in body and "license" in body))


def local_files_of(root: str) -> LocalFiles | None:
    """The files that a catalogue may name, by the URL of its root document; None for one on the network."""
    return LocalFiles(urls.to_path(root).parent) if root.startswith("file:") else None


def check_inside(target: str, root: str) -> None:
    """Raises `TransferError` for a file: URL outside the folder of the document `root`.

    Symbolic links are resolved first. A catalogue that is on the network leads to no file at all.
    """
    if not root.startswith("file:"):
        raise _local_file_error(target)
    if not _real_path(target).is_relative_to(os.path.realpath(urls.to_path(root).parent)):
        raise TransferError(f"{urls.redacted(target)} is outside the catalogue's folder", kind="outside-root")


def check_source(target: str, files: LocalFiles | None) -> None:
    """The same for the target of a `source` link, which may also be in a STAC collection beside the folder.

    `files` are those of `local_files_of`. The kind of the error is "source-outside-root" where the file
    exists, so that it could be had.
    """
    if files is None:
        raise _local_file_error(target)
    path = _real_path(target)
    if files.admits(path):
        return
    message = f"{urls.redacted(target)} is outside the catalogue's folder"
    if not path.exists():
        raise TransferError(message, kind="outside-root")
    raise TransferError(
        f"{message}, and in no STAC collection beside it: put both under one catalog.json, "
        "and give that as SOURCE",
        kind="source-outside-root",
    )


def _real_path(target: str) -> Path:
    return Path(os.path.realpath(urls.to_path(target)))


def _local_file_error(target: str) -> TransferError:
    return TransferError(f"{urls.redacted(target)} is a local file", kind="outside-root")


def existing_path(text: str) -> Path:
    """The local file or folder that a SOURCE names. Raises `UsageError` for an empty name, `SourceError` for
    what is not there."""
    if not text.strip():
        raise UsageError("SOURCE is empty: give the address or path of a catalogue")
    if not os.path.exists(text):
        is_address = "?" in text or _names_a_user(text)  # without its scheme
        shown = urls.redacted(text) if is_address else urls.term_safe(text, 300)
        raise SourceError(f"{shown} does not exist here, and is no URL", kind="not-found")
    return Path(text)


def catalogue_at(folder: Path) -> Path | None:
    """The catalogue that a folder stands for, if there is one at its top."""
    names = (CATALOG_FILE, COLLECTION_FILE)
    return next((folder / name for name in names if (folder / name).is_file()), None)
