"""Hides how a stream of bytes becomes items: one per line as it comes, or JSON of any layout read whole."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import orjson

from ...core.errors import CatalogError, SourceError, TransferError
from ...core.model import Flaw

LONGEST = 64 << 20
MARKS = b"\xef\xbb\xbf\x1e"
_BEGIN = re.compile(r"[^ \t\r\n,\x1e]").search


async def parsed(blocks: AsyncIterator[bytes], where: str) -> AsyncIterator[list[Any]]:
    """Records of NDJSON as they come; text whose first line is no JSON object is read whole instead."""
    begun = await _up_to_newline(blocks, where)
    if begun and not _is_record(begun.partition(b"\n")[0]):
        yield _together(await _whole(begun, blocks, where), where)
        return
    number = 0
    async for lines in _lines(begun, blocks, where):
        yield [_line(line, number + n, where) for n, line in enumerate(lines, 1) if line.strip()]
        number += len(lines)


async def _up_to_newline(blocks: AsyncIterator[bytes], where: str) -> bytes:
    begun = bytearray()
    async for block in blocks:
        begun += block if begun else block.lstrip()
        if b"\n" in block and begun:
            break
        _check_length(len(begun), where)
    return bytes(begun)


async def _lines(begun: bytes, blocks: AsyncIterator[bytes], where: str) -> AsyncIterator[list[bytes]]:
    *lines, rest = begun.split(b"\n")
    if lines:
        yield lines
    parts, size = [rest], len(rest)
    async for block in blocks:
        head, newline, rest = block.rpartition(b"\n")
        if newline:
            yield b"".join([*parts, head]).split(b"\n")
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        _check_length(size, where)
    if last := b"".join(parts):
        yield [last]


def _check_length(size: int, where: str) -> None:
    if size > LONGEST:
        raise CatalogError(f"a line of {where} is over {LONGEST >> 20} MiB", kind="too-big")


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line.lstrip(MARKS)), dict)
    except orjson.JSONDecodeError:
        return False


def _line(line: bytes, number: int, where: str) -> Any:
    """The record, or the flaw in its place."""
    try:
        return orjson.loads(line.lstrip(MARKS))
    except orjson.JSONDecodeError as error:
        place = f"line {number} of {where}"
        return Flaw(place, TransferError(f"{place} is not JSON: {error.msg}", kind="not-json"))


async def _whole(begun: bytes, blocks: AsyncIterator[bytes], where: str) -> bytes:
    parts, size = [begun], len(begun)
    async for block in blocks:
        parts.append(block)
        size += len(block)
        if size > LONGEST:
            raise CatalogError(
                f"{where} is not NDJSON and larger than {LONGEST >> 20} MiB: write one item per line",
                kind="too-big",
            )
    return b"".join(parts)


def _together(text: bytes, where: str) -> list[Any]:
    """JSON values one after another, however they are laid out."""
    try:
        whole = text.decode("utf-8-sig").strip()
        found, decoder, at = [], json.JSONDecoder(), 0
        while at < len(whole):
            one, end = decoder.raw_decode(whole, at)
            found += one if isinstance(one, list) else [one]
            begun = _BEGIN(whole, end)
            at = begun.start() if begun else len(whole)
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{where} is not JSON: give items one per line, or a FeatureCollection", kind="not-json"
        ) from error
    return found
