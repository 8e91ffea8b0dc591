"""Reads a lockfile item by item. Everything in it is checked before any of it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from ....core.errors import SourceError, TransferError
from ....core.json_text import parse_json
from ....core.model import JsonObject
from .format import Header, LockedDocument, LockedFile, Row, parse_header, parse_row

MAX_LINE_BYTES = 64 << 20


class LockedItem(NamedTuple):
    """The lines of one item, or of one collection (`item` ""). `offset`: where they begin in the file."""

    collection: str
    item: str
    document: JsonObject
    files: tuple[LockedFile, ...]
    offset: int


def read_header(file: BinaryIO, where: str) -> Header:
    """The first line. Raises `SourceError` for what is no lockfile."""
    return parse_header(_record(_line(file, where), f"{where}: its first line"), where)


def locked_items(file: BinaryIO, where: str) -> Iterator[LockedItem]:
    """The items from the present place in the file. Raises `SourceError` for a line that cannot be used."""
    document: JsonObject = {}
    files: list[LockedFile] = []
    owner, begin = None, file.tell()
    number = 1
    while line := _line(file, where):
        number += 1
        row = _row(line, f"line {number} of {where}")
        if owner is not None and (row.collection, row.item) != owner:
            yield LockedItem(*owner, document, tuple(files), begin)
            document, files, begin = {}, [], file.tell() - len(line)
        owner = (row.collection, row.item)
        if isinstance(row, LockedDocument):
            document = row.document
        else:
            files.append(row)
    if owner is not None:
        yield LockedItem(*owner, document, tuple(files), begin)


def checked_items(file: BinaryIO, where: str) -> Iterator[LockedItem]:
    """All items of a lockfile in their order.

    Raises `SourceError` for one that is cut, changed or not in order; when all have been taken it is whole.
    """
    header = read_header(file, where)
    count, last = 0, ("", "", "")
    for one in locked_items(file, where):
        for row in one.files:
            if row.place <= last:
                raise _unusable(f"{where} is not in order at {row.path}")
            last, count = row.place, count + 1
        yield one
    if count != header.files:
        raise _unusable(f"{where} has {count} of its {header.files} files: it was cut or changed")


def _line(file: BinaryIO, where: str) -> bytes:
    line = file.readline(MAX_LINE_BYTES + 1)
    if len(line) > MAX_LINE_BYTES:
        raise _unusable(f"{where} has a line over {MAX_LINE_BYTES >> 20} MiB")
    return line


def _row(line: bytes, where: str) -> Row:
    try:
        return parse_row(_record(line, where), where)
    except TransferError as error:
        raise _unusable(error.message) from None


def _record(line: bytes, where: str) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        raise _unusable(f"{where} is not JSON ({error})") from None


def _unusable(what: str) -> SourceError:
    return SourceError(f"{what}; write the lockfile anew: mlhub-async lock DEST -o FILE", kind="not-lock")
