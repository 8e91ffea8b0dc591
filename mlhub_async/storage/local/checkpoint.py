"""Checkpoints of a partial file: they prove to a later run which of its bytes are those that were received.

The first line of their file is a header: which version of which asset the bytes are of. Each further line is
an offset and the SHA-256 of all bytes before it, appended after these were written. On resume the digest is
computed again and must be the same. So it does not matter what happened to the bytes: kill -9, a power cut
that lost pages or left holes, a bad disk. Neither fsync nor a boot id is needed, and a line that was written
in part proves nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Mapping

from ...core import pattern_on_use
from ...core.checksum import Hasher
from ...core.json_text import dumps, loads
from ...core.model import PartialHeader

VERSION = 1
MAX_CHECKPOINTS = 1 << 14
"""Of one partial file; in one of more than 8 GiB they are further apart."""
READ_BYTES = 512 << 10
MAX_HEADER_BYTES = 64 << 10
_LINE = pattern_on_use(rb"([0-9]{1,18}) ([0-9a-f]{64})", re.ASCII)
_FLAGS = os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


Hashes = Mapping[str, Hasher]


class Checkpoints:
    """The file of checkpoints of one partial file. `begin` or `reopen`, then `add`, in the thread."""

    def __init__(self, path: str, directory: int | None) -> None:
        self._path = path
        self._directory = directory
        self._fd: int | None = None
        self.spacing = 0
        """bytes from one checkpoint to the next, at least"""

    def begin(self, key: str, header: PartialHeader) -> None:
        """Start a new file, for bytes that are still to come. `key` identifies the asset. Raises OSError."""
        self.delete()
        self._open(os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self.spacing = header.total // MAX_CHECKPOINTS
        self._append(_header_line(key, header))

    def reopen(self) -> tuple[str, PartialHeader] | None:
        """Open the file of an earlier run: its key and header, None if they are unusable. Raises OSError."""
        self._open(os.O_RDWR)
        assert self._fd is not None
        found = _parse_header(os.read(self._fd, MAX_HEADER_BYTES).partition(b"\n")[0])
        if found is not None:
            self.spacing = found[1].total // MAX_CHECKPOINTS
        return found

    def _open(self, flags: int) -> None:
        self._fd = os.open(self._path, flags | _FLAGS, 0o600, dir_fd=self._directory)

    def _append(self, line: bytes) -> None:
        assert self._fd is not None
        if os.write(self._fd, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(self, offset: int, sha256: Hasher) -> None:
        """Note the digest of the bytes before `offset`, which were written. Raises OSError.

        Every line begins with its line break, so that one written in part does not spoil the next.
        """
        self._append(b"\n%d %s" % (offset, sha256.digest().hex().encode()))

    def proven(self, fd: int, hashes: Hashes, total: int) -> tuple[int, Hashes]:
        """How many bytes of the file `fd` are those that were received, and their digests. Raises OSError.

        A digest is of all bytes before its offset, so the last one that matches decides, also where one
        before it does not: of two checkpoints with one offset, one may be of bytes that were lost.
        """
        checkpoints, proven, kept = self._read(total), 0, _copies(hashes)
        os.lseek(fd, 0, os.SEEK_SET)
        at = 0
        for offset in sorted(checkpoints):
            if not _digest_next(fd, offset - at, hashes):
                break
            at = offset
            if hashes["sha256"].digest() in checkpoints[offset]:
                proven, kept = offset, _copies(hashes)
        return proven, kept

    def _read(self, limit: int) -> dict[int, set[bytes]]:
        """The digests by offset, of offsets up to `limit`."""
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        with os.fdopen(self._fd, "rb", closefd=False) as file:
            lines = file.read().split(b"\n")
        found: dict[int, set[bytes]] = {}
        for line in lines[1:]:
            if (match := _LINE.fullmatch(line)) and 0 < (offset := int(match[1])) <= limit:
                found.setdefault(offset, set()).add(bytes.fromhex(match[2].decode()))
        return found

    def close(self) -> None:
        """Does not delete the file. May be called more than once."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def delete(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            os.unlink(self._path, dir_fd=self._directory)


def _copies(hashes: Hashes) -> Hashes:
    return {name: digest.copy() for name, digest in hashes.items()}


def _digest_next(fd: int, size: int, hashes: Hashes) -> bool:
    """Read so many bytes and update the digests; false if the file ends before."""
    while size:
        piece = os.read(fd, min(READ_BYTES, size))
        if not piece:
            return False
        size -= len(piece)
        for digest in hashes.values():
            digest.update(piece)
    return True


def _header_line(key: str, header: PartialHeader) -> bytes:
    return dumps(
        {
            "journal": VERSION,
            "key": key,
            "validator": header.validator,
            "total": header.total,
            "published": header.published,
            "places": header.urls,
            "modified": header.modified,
        }
    )


def _parse_header(line: bytes) -> tuple[str, PartialHeader] | None:
    try:
        fields = loads(line)
        if fields["journal"] != VERSION:
            return None
        header = PartialHeader(
            str(fields["validator"]),
            int(fields["total"]),
            str(fields["published"]),
            tuple(map(str, fields["places"])),
            float(fields.get("modified", 0)),
        )
        key = str(fields["key"])
    except (ValueError, KeyError, TypeError):
        return None
    return (key, header) if header.total > 0 else None
