"""The content of one member of a ZIP archive, from the archive's bytes at its local header on."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from .errors import ArchiveDefect
from .inflate import library
from .zip_directory import DEFLATED, LOCAL_BYTES, ZipMember

PIECE_BYTES = 1 << 20
"""The most that one piece of the content has, whatever it was packed to."""
_LOCAL = b"PK\3\4"
_local_header = struct.Struct("<4s22x2H").unpack_from
"""Signature, and the lengths of name and extra field."""


def content(member: ZipMember, data: memoryview) -> memoryview | bytes:
    """The whole content of a member, checked, from the archive's bytes at its local header on.

    Raises `ArchiveDefect`, for what is no such member.
    """
    _, _, _, packed_size, size, crc, method, _, raw_name, _, _ = member
    begin = _begin_of_data(raw_name, data)
    packed = data[begin : begin + packed_size]
    if len(packed) != packed_size or not begin:
        raise ArchiveDefect("reaches into what follows it")
    whole = packed if method != DEFLATED else _inflated(packed, size)
    if len(whole) != size or library().crc32(whole) != crc:
        raise ArchiveDefect("has another size or CRC-32 than the directory of the archive says")
    return whole


def _inflated(packed: memoryview, size: int) -> bytes:
    inflater = library().decompressobj(-zlib.MAX_WBITS)
    try:
        whole: bytes = inflater.decompress(packed, size + 1)
    except library().error as error:
        raise ArchiveDefect(f"cannot be inflated ({error})") from None
    if not inflater.eof:
        raise ArchiveDefect(f"has not the {size} bytes that the directory says")
    return whole


def _begin_of_data(raw_name: bytes, head: bytes | memoryview) -> int:
    """Where the data begins behind the local header (section 4.3.7); 0 if more bytes are needed."""
    if len(head) < LOCAL_BYTES:
        return 0
    signature, name_bytes, extra_bytes = _local_header(head)
    if signature != _LOCAL:
        raise ArchiveDefect("is not where the directory of the archive says")
    name_end = LOCAL_BYTES + name_bytes
    begin: int = name_end + extra_bytes
    if len(head) < begin:
        return 0
    if head[LOCAL_BYTES:name_end] != raw_name:
        raise ArchiveDefect("has another name in front of its bytes than in the directory of the archive")
    return begin


class MemberDecoder:
    """Takes the archive's bytes in order, gives the member's; keeps its state between requests for them.

    `taken`: bytes of the archive that it has; `produced`: bytes of the member that it gave.
    """

    def __init__(self, member: ZipMember) -> None:
        self.taken = self.produced = 0
        self._member = member
        self._head = b""
        self._data_begins: int | None = None
        self._left = member.packed
        self._crc = 0
        self._inflater = library().decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None

    @property
    def ended(self) -> bool:
        """Whether no more bytes of the archive are needed."""
        return self._data_begins is not None and not self._left

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes | memoryview]:
        """The content in these bytes, piece by piece. To be taken to its end before more is fed.

        Raises `ArchiveDefect`, for what is no such member.
        """
        view = memoryview(data)
        self.taken += len(view)
        if self._data_begins is None:
            view = self._without_head(view)
        view = view[: self._left]
        self._left -= len(view)
        if self._inflater is None:
            if view:
                yield self._counted(view)
            return
        packed: bytes | memoryview = view
        while packed:
            try:
                piece = self._inflater.decompress(packed, PIECE_BYTES)
            except library().error as error:
                raise ArchiveDefect(f"cannot be inflated ({error})") from None
            packed = self._inflater.unconsumed_tail
            if piece:
                yield self._counted(piece)

    def finish(self) -> None:
        """All bytes were fed. Raises `ArchiveDefect` where size or CRC-32 are not those of the directory."""
        member = self._member
        whole = self._inflater is None or self._inflater.eof
        if not whole or self.produced != member.size:
            raise ArchiveDefect(
                f"has {self.produced} bytes, and {member.size} by the directory of the archive"
            )
        if self._crc != member.crc:
            raise ArchiveDefect("has another CRC-32 than the directory of the archive says")

    def _without_head(self, view: memoryview) -> memoryview:
        """The bytes behind the local header, which is collected first."""
        before = len(self._head)
        self._head += bytes(view)
        begin = _begin_of_data(self._member.raw_name, self._head)
        if not begin:
            return view[:0]
        self._data_begins, self._head = begin, b""
        return view[begin - before :]

    def _counted(self, piece: bytes | memoryview) -> bytes | memoryview:
        self.produced += len(piece)
        if self.produced > self._member.size:
            raise ArchiveDefect(f"has more than the {self._member.size} bytes that the directory says")
        self._crc = library().crc32(piece, self._crc)
        return piece
