"""What proves the unfinished bytes of one asset to a later run: whose they are, and digests of them.

The first line says which version of which asset this is a part of; each further line is an offset and the
SHA-256 of all bytes before it, appended after they were written. On resume the bytes themselves must give
the same digest. So it does not matter what happened to them: kill -9, a power cut that lost pages or left
holes, a bad disk. No synced offset and no boot id are needed, and a torn line is a line that proves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Mapping

import orjson

from ...core.checksum import Hasher
from ...core.model import PartialHeader

VERSION = 1
CHECKPOINT_BYTES = 1 << 14
"""Digests of one partial file at most: they lie further apart in a file of more than 8 GiB."""
PIECE = 512 << 10
LONGEST_HEAD = 64 << 10
_mark = re.compile(rb"([0-9]{1,18}) ([0-9a-f]{64})", re.ASCII).fullmatch
_FLAGS = os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


Hashes = Mapping[str, Hasher]


class Checkpoints:
    """The journal of one partial file. `begin` it or `go_on` with it; marks are added in the disk thread."""

    def __init__(self, path: str, directory: int | None) -> None:
        self._path = path
        self._directory = directory
        self._fd: int | None = None
        self.spacing = 0
        """bytes that should lie between two marks"""

    def begin(self, key: str, header: PartialHeader) -> None:
        """Write it anew, in a file of its own, for bytes that are still to come. Raises OSError.

        `key` tells which asset the bytes are of.
        """
        self.delete()
        self._open(os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self.spacing = header.total // CHECKPOINT_BYTES
        self._append(_header_line(key, header))

    def go_on(self) -> tuple[str, PartialHeader] | None:
        """Key and header that an earlier run noted; None if they cannot be used. Raises OSError."""
        self._open(os.O_RDWR)
        assert self._fd is not None
        found = _parse_header(os.read(self._fd, LONGEST_HEAD).partition(b"\n")[0])
        if found is not None:
            self.spacing = found[1].total // CHECKPOINT_BYTES
        return found

    def _open(self, flags: int) -> None:
        self._fd = os.open(self._path, flags | _FLAGS, 0o600, dir_fd=self._directory)

    def _append(self, line: bytes) -> None:
        assert self._fd is not None
        if os.write(self._fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, offset: int, sha256: Hasher) -> None:
        """The bytes before `offset`, which were written, have this digest. Raises OSError.

        Every line begins with its line break: after a torn one the next is whole again.
        """
        self._append(b"\n%d %s" % (offset, sha256.digest().hex().encode()))

    def proven(self, fd: int, hashes: Hashes, total: int) -> tuple[int, Hashes]:
        """How many bytes of the file `fd` are those that were received, and their digests. Raises OSError.

        A digest is of everything before its place, so the last one that fits also proves what lies before
        one that does not: of two marks for one place, one may be of bytes that were lost.
        """
        marks, proven, kept = self._marks(total), 0, _copied(hashes)
        os.lseek(fd, 0, os.SEEK_SET)
        at = 0
        for mark in sorted(marks):
            if not _take_in(fd, mark - at, hashes):
                break
            at = mark
            if hashes["sha256"].digest() in marks[mark]:
                proven, kept = mark, _copied(hashes)
        return proven, kept

    def _marks(self, limit: int) -> dict[int, set[bytes]]:
        """The digests by offset; nothing lies beyond the end of what was to be received."""
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        with os.fdopen(self._fd, "rb", closefd=False) as file:
            lines = file.read().split(b"\n")
        found: dict[int, set[bytes]] = {}
        for line in lines[1:]:
            if (mark := _mark(line)) and 0 < (offset := int(mark[1])) <= limit:
                found.setdefault(offset, set()).add(bytes.fromhex(mark[2].decode()))
        return found

    def close(self) -> None:
        """The file stays. May be called more than once."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def delete(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path, dir_fd=self._directory)


def _copied(hashes: Hashes) -> Hashes:
    return {name: digest.copy() for name, digest in hashes.items()}


def _take_in(fd: int, size: int, hashes: Hashes) -> bool:
    """Read on and digest; false where the file ends before."""
    while size:
        piece = os.read(fd, min(PIECE, size))
        if not piece:
            return False
        size -= len(piece)
        for digest in hashes.values():
            digest.update(piece)
    return True


def _header_line(key: str, header: PartialHeader) -> bytes:
    return orjson.dumps(
        {
            "journal": VERSION,
            "key": key,
            "validator": header.validator,
            "total": header.total,
            "published": header.published,
            "places": header.urls,
        }
    )


def _parse_header(line: bytes) -> tuple[str, PartialHeader] | None:
    try:
        fields = orjson.loads(line)
        if fields["journal"] != VERSION:
            return None
        header = PartialHeader(
            str(fields["validator"]),
            int(fields["total"]),
            str(fields["published"]),
            tuple(map(str, fields["places"])),
        )
        key = str(fields["key"])
    except (ValueError, KeyError, TypeError):
        return None
    return (key, header) if header.total > 0 else None
