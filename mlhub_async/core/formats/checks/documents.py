"""Checks the structure of JSON and PDF files."""

from __future__ import annotations

import json
from typing import BinaryIO

from ... import pattern_on_use
from ...json_text import loads
from .reader import IntrinsicFlawError, Reader, StructureError, run_check

MAX_PARSED_BYTES = 16 << 20
"""Larger JSON documents are not parsed, as they take many times their size in memory."""
_SPACE = b" \t\r\n"
_CLOSING = {b"{": b"}", b"[": b"]"}

PDF_TAIL_BYTES = 64 << 10
"""Where "%%EOF" is searched for. Readers search the last KiB; some programs append more than that."""
_LINEARIZED = pattern_on_use(rb"/Linearized\b[^>]{0,400}/L\s+(\d{1,15})\b")
_OBJECT = pattern_on_use(rb"[\r\n]\d+(?: \d+ obj\b|(?: \d+)?(?: ob?)? ?\Z)")
"""The beginning of an object, which may be cut off."""
_TABLE = pattern_on_use(rb"startxref\s+(\d{1,15})\s")


def check_json(file: BinaryIO) -> str | None:
    """Check that a document parses; of a large one only that it ends with the bracket of its beginning."""
    return run_check(_examine_json, file)


def _examine_json(reader: Reader) -> None:
    if reader.size <= MAX_PARSED_BYTES:
        _parse(reader.exact(0, reader.size))
        return
    first = reader.available(0, 4096).removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)[:1]
    last = reader.available(reader.size - 4096, 4096).rstrip(_SPACE + b"\0")[-1:]
    if first in _CLOSING and last != _CLOSING[first]:
        raise StructureError("it ends in the middle of its JSON")


def _parse(data: bytes) -> None:
    """Try the strict codec, then the parser of Python, which also takes NaN, UTF-16 and lone surrogates."""
    try:
        loads(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        try:
            json.loads(data)
        except RecursionError:
            return
        except ValueError as error:
            bare = data.removeprefix(b"\xef\xbb\xbf").strip(_SPACE)
            truncated = bare[:1] in _CLOSING and bare[-1:] != _CLOSING[bare[:1]]
            raise (StructureError if truncated else IntrinsicFlawError)(f"it is not JSON ({error})") from None


def check_pdf(file: BinaryIO) -> str | None:
    """Check the length of a linearized file, the end marker, and that the last table of objects is there.

    An older end marker is inside: each update appends objects, a table and another one.
    """
    return run_check(_examine_pdf, file)


def _examine_pdf(reader: Reader) -> None:
    head = reader.available(0, 1024)
    begin = head.find(b"%PDF-")
    if begin < 0:
        raise IntrinsicFlawError("it does not begin as PDF does")
    linear = _LINEARIZED.search(reader.available(begin, 2048))
    if linear and begin + int(linear[1]) > reader.size:
        raise StructureError(f"it says that it has {int(linear[1])} bytes, but there are {reader.size}")
    tail = reader.available(max(reader.size - PDF_TAIL_BYTES, 0), PDF_TAIL_BYTES)
    end = tail.rfind(b"%%EOF")
    if end < 0:
        raise StructureError("its end marker is missing")
    if _OBJECT.search(tail, end):
        raise StructureError("its last end marker is followed by a part of an update")
    tables = _TABLE.findall(tail, 0, end)
    if tables and int(tables[-1]) > reader.size:
        raise StructureError(f"its table of objects is at byte {int(tables[-1])} of {reader.size}")
