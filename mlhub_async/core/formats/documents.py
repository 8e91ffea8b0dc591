"""JSON: small documents are parsed, large ones looked at from both ends."""

from __future__ import annotations

import json
from typing import BinaryIO

import orjson

from .reader import Broken, Odd, Reader, verdict

_PARSED = 16 << 20
"""Bytes of a document that is parsed: in memory it takes many times as much."""
_SPACE = b" \t\r\n"
_ENDS = {b"{": b"}", b"[": b"]"}

_PDF_TAIL = 64 << 10
"""Readers look for the mark in the last kilobyte; programs that append to a file keep less to the rules."""


def check_json(file: BinaryIO) -> str | None:
    return verdict(_examine_json, file)


def _examine_json(reader: Reader) -> None:
    if reader.size <= _PARSED:
        _parse(reader.at(0, reader.size))
        return
    first = reader.some(0, 4096).removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)[:1]
    last = reader.some(reader.size - 4096, 4096).rstrip(_SPACE + b"\0")[-1:]
    if first in _ENDS and last != _ENDS[first]:
        raise Broken("it ends in the middle of its JSON")


def _parse(data: bytes) -> None:
    """By the fast parser; what it refuses may still be what others write: NaN, UTF-16, lone surrogates."""
    try:
        orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        try:
            json.loads(data)
        except RecursionError:
            return
        except ValueError as error:
            bare = data.removeprefix(b"\xef\xbb\xbf").strip(_SPACE)
            cut = bare[:1] in _ENDS and bare[-1:] != _ENDS[bare[:1]]
            raise (Broken if cut else Odd)(f"it is not JSON ({error})") from None


def check_parquet(file: BinaryIO) -> str | None:
    return verdict(_examine_parquet, file)


def _examine_parquet(reader: Reader) -> None:
    if reader.size < 12 or reader.at(reader.size - 4, 4) not in (b"PAR1", b"PARE"):
        raise Broken("the mark of its end is missing")
    (size,) = reader.unpack("<I", reader.size - 8)
    if not 0 < size <= reader.size - 12:
        raise Broken(f"its footer of {size} bytes does not fit into {reader.size}")


def check_pdf(file: BinaryIO) -> str | None:
    return verdict(_examine_pdf, file)


def _examine_pdf(reader: Reader) -> None:
    if reader.find(b"%%EOF", max(reader.size - _PDF_TAIL, 0)) < 0:
        raise Broken("the mark of its end is missing")
