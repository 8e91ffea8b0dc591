"""The members of a tar archive that are data, each as a file that can be moved to its place in DEST."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .....core.checksum import Hasher
from .....core.formats.sniffing import SNIFF_BYTES
from .....core.ports.members import UnpackedFile
from .....storage.os_errors import write_whole

PIECE_BYTES = 1 << 20
SMALL_BYTES = 256 << 10
"""Members of up to so many bytes are written by one call."""
FOLDER_FILES = 1_000
"""Files that one folder has: a folder of very many is slow."""
READ_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_NOTES = "notes"
"""A file beside those of the members, with a record for each in their order: its mtime in nanoseconds, and
its first bytes with their number."""
_note = struct.Struct(f"<qH{SNIFF_BYTES}s")
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


class TarMember(NamedTuple):
    """One member that is whole. `place` is its offset in the file of documents, or the number of its file.
    `sha256` has hexadecimal digits."""

    place: int
    size: int
    modified: float
    is_document: bool
    sha256: str

    @property
    def etag(self) -> str:
        return f'"{self.sha256[:32]}"'


class DataFiles:
    """The files of the members that are data, by number, in a folder of `folder` for each reading of the
    archive: what was taken from one reading stays where it is while the archive is read again."""

    def __init__(self, folder: Path) -> None:
        self.name = ""
        """of the folder for the present reading"""
        self._folder = folder
        self._is_ours = False
        """this process has written the files"""
        self._is_clean = False
        self._count = 0
        self._parts: list[bytes | memoryview] = []
        """what has come of a small member"""
        self._file: BinaryIO | None = None
        self._first = b""
        """the first bytes of what `_file` is written for"""
        self._written_notes: BinaryIO | None = None
        self._notes: BinaryIO | None = None
        self._sha256: Hasher = hashlib.sha256()
        self._is_small = False

    def adopt(self, name: str) -> None:
        """Use the files that an earlier run left, as far as they are there."""
        self.name, self._is_ours = name, False

    def clear(self) -> None:
        """Begin another reading. Raises OSError."""
        if not self._is_clean:
            self.drop()
            self._is_clean = True
        self._close_notes()
        self.name, self._count, self._is_ours = os.urandom(4).hex(), 0, True

    def begin(self, size: int) -> int:
        """Take another file, of so many bytes; returns its number. Raises OSError."""
        number = self._next()
        self._is_small = size <= SMALL_BYTES
        if not self._is_small:
            self._file = open(self._path(number), "xb", buffering=0)  # noqa: SIM115
            self._sha256, self._first = hashlib.sha256(), b""
        return number

    def _next(self) -> int:
        number, self._count = self._count, self._count + 1
        if number % FOLDER_FILES == 0:
            (self._folder / self.name / f"{number // FOLDER_FILES}").mkdir(parents=True)
        if self._written_notes is None:
            self._written_notes = open(self._folder / self.name / _NOTES, "wb")  # noqa: SIM115
        return number

    def again(self, member: TarMember) -> int:
        """Another file with the bytes of one that is whole, by a link where the disk has links; returns its
        number. Raises OSError."""
        number = self._next()
        path = self._path(number)
        try:
            os.link(self._path(member.place), path)
        except OSError:
            shutil.copyfile(self._path(member.place), path)
        with open(path, "rb") as file:
            self._note(os.fstat(file.fileno()).st_mtime_ns, file.read(SNIFF_BYTES))
        return number

    def write(self, data: bytes | memoryview) -> None:
        """Take bytes that never change: they are kept until the member is whole."""
        if self._is_small:
            self._parts.append(data)
            return
        assert self._file is not None
        write_whole(self._file.fileno(), data)
        self._sha256.update(data)
        if len(self._first) < SNIFF_BYTES:
            self._first += data[: SNIFF_BYTES - len(self._first)]

    def end(self) -> str:
        """The file is whole: its SHA-256 in hexadecimal digits. Raises OSError."""
        if not self._is_small:
            assert self._file is not None
            self._note(os.fstat(self._file.fileno()).st_mtime_ns, self._first)
            self._close_file()
            return self._sha256.digest().hex()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        fd = os.open(self._path(self._count - 1), CREATE_FLAGS, 0o666)
        try:
            write_whole(fd, data)
            mtime_ns = os.fstat(fd).st_mtime_ns
        finally:
            os.close(fd)
        self._note(mtime_ns, bytes(data[:SNIFF_BYTES]))
        return hashlib.sha256(data).hexdigest()

    def _note(self, mtime_ns: int, first: bytes) -> None:
        assert self._written_notes is not None
        self._written_notes.write(_note.pack(mtime_ns, len(first), first))

    def finish(self) -> None:
        """No more members come: those that are whole can be had. Raises OSError."""
        self._close_file()
        if self._written_notes is not None:
            self._written_notes.close()
            self._notes, self._written_notes = open(self._written_notes.name, "rb"), None  # noqa: SIM115

    def close(self) -> None:
        """No file is open from now on."""
        self._close_file()
        self._close_notes()

    def _close_file(self) -> None:
        """Close the file that was begun, if there is one."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _close_notes(self) -> None:
        for file in (self._written_notes, self._notes):
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk: what was noted is not read any more
                    file.close()
        self._written_notes = self._notes = None

    def _path(self, number: int) -> str:
        return f"{self._folder}/{self.name}/{number // FOLDER_FILES}/{number}"

    def has(self, member: TarMember) -> bool:
        return bool(self.name) and os.path.isfile(self._path(member.place))

    def file(self, member: TarMember) -> UnpackedFile | None:
        """See `UnpackedMembers.file`. What an earlier run left is read whole, as a power cut may have spoilt
        it."""
        try:
            noted = self._noted(member) if self._is_ours else self._examined(member)
        except (OSError, ValueError, struct.error):  # the notes are closed: the archive is read once more
            return None
        if noted is None:
            return None
        mtime_ns, begin = noted
        return UnpackedFile(self._path(member.place), member.size, member.sha256, mtime_ns, begin)

    def _noted(self, member: TarMember) -> tuple[int, bytes] | None:
        """The mtime and the first bytes of a file that this process has written, None if that goes on."""
        if (notes := self._notes) is None:
            return None
        notes.seek(member.place * _note.size)
        mtime_ns, length, first = _note.unpack(notes.read(_note.size))
        return mtime_ns, first[:length]

    def _examined(self, member: TarMember) -> tuple[int, bytes] | None:
        """The same of one that an earlier run left, None if it has other bytes."""
        if not self._is_intact(member):
            return None
        fd = os.open(self._path(member.place), READ_FLAGS)
        try:
            begin, state = os.read(fd, SNIFF_BYTES), os.fstat(fd)
        finally:
            os.close(fd)
        return (state.st_mtime_ns, begin) if state.st_size == member.size else None

    def _is_intact(self, member: TarMember) -> bool:
        with open(self._path(member.place), "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == member.sha256

    def pieces(self, member: TarMember) -> Iterator[bytes]:
        with open(self._path(member.place), "rb", buffering=0) as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    def remove(self, member: TarMember) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._path(member.place))

    def drop(self) -> None:
        """Remove all files; also the one that earlier versions of this program had them in."""
        with contextlib.suppress(OSError):
            self._folder.unlink()
        shutil.rmtree(self._folder, ignore_errors=True)
