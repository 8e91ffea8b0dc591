"""Writes a file that an option names, whole or not at all: under another name first, then renamed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

PRIVATE, SHARED = 0o600, 0o666
"""Modes: for the owner only; as the umask of the process says."""


@contextmanager
def output_file(path: str, mode: int = SHARED) -> Iterator[BinaryIO]:
    """Yields a file to write, which gets its name when the block ends without an exception.

    A symbolic link stays: its target is replaced. A device or pipe, such as /dev/null or /dev/stdout, is
    written in place. Raises OSError.
    """
    if not _is_replaceable(path):
        with open(path, "wb") as file:
            yield file
        return
    target = os.path.realpath(path)
    draft = f"{target}.draft-{os.getpid()}"
    try:
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
        os.replace(draft, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _is_replaceable(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True
