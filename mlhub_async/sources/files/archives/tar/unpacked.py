"""The members of a tar archive on disk, one behind the other in two files: documents, and data.

The documents and an index of all members stay for the next run: an archive that has not changed is not read
again. The data is there only while a run is under way.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .....core.errors import StorageError
from .....core.formats.archives.names import HOSTILE, is_hostile, is_junk
from .....core.json_text import dumps, loads
from .....storage.member_index import MemberIndex

MAX_DOCUMENT_BYTES = 64 << 20
PIECE_BYTES = 1 << 20
_INDEX, _DOCUMENTS, _DATA = "index", "documents", "data"


class TarMember(NamedTuple):
    """One member that is whole. `offset` is that in the file of documents or of data."""

    offset: int
    size: int
    crc: int
    modified: float
    is_document: bool

    @property
    def file(self) -> str:
        return _DOCUMENTS if self.is_document else _DATA

    @property
    def etag(self) -> str:
        return f'"{self.crc:08x}-{self.size:x}"'


class UnpackedMembers:
    """Takes the members of an archive (see `TarReceiver`), and gives them back by name.

    `keeps_data` false: only documents are kept. Of two members with one name the later one counts.
    Raises OSError.
    """

    def __init__(self, folder: Path, *, keeps_data: bool) -> None:
        self._index: MemberIndex | None = None
        self.flaws: list[tuple[str, str]] = []
        self._folder = folder
        self._keeps_data = keeps_data
        self._writers: dict[str, BinaryIO] = {}
        self._readers: dict[str, BinaryIO] = {}
        self._retired: list[BinaryIO | MemberIndex] = []
        """files that were replaced, and may still be read"""
        self._now: tuple[str, TarMember] | None = None
        self._target: BinaryIO | None = None
        self._crc = 0

    def load(self, url: str) -> str:
        """Read the index that an earlier run left of the archive at `url`: its validator, "" for none."""
        path = self._folder / _INDEX
        if not path.is_file():
            return ""
        try:
            index = MemberIndex(path, new=False)
            about = index.about()
        except StorageError:
            return ""
        if about.get("url") != url or not self._open(_DOCUMENTS, int(about[_DOCUMENTS])):
            index.close()
            return ""
        self.flaws = [(name, what) for name, what in loads(about["flaws"])]
        self._index = index
        self._open(_DATA, int(about[_DATA]))
        return about["validator"]

    def _open(self, name: str, size: int) -> bool:
        """Open a file of an earlier run for reading, if it is there and has this size."""
        path = self._folder / name
        if not path.is_file() or path.stat().st_size != size:
            return False
        self._readers[name] = open(path, "rb")  # noqa: SIM115 - it stays open
        return True

    def clear(self) -> None:
        """Begin to take members, none of which is there. What is being read stays readable."""
        self.forget()
        self.flaws, self._index = [], MemberIndex(self._folder / _INDEX, new=True)
        for name in (_DOCUMENTS, _DATA):
            (self._folder / name).unlink(missing_ok=True)
            self._writers[name] = open(self._folder / name, "wb")  # noqa: SIM115

    def forget(self) -> None:
        """What is on the disk cannot be used."""
        (self._folder / _INDEX).unlink(missing_ok=True)
        self._retired += [*self._readers.values(), *([self._index] if self._index else [])]
        self._readers = {}

    def has(self, member: TarMember) -> bool:
        """Whether the bytes of a member can be read."""
        return member.file in self._readers

    def begin(self, name: str, size: int, modified: float) -> None:
        self._crc, self._now = 0, None
        if is_junk(name) or is_junk(name.removeprefix("./")):
            return
        name = name.removeprefix("./")
        if is_hostile(name):
            self.refuse(name, HOSTILE)
            return
        is_document = name.lower().endswith(".json") and size <= MAX_DOCUMENT_BYTES
        file = self._writers[_DOCUMENTS if is_document else _DATA]
        self._target = file if is_document or self._keeps_data else None
        self._now = name, TarMember(file.tell(), size, 0, modified, is_document)

    def write(self, data: bytes | memoryview) -> None:
        if self._now is not None:
            self._crc = zlib.crc32(data, self._crc)
            if self._target is not None:
                self._target.write(data)

    def end(self) -> None:
        if self._now is not None:
            name, member = self._now
            assert self._index is not None
            self._index.add(name, member._replace(crc=self._crc))

    def refuse(self, name: str, what: str) -> None:
        """Bytes of a name that are not UTF-8 are written as escapes: the index is JSON."""
        self.flaws.append((name.encode("utf-8", "backslashreplace").decode(), what))

    def finish(self) -> None:
        """No more members come. Those that were taken can be read."""
        for name, file in self._writers.items():
            file.close()
            if name == _DOCUMENTS or self._keeps_data:
                self._open(name, (self._folder / name).stat().st_size)
        self._writers = {}
        if self._index is not None:
            self._index.flush()

    def save(self, url: str, validator: str) -> None:
        """Leave an index for later runs."""
        sizes = {name: (self._folder / name).stat().st_size for name in (_DOCUMENTS, _DATA)}
        assert self._index is not None
        flaws = dumps(self.flaws).decode()
        described = {name: str(size) for name, size in sizes.items()}
        self._index.save({"url": url, "validator": validator, "flaws": flaws, **described})

    def member(self, name: str) -> TarMember | None:
        found = self._index.get(name) if self._index is not None else None
        return None if found is None else TarMember._make(found)

    def names(self) -> Iterator[str]:
        """All names, in order."""
        return self._index.names() if self._index is not None else iter(())

    def is_intact(self, member: TarMember) -> bool:
        """Whether the bytes of a member are still those that were unpacked. True if they cannot be read."""
        crc = member.crc
        if self.has(member):
            crc = 0
            for piece in self.pieces(member):
                crc = zlib.crc32(piece, crc)
        return crc == member.crc

    def pieces(self, member: TarMember) -> Iterator[bytes]:
        """The bytes of a member; the last of them are missing if the file is shorter."""
        file, position, left = self._readers[member.file], member.offset, member.size
        while left:
            file.seek(position)
            piece = file.read(min(left, PIECE_BYTES))
            if not piece:
                return
            position, left = position + len(piece), left - len(piece)
            yield piece

    def drop_data(self) -> None:
        """Remove the data, which another run would unpack again."""
        self.close()
        with contextlib.suppress(OSError):
            (self._folder / _DATA).unlink()

    def close(self) -> None:
        for file in (*self._writers.values(), *self._readers.values(), *self._retired):
            file.close()
        self._writers, self._readers, self._retired = {}, {}, []
        if self._index is not None:
            self._index.close()
