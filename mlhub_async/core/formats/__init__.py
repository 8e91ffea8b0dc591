"""File formats: which one a file should be, whether it begins so, and whether its structure is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from .. import lazy_exports

if TYPE_CHECKING:
    from .checks.reader import IntrinsicFlaw as IntrinsicFlaw
else:
    __getattr__ = lazy_exports(__name__, {"checks.reader": "IntrinsicFlaw"})


def flaw(file: BinaryIO, path: str, media_type: str | None = None) -> str | None:
    """What is wrong with the structure of a file, None if nothing is found.

    The result is an `IntrinsicFlaw` if truncation does not explain it.

    `file` is open for reading in binary mode and seekable; the caller closes it. `path` is its final name.
    """
    from .structure import find_flaw  # most runs look into no file, and start sooner

    return find_flaw(file, path, media_type)
