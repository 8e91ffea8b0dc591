"""Checks the structure of Parquet, ORC, Arrow, Feather, NumPy, SQLite and dBase files."""

from __future__ import annotations

import ast
import math
from typing import Any, BinaryIO

from ... import pattern_on_use
from .flatbuffer import Table
from .reader import IntrinsicFlawError, Reader, StructureError, run_check

_CONTINUATION = b"\xff\xff\xff\xff"
_BODY_LENGTH = 3
"""The number of the field `bodyLength` of a message of Arrow."""
MAX_HEADER_BYTES = 1 << 16
_BYTES_PER_UNIT = {"U": 4}
"""Of a type of NumPy whose size is not counted in bytes."""
_LONG = pattern_on_use(r"(?<=\d)L(?=[,)])")
"""What Python 2 wrote behind some numbers."""
_DATA_TYPE = pattern_on_use(r"[<>|=]?([?a-zA-Z])(\d*)(?:\[[^\]]*\])?")


def check_parquet(file: BinaryIO) -> str | None:
    """Check the final magic number, and that the footer fits into the file."""
    return run_check(_examine_parquet, file)


def _examine_parquet(reader: Reader) -> None:
    _check_footer(reader, (b"PAR1", b"PARE"), 4)


def _check_footer(reader: Reader, magics: tuple[bytes, ...], first: int) -> None:
    """Check the size of a footer and the magic number behind it; the footer cannot begin before `first`."""
    width = len(magics[0])
    if reader.size < first + 4 + width or reader.exact(reader.size - width, width) not in magics:
        raise StructureError("its end marker is missing")
    (size,) = reader.unpack("<I", reader.size - width - 4)
    if not 0 < size <= reader.size - first - 4 - width:
        raise StructureError(f"its footer of {size} bytes does not fit into {reader.size}")


def check_arrow(file: BinaryIO) -> str | None:
    """Check the footer of an Arrow or Feather file; of a stream, that every message ends inside the file."""
    return run_check(_examine_arrow, file)


def _examine_arrow(reader: Reader) -> None:
    first = reader.exact(0, 4)
    if first == _CONTINUATION:
        _check_stream(reader)
    elif first == b"FEA1":
        _check_footer(reader, (b"FEA1",), 4)
    else:
        _check_footer(reader, (b"ARROW1",), 8)


def _check_stream(reader: Reader) -> None:
    offset, what = 0, "a message"
    while offset < reader.size:
        marker, size = reader.unpack("<4sI", offset, what)
        if marker != _CONTINUATION:
            raise IntrinsicFlawError(f"no message begins at byte {offset}")
        if not size:
            return
        table = Table(reader.exact(offset + 8, size, what))
        offset += 8 + int(size) + table.number(_BODY_LENGTH, 8)
        if offset > reader.size:
            raise StructureError(f"{what} goes on to byte {offset} of {reader.size}")


def check_orc(file: BinaryIO) -> str | None:
    """Check the postscript, and that footer and metadata fit into the file."""
    return run_check(_examine_orc, file)


def _examine_orc(reader: Reader) -> None:
    size = reader.exact(reader.size - 1, 1)[0]
    postscript = reader.available(reader.size - 1 - size, size)
    if not postscript.endswith(b"ORC"):
        raise StructureError("its end marker is missing")
    numbers = dict(_varints(postscript))
    needed = numbers.get(1, 0) + numbers.get(5, 0) + size + 1
    if needed > reader.size:
        raise StructureError(f"its footer of {needed} bytes does not fit into {reader.size}")


def _varints(message: bytes) -> list[tuple[int, int]]:
    """The fields of a protobuf message that are numbers, up to the first of another type."""
    values: list[int] = []
    value = shift = 0
    for byte in message:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
            if len(values) % 2 and values[-1] & 7:
                break
    return [(tag >> 3, number) for tag, number in zip(values[::2], values[1::2], strict=False)]


def check_npy(file: BinaryIO) -> str | None:
    """Check that all values of an array are there. Of an array of objects nothing tells where it ends."""
    return run_check(_examine_npy, file)


def _examine_npy(reader: Reader) -> None:
    wide = reader.exact(6, 1)[0] > 1
    (size,) = reader.unpack("<I" if wide else "<H", 8, "its header")
    begin = 12 if wide else 10
    text = reader.exact(begin, min(size, MAX_HEADER_BYTES), "its header").decode("latin-1")
    try:
        header: Any = ast.literal_eval(_LONG.sub("", text.strip()))
        width, count = _item_size(header["descr"]), math.prod(header["shape"])
    except (ValueError, SyntaxError, TypeError, KeyError, AttributeError, RecursionError, MemoryError):
        raise IntrinsicFlawError("its header cannot be read") from None
    end = begin + size + width * count
    if end > reader.size:
        raise StructureError(f"its values go on to byte {end} of {reader.size}")


def _item_size(description: Any) -> int:
    """The bytes of one value of a data type of NumPy; 0 for an object."""
    if isinstance(description, list):
        sizes = [
            _item_size(field[1]) * math.prod(field[2] if len(field) > 2 else ()) for field in description
        ]
        return sum(sizes)
    if isinstance(description, tuple):
        return _item_size(description[0]) * math.prod(description[1])
    found = _DATA_TYPE.fullmatch(description)
    if found is None:
        raise ValueError(description)
    letter, digits = found.groups()
    return 0 if letter == "O" else int(digits or 1) * _BYTES_PER_UNIT.get(letter, 1)


def check_sqlite(file: BinaryIO) -> str | None:
    """Check that all pages that the header counts are there."""
    return run_check(_examine_sqlite, file)


def _examine_sqlite(reader: Reader) -> None:
    (page,) = reader.unpack(">H", 16, "its header")
    page = 65536 if page == 1 else page
    if page < 512 or page & (page - 1):
        raise IntrinsicFlawError(f"its pages have {page} bytes")
    changes, pages = reader.unpack(">II", 24, "its header")
    (counted_at,) = reader.unpack(">I", 92, "its header")
    if pages and changes == counted_at and page * pages > reader.size:
        raise StructureError(f"it has {pages} pages to byte {page * pages}, but there are {reader.size}")
    if reader.size < page or reader.size % page:
        raise StructureError(f"its {reader.size} bytes are no number of pages of {page}")


def check_dbf(file: BinaryIO) -> str | None:
    """Check that all records are there."""
    return run_check(_examine_dbf, file)


def _examine_dbf(reader: Reader) -> None:
    count, header, width = reader.unpack("<IHH", 4, "its header")
    if header < 32 or not width:
        raise IntrinsicFlawError("its header is damaged")
    end = header + count * width
    if end > reader.size:
        raise StructureError(f"its records go on to byte {end} of {reader.size}")
