"""Checks a finished copy: every file exists, none twice, every digest is right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from corpus import File


def flaw(dest: Path, files: Sequence[File]) -> str:
    """What is wrong with the copy below `dest`; "" if every byte is right."""
    for file in files:
        path = dest / file.path
        if not path.is_file():
            return f"{file.path} is missing"
        if path.stat().st_size != file.size:
            return f"{file.path} has {path.stat().st_size} bytes, not {file.size}"
        if _digest(path) != file.sha256:
            return f"{file.path} has other bytes than the original"
    found = sum(name.endswith(".bin") for _, _, names in os.walk(dest) for name in names)
    return "" if found == len(files) else f"{found} files were written for {len(files)}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
