"""Checks the structure of JSON, Parquet and PDF files."""

from __future__ import annotations

import json
from typing import BinaryIO

import orjson

from .reader import IntrinsicFlawError, Reader, StructureError, run_check

MAX_PARSED_BYTES = 16 << 20
"""Larger JSON documents are not parsed, as they take many times their size in memory."""
_SPACE = b" \t\r\n"
_CLOSING = {b"{": b"}", b"[": b"]"}

PDF_TAIL_BYTES = 64 << 10
"""Where "%%EOF" is searched for. Readers search the last KiB; some programs append more than that."""


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
    """Try orjson, then the parser of Python, which also takes NaN, UTF-16 and lone surrogates."""
    try:
        orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        try:
            json.loads(data)
        except RecursionError:
            return
        except ValueError as error:
            bare = data.removeprefix(b"\xef\xbb\xbf").strip(_SPACE)
            truncated = bare[:1] in _CLOSING and bare[-1:] != _CLOSING[bare[:1]]
            raise (StructureError if truncated else IntrinsicFlawError)(f"it is not JSON ({error})") from None


def check_parquet(file: BinaryIO) -> str | None:
    """Check the final magic number, and that the footer fits into the file."""
    return run_check(_examine_parquet, file)


def _examine_parquet(reader: Reader) -> None:
    if reader.size < 12 or reader.exact(reader.size - 4, 4) not in (b"PAR1", b"PARE"):
        raise StructureError("its end marker is missing")
    (size,) = reader.unpack("<I", reader.size - 8)
    if not 0 < size <= reader.size - 12:
        raise StructureError(f"its footer of {size} bytes does not fit into {reader.size}")


def check_pdf(file: BinaryIO) -> str | None:
    """Check that "%%EOF" is near the end."""
    return run_check(_examine_pdf, file)


def _examine_pdf(reader: Reader) -> None:
    if reader.find(b"%%EOF", max(reader.size - PDF_TAIL_BYTES, 0)) < 0:
        raise StructureError("its end marker is missing")
