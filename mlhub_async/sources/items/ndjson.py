"""Turns bytes into JSON records: NDJSON line by line as it comes, other JSON once it has been read whole."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from ...core.errors import CatalogError, SourceError, TransferError
from ...core.json_text import RepeatedNameError, decode_next, parse_json
from ...core.model import Flaw

MAX_RECORD_BYTES = 64 << 20
"""The longest line of NDJSON, and the longest text that is not NDJSON."""
_MARKS = b"\xef\xbb\xbf\x1e"
"""The byte-order mark, and the record separator of JSON text sequences (RFC 7464)."""
_next_value = re.compile(r"[^ \t\r\n,\x1e]").search


async def records_in(blocks: AsyncIterator[bytes], where: str) -> AsyncIterator[list[Any]]:
    """The records of a stream of bytes, in batches. A line that is not JSON gives a `Flaw` in its place.

    Text whose first line is no JSON object is no NDJSON: it is read whole, as JSON values one after
    another. Raises `CatalogError` for a record that is too long, `SourceError` for what is no JSON.
    """
    begun = await _up_to_newline(blocks, where)
    if begun and not _is_object(begun.partition(b"\n")[0]):
        yield _values(await _read_whole(begun, blocks, where), where)
        return
    number = 0
    async for lines in _lines(begun, blocks, where):
        yield [_record(line, number + n, where) for n, line in enumerate(lines, 1) if line.strip()]
        number += len(lines)


async def _up_to_newline(blocks: AsyncIterator[bytes], where: str) -> bytes:
    """The beginning of the stream, without leading white space, up to at least the first newline."""
    begun = bytearray()
    async for block in blocks:
        begun += block if begun else block.lstrip()
        if b"\n" in block and begun:
            break
        _check_length(len(begun), where)
    return bytes(begun)


async def _lines(begun: bytes, blocks: AsyncIterator[bytes], where: str) -> AsyncIterator[list[bytes]]:
    """Whole lines, as many at a time as a block completes."""
    *lines, rest = begun.split(b"\n")
    if lines:
        yield lines
    pieces, size = [rest], len(rest)
    async for block in blocks:
        head, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*pieces, head]).split(b"\n")
            pieces, size = [], 0
        pieces.append(rest)
        size += len(rest)
        _check_length(size, where)
    if last := b"".join(pieces):
        yield [last]


def _check_length(size: int, where: str) -> None:
    if size > MAX_RECORD_BYTES:
        raise CatalogError(f"a line of {where} is over {MAX_RECORD_BYTES >> 20} MiB", kind="too-big")


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line.lstrip(_MARKS)), dict)
    except RepeatedNameError:
        return True
    except ValueError:
        return False


def _record(line: bytes, number: int, where: str) -> Any:
    try:
        return parse_json(line.lstrip(_MARKS))
    except ValueError as error:
        named = f"line {number} of {where}"
        reason = str(error).replace(": line 1 column ", f": line {number} column ")
        return Flaw(named, TransferError(f"{named} is not JSON: {reason}", kind="not-json"))


async def _read_whole(begun: bytes, blocks: AsyncIterator[bytes], where: str) -> bytes:
    pieces, size = [begun], len(begun)
    async for block in blocks:
        pieces.append(block)
        size += len(block)
        if size > MAX_RECORD_BYTES:
            limit = f"{MAX_RECORD_BYTES >> 20} MiB"
            raise CatalogError(
                f"{where} is not NDJSON and larger than {limit}: write one item per line", kind="too-big"
            )
    return b"".join(pieces)


def _values(text: bytes, where: str) -> list[Any]:
    """JSON values one after another, however they are laid out; the members of those that are arrays."""
    try:
        whole = text.decode("utf-8-sig").strip()
        found, index = [], 0
        while index < len(whole):
            one, end = decode_next(whole, index)
            found += one if isinstance(one, list) else [one]
            following = _next_value(whole, end)
            index = following.start() if following else len(whole)
    except (ValueError, RecursionError) as error:
        reason = "" if isinstance(error, RecursionError) else f" ({error})"
        raise SourceError(
            f"{where} is not JSON{reason}: give items one per line, or a FeatureCollection", kind="not-json"
        ) from error
    return found
