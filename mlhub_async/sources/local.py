"""Hides which files on disk a catalogue on disk may name."""

from __future__ import annotations

import os

from ..core import urls
from ..core.errors import TransferError


def check_inside(target: str, root: str) -> None:
    """Raises `TransferError` for a file: URL outside the folder of `root`, symbolic links resolved."""
    if not root.startswith("file:"):
        raise TransferError(f"{urls.redacted(target)} is a local file", kind="outside-root")
    folder = os.path.realpath(urls.to_path(root).parent)
    if os.path.commonpath([folder, os.path.realpath(urls.to_path(target))]) != folder:
        raise TransferError(f"{urls.redacted(target)} is outside the catalogue's folder", kind="outside-root")
