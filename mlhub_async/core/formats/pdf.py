"""PDF: the mark of its end."""

from __future__ import annotations

from typing import BinaryIO

from .reader import Broken, Reader, verdict

_TAIL = 64 << 10
"""Readers look for the mark in the last kilobyte; programs that append to a file keep less to the rules."""


def check(file: BinaryIO) -> str | None:
    return verdict(_look, file)


def _look(reader: Reader) -> None:
    if reader.find(b"%%EOF", max(reader.size - _TAIL, 0)) < 0:
        raise Broken("the mark of its end is missing")
