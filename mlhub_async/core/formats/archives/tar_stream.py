"""A tar archive as a stream: ustar, GNU and pax heads (POSIX.1-2018 pax, "ustar interchange format").

It takes bytes as they come and holds no more than one head. The archive is whole only with the two blocks of
zeros at its end; if more follows these, it is another archive behind the first.
"""

from __future__ import annotations

import re
from typing import Protocol
from zlib import adler32

from .errors import ArchiveCut, ArchiveDefect

BLOCK_BYTES = 512
MAX_NAME_BYTES = 1 << 20
"""The most that a pax or GNU head before a member may have."""
_FILES, _FOLDER, _EMPTY = (b"\0", b"0", b"7"), b"5", (b"1", b"2", b"3", b"4", b"5", b"6")
_HARD_LINK, _SPARSE, _LABEL = b"1", b"S", b"V"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", (b"x", b"X"), b"g"
_KINDS = {
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
}
_MAP_GOES_ON, _NEXT_MAP_GOES_ON = 482, 504
"""Where the head of a sparse file of GNU, and each block behind it, say that its map has one block more."""
_record = re.compile(rb"(\d{1,9}) ").match
_octal = re.compile(rb"[ \0]*([0-7]*)[ \0]*").fullmatch


class TarReceiver(Protocol):
    """Takes the members in order. `write` follows `begin`; `end` comes for a member that is whole."""

    def begin(self, name: str, size: int, modified: float) -> None: ...

    def write(self, data: bytes | memoryview) -> None: ...

    def end(self) -> None: ...

    def link(self, name: str, target: str, modified: float) -> None:
        """A member with the bytes of an earlier one (a hard link)."""

    def refuse(self, name: str, what: str) -> None:
        """A member that is no file."""


class TarStream:
    """Feeds the members in the bytes of a tar archive to a receiver. Raises `ArchiveDefect`."""

    def __init__(self, receiver: TarReceiver) -> None:
        self._receiver = receiver
        self._block = b""
        self._left = self._padding = 0
        self._skips = False
        """the bytes of the present member are of no file"""
        self._special = b""
        """the type of the pax or GNU head whose bytes come"""
        self._collected = bytearray()
        self._globals: dict[str, str] = {}
        self._extended: dict[str, str] = {}
        self._mapped: int | None = None
        """how many bytes follow the map of a sparse file whose blocks come"""
        self._zeros = 0
        self._members = 0

    def feed(self, data: bytes | memoryview) -> None:
        view, at = memoryview(data), 0
        while at < len(view):
            if self._left:
                piece = view[at : at + self._left]
                self._left -= len(piece)
                self._take(piece)
                at += len(piece)
                if not self._left:
                    self._end_member()
            elif self._padding:
                skipped = min(self._padding, len(view) - at)
                self._padding -= skipped
                at += skipped
            elif not self._block and at + BLOCK_BYTES <= len(view):
                self._head(bytes(view[at : at + BLOCK_BYTES]))
                at += BLOCK_BYTES
            else:
                piece = view[at : at + BLOCK_BYTES - len(self._block)]
                self._block += bytes(piece)
                at += len(piece)
                if len(self._block) == BLOCK_BYTES:
                    block, self._block = self._block, b""
                    self._head(block)

    def finish(self) -> None:
        """The stream has ended. Raises `ArchiveCut` if the archive has not."""
        inside = self._left or self._padding or self._block or self._special or self._mapped is not None
        if inside or self._zeros < 2:
            raise ArchiveCut("is cut: the end of the tar is missing")

    def _head(self, block: bytes) -> None:
        if self._mapped is not None:
            if not block[_NEXT_MAP_GOES_ON]:
                size, self._mapped = self._mapped, None
                self._expect(size)
            return
        if not block.strip(b"\0"):
            self._zeros += 1
            return
        if self._zeros == 1:
            raise ArchiveDefect("has a block of zeros between its members")
        if self._zeros > 2 and not _is_head(block):
            return  # what fills the last record
        self._zeros = 0
        if not _is_head(block):
            what = "has a damaged head" if self._members else "is no tar archive"
            raise ArchiveDefect(f"{what} (its checksum is wrong)")
        self._members += 1
        self._begin(block, block[156:157])

    def _begin(self, block: bytes, kind: bytes) -> None:
        size = _number(block[124:136])
        if kind in (_LONG_NAME, _LONG_LINK, *_PAX, _PAX_GLOBAL):
            if size > MAX_NAME_BYTES:
                raise ArchiveDefect("has a head of more than 1 MiB for one name")
            self._special = kind
            self._collected.clear()
            self._expect(size)
            return
        fields = {**self._globals, **self._extended}
        self._extended = {}
        name = fields.get("path") or _name(block)
        if "size" in fields:
            size = _decimal(fields["size"])
        is_file = kind in _FILES and not name.endswith("/")
        self._skips = not is_file or any(field.startswith("GNU.sparse") for field in fields)
        if not self._skips:
            self._receiver.begin(name, size, _time(fields.get("mtime"), block))
        elif kind == _HARD_LINK:
            target = fields.get("linkpath") or _text(block[157:257].partition(b"\0")[0])
            self._receiver.link(name, target, _time(fields.get("mtime"), block))
        elif kind not in (_FOLDER, _LABEL) and not name.endswith("/"):
            what = _KINDS.get(kind, "a sparse file" if is_file else "no regular file")
            self._receiver.refuse(name, f"it is {what}: it is left out")
        links_only = kind in _EMPTY and "size" not in fields
        if kind == _SPARSE and block[_MAP_GOES_ON]:
            self._mapped = size
            return
        self._expect(0 if links_only else size)

    def _expect(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK_BYTES
        if not size:
            self._end_member()

    def _take(self, piece: memoryview) -> None:
        if self._special:
            self._collected += piece
        elif not self._skips:
            self._receiver.write(piece)

    def _end_member(self) -> None:
        kind, self._special = self._special, b""
        if kind == _LONG_NAME:
            self._extended["path"] = _text(bytes(self._collected).rstrip(b"\0"))
        elif kind == _LONG_LINK:
            self._extended["linkpath"] = _text(bytes(self._collected).rstrip(b"\0"))
        elif kind == _PAX_GLOBAL:
            self._globals.update(_pax(bytes(self._collected)))
        elif kind in _PAX:
            self._extended.update(_pax(bytes(self._collected)))
        elif not kind and not self._skips:
            self._receiver.end()


def is_tar(block: bytes) -> bool:
    """Whether bytes begin as a tar archive does."""
    return len(block) >= BLOCK_BYTES and (
        not block[:BLOCK_BYTES].strip(b"\0") or _is_head(block[:BLOCK_BYTES])
    )


def _is_head(block: bytes) -> bool:
    """Whether the checksum is right; old programs summed up the bytes as signed numbers."""
    field = block[148:156]
    found = _octal(field)
    if found is None:
        return False
    stated = int(found[1] or b"0", 8)
    total = _sum(block[:256]) + _sum(block[256:]) - sum(field) + 8 * 32
    return stated == total or stated == total - 256 * sum(byte > 127 for byte in (*block[:148], *block[156:]))


def _sum(half: bytes) -> int:
    """The sum of 256 bytes: in Adler-32 one more than that, as it is less than 65,521."""
    return (adler32(half) & 0xFFFF) - 1


def _number(field: bytes) -> int:
    """Octal digits; or, with the first bit set, a number to the base 256."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    found = _octal(field)
    if found is None:
        raise ArchiveDefect("has a head with a size that is no number")
    return int(found[1] or b"0", 8)


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ArchiveDefect("has a head with a size that is no number")
    return int(text)


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _time(text: str | None, block: bytes) -> float:
    try:
        return float(text) if text is not None else float(_number(block[136:148]))
    except (ValueError, ArchiveDefect):
        return 0.0


def _pax(raw: bytes) -> dict[str, str]:
    """The records "length key=value\\n" of a pax head."""
    fields: dict[str, str] = {}
    while raw:
        found = _record(raw)
        length = int(found[1]) if found else 0
        if found is None or not found.end() < length <= len(raw) or raw[length - 1] != 0x0A:
            raise ArchiveDefect("has a damaged pax head")
        key, _, value = raw[found.end() : length - 1].partition(b"=")
        fields[_text(key)] = _text(value)
        raw = raw[length:]
    return fields
