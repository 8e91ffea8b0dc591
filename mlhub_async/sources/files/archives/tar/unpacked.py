"""The members of a tar archive on disk: documents one behind the other in a file, data as a file for each.

The documents and an index of all members stay for the next run: an archive that has not changed is not read
again. The files of the data are there only until they are moved to their places in DEST.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .....core.checksum import Hasher
from .....core.errors import StorageError
from .....core.formats.archives.names import HOSTILE, is_hostile, is_junk, without_empty_parts
from .....core.json_text import dumps, loads
from .....core.ports.members import UnpackedFile
from .....storage.indexes.members import MemberIndex
from .data_files import DataFiles, TarMember

MAX_DOCUMENT_BYTES = 64 << 20
PIECE_BYTES = 1 << 20
REMEMBERED = 4_000
"""Members that are listed and asked for soon after: they are looked up once."""
NOT_KEPT = -1
"""The `place` of data that was read and not kept."""
_INDEX, _DOCUMENTS, _DATA = "index", "documents", "data"
_LAYOUT = "3"
"""Of the folder; that of an earlier version of this program is not read."""


class UnpackedMembers:
    """Takes the members of an archive (see `TarReceiver`), and gives them back by name.

    `keeps_data` false: only documents are kept, and data that is wanted. Of two members with one name the
    later one counts. Raises OSError.
    """

    def __init__(self, folder: Path, *, keeps_data: bool) -> None:
        self._index: MemberIndex | None = None
        self.flaws: list[tuple[str, str]] = []
        self.modified = 0.0
        """the Last-Modified of the archive that the index is of, in seconds since 1970, 0 if unknown"""
        self._folder = folder
        self._documents: BinaryIO | None = None
        self._reader: BinaryIO | None = None
        self._retired: list[BinaryIO | MemberIndex] = []
        """files that were replaced, and may still be read"""
        self._data = DataFiles(folder / _DATA)
        self.keeps_data = keeps_data
        self._wanted: set[str] = set()
        self._into: DataFiles | None = None
        """takes the bytes of the present member; None: it is a document, or its bytes are not kept"""
        self._now: tuple[str, int, int, float, bool] | None = None
        """the name of the present member, and all of `TarMember` but its digest"""
        self._sha256: Hasher = hashlib.sha256()
        self._listed: dict[str, TarMember] = {}

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
        fits = about.get("url") == url and about.get("layout") == _LAYOUT
        if not fits or not self._open_documents(int(about[_DOCUMENTS])):
            index.close()
            return ""
        self.flaws = [(name, what) for name, what in loads(about["flaws"])]
        self._index = index
        if self.keeps_data:
            self._data.adopt(about[_DATA])
        self.modified = float(about.get("modified", 0))
        return about["validator"]

    def _open_documents(self, size: int) -> bool:
        """Open the documents of an earlier run for reading, if the file is there and has this size."""
        path = self._folder / _DOCUMENTS
        if not path.is_file() or path.stat().st_size != size:
            return False
        self._reader = open(path, "rb")  # noqa: SIM115 - it stays open
        return True

    def clear(self) -> None:
        """Begin to take members, none of which is there. What is being read stays readable."""
        self.forget()
        self.flaws, self._index = [], MemberIndex(self._folder / _INDEX, new=True)
        (self._folder / _DOCUMENTS).unlink(missing_ok=True)
        self._documents = open(self._folder / _DOCUMENTS, "wb")  # noqa: SIM115
        self._data.clear()

    def forget(self) -> None:
        """What is on the disk cannot be used."""
        (self._folder / _INDEX).unlink(missing_ok=True)
        self._retired += [one for one in (self._reader, self._index) if one is not None]
        self._reader = None
        self._listed.clear()

    def has(self, member: TarMember) -> bool:
        """Whether the bytes of a member can be read."""
        if member.is_document:
            return self._reader is not None
        return member.place != NOT_KEPT and self._data.has(member)

    def want(self, name: str) -> None:
        """Keep the data of this member too when the archive is read again."""
        self._wanted.add(name)

    def begin(self, name: str, size: int, modified: float) -> None:
        self._now = self._into = None
        name = without_empty_parts(name)
        if is_junk(name):
            return
        if is_hostile(name):
            self.refuse(name, HOSTILE)
            return
        if _is_document(name, size):
            assert self._documents is not None
            self._now = name, self._documents.tell(), size, modified, True
            self._sha256 = hashlib.sha256()
        elif self.keeps_data or name in self._wanted:
            self._now, self._into = (name, self._data.begin(size), size, modified, False), self._data
        else:
            self._now, self._sha256 = (name, NOT_KEPT, size, modified, False), hashlib.sha256()

    def write(self, data: bytes | memoryview) -> None:
        if self._now is None:
            return
        if self._into is not None:
            self._into.write(data)
            return
        if self._now[4]:
            assert self._documents is not None
            self._documents.write(data)
        self._sha256.update(data)

    def end(self) -> None:
        if self._now is not None:
            name, *facts = self._now
            assert self._index is not None
            sha256 = self._sha256.digest().hex() if self._into is None else self._into.end()
            self._index.add(name, (*facts, sha256))

    def link(self, name: str, target: str, modified: float) -> None:
        """Take the bytes of an earlier member under another name too."""
        assert self._index is not None
        self._index.flush()
        found = self._index.get(without_empty_parts(target))
        name = without_empty_parts(name)
        if found is None and not is_junk(name):
            self.refuse(name, "it is a hard link to no member before it: it is left out")
        if found is None or is_junk(name):
            return
        member = TarMember._make(found)
        if is_hostile(name):
            self.refuse(name, HOSTILE)
        elif _is_document(name, member.size) is not bool(member.is_document):
            self.begin(name, member.size, modified)
            for piece in self._taken(member):
                self.write(piece)
            self.end()
        elif member.is_document or member.place == NOT_KEPT:
            self._index.add(name, member)
            if name in self._wanted:
                self.want(without_empty_parts(target))
        else:
            self._index.add(name, member._replace(place=self._data.again(member), modified=modified))

    def _taken(self, member: TarMember) -> Iterator[bytes]:
        """The bytes of a member while others still come."""
        if not member.is_document:
            yield from [] if member.place == NOT_KEPT else self._data.pieces(member)
            return
        assert self._documents is not None
        self._documents.flush()
        with open(self._folder / _DOCUMENTS, "rb") as file:
            file.seek(member.place)
            yield file.read(member.size)

    def refuse(self, name: str, what: str) -> None:
        """Bytes of a name that are not UTF-8 are written as escapes: the index is JSON."""
        self.flaws.append((name.encode("utf-8", "backslashreplace").decode(), what))

    def finish(self) -> None:
        """No more members come. Those that were taken can be read."""
        if self._documents is not None:
            self._documents.close()
            self._documents = None
            self._open_documents((self._folder / _DOCUMENTS).stat().st_size)
        self._data.finish()
        if self._index is not None:
            self._index.flush()

    def save(self, url: str, validator: str, modified: float) -> None:
        """Leave an index for later runs. `modified`: see the attribute."""
        assert self._index is not None
        self._index.save(
            {
                "layout": _LAYOUT,
                "url": url,
                "validator": validator,
                "modified": str(modified),
                "flaws": dumps(self.flaws).decode(),
                _DOCUMENTS: str((self._folder / _DOCUMENTS).stat().st_size),
                _DATA: self._data.name if self.keeps_data else "",
            }
        )

    def member(self, name: str) -> TarMember | None:
        if (listed := self._listed.get(name)) is not None:
            return listed
        found = self._index.get(name) if self._index is not None else None
        return None if found is None else TarMember._make(found)

    def names(self) -> Iterator[str]:
        """All names, in order."""
        return (name for name, _ in self.members())

    def members(self) -> Iterator[tuple[str, TarMember]]:
        """All members by name, in the order of the names."""
        if self._index is None:
            return
        for name, *found in self._index.rows():
            if len(self._listed) >= REMEMBERED:
                self._listed.clear()
            member = self._listed[str(name)] = TarMember._make(found)
            yield str(name), member

    def file(self, member: TarMember) -> UnpackedFile | None:
        """The file of a member; None if there is none with these bytes, or it is a document."""
        return None if member.is_document or member.place == NOT_KEPT else self._data.file(member)

    @property
    def has_data(self) -> bool:
        """Whether there are files of members that are data."""
        return self.keeps_data and bool(self._data.name)

    def is_intact(self, member: TarMember) -> bool:
        """Whether the bytes of a member are still those that were unpacked. True if they cannot be read."""
        if not self.has(member):
            return True
        sha256 = hashlib.sha256()
        for piece in self.pieces(member):
            sha256.update(piece)
        return sha256.hexdigest() == member.sha256

    def pieces(self, member: TarMember) -> Iterator[bytes]:
        """The bytes of a member; the last of them are missing if the file is shorter."""
        if not member.is_document:
            yield from self._data.pieces(member)
            return
        file, position, left = self._reader, member.place, member.size
        assert file is not None
        while left:
            file.seek(position)
            piece = file.read(min(left, PIECE_BYTES))
            if not piece:
                return
            position, left = position + len(piece), left - len(piece)
            yield piece

    def release(self, member: TarMember) -> None:
        """Remove the file of a member, if it has one."""
        if not member.is_document and member.place != NOT_KEPT:
            self._data.remove(member)

    def drop_data(self) -> None:
        """Remove the data, which another run would unpack again."""
        self.close()
        self._data.drop()

    def close(self) -> None:
        for file in (self._documents, self._reader, *self._retired):
            if file is not None:
                file.close()
        self._documents = self._reader = None
        self._retired = []
        self._data.close()
        if self._index is not None:
            self._index.close()


def _is_document(name: str, size: int) -> bool:
    return name.lower().endswith(".json") and size <= MAX_DOCUMENT_BYTES
