"""Copies the documents of a mirror whose asset hrefs are absolute into another directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from ..core.errors import StorageError
from ..core.json_text import loads
from ..core.model import CATALOG_FILE
from ..stac import links_of

_DOWN = ("child", "item")


def is_same_directory(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths lead to one directory, which need not exist."""
    return os.path.realpath(one) == os.path.realpath(other)


def copy_catalogue(source: Path, dest: Path) -> None:
    """Copy `source`/catalog.json and all documents that it links to, under the same names.

    Each is written under another name and renamed. What is in `dest` otherwise stays as it is. Raises
    `StorageError`.
    """
    try:
        for name, data in _documents(source):
            path = dest / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != data:
                _write(path, data)
    except OSError as error:
        raise StorageError(
            f"{dest}: the catalogue cannot be copied there: {error.strerror or error}"
        ) from error


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{os.urandom(16).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _documents(root: Path) -> Iterator[tuple[str, bytes]]:
    """The documents of a mirror by their paths; links that lead out of it are of no concern here."""
    names = [CATALOG_FILE]
    while names:
        name = names.pop()
        if not (root / name).is_file():
            continue
        data = (root / name).read_bytes()
        yield name, data
        for rel in _DOWN:
            for link in links_of(loads(data), rel):
                if "://" not in link["href"]:
                    target = os.path.normpath(os.path.join(os.path.dirname(name), unquote(link["href"])))
                    names += [] if target.startswith("..") or os.path.isabs(target) else [target]
