"""What the listings of repositories of records have in common: the record is read once, with its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from ....core import checksum
from ....core.errors import CatalogError, MlhubError, SourceError, TransferError, Transient
from ....core.model import Document, JsonObject, Request
from ....core.urls import redacted
from ...items.streams import RawReader
from ..listing import FileEntry


class RecordListing:
    """The files of one record. A subclass says how its JSON is read."""

    is_sorted = False
    is_whole = True
    prefix = version = ""

    def __init__(self, reader: RawReader, url: str, number: str) -> None:
        self._reader = reader
        self._url = url
        self.where = redacted(url)
        self.collection = number
        self.about: JsonObject = {}
        self.pinned: JsonObject = {}
        self._files: dict[str, FileEntry] | None = None

    async def files_of(self, record: Document) -> Sequence[FileEntry]:
        """The files of a record; sets `about`, and `collection` where another record answered than was asked.

        Raises `TransferError`, or `SourceError` for a record that cannot be read.
        """
        raise NotImplementedError

    async def begin(self) -> None:
        """Read the record. `CatalogError` where it cannot be read now, `SourceError` where it never can."""
        if self._files is not None:
            return
        try:
            record = await self._read(self._url)
            if not isinstance(record.body, dict):
                raise SourceError(f"{self.where} is no record", kind="not-a-record")
            files = await self.files_of(record)
        except TransferError as error:
            raise self._unlistable(error) from error
        self._files = {one.key: one for one in files}

    def url_of(self, key: str) -> str:
        found = (self._files or {}).get(key)
        return found.url if found is not None else ""

    async def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]:
        await self.begin()
        yield list((self._files or {}).values())

    async def _read(self, url: str) -> Document:
        return await self._reader.read(Request(url))

    def _unlistable(self, error: TransferError) -> MlhubError:
        if isinstance(error, Transient):
            return CatalogError(f"{self.where} could not be read: {error.message}; run again later")
        why = "is not public" if error.denied else "is not there" if error.absent else "cannot be read"
        return SourceError(f"{self.where} {why} ({error.message})", kind=error.kind)


def told_apart(files: Iterable[tuple[FileEntry, object]]) -> list[FileEntry]:
    """Files, each given with its id in the repository. Where several have one name the ids are in their
    names: `a.tif` and `a.tif` become `a~17.tif` and `a~18.tif`, whatever their order."""
    listed = list(files)
    times = Counter(file.key for file, _ in listed)
    named = [file if times[file.key] == 1 else _with_id(file, id_) for file, id_ in listed]
    is_clear = len({file.key for file in named}) == len(named)
    return named if is_clear else [_with_id(file, id_) for file, id_ in listed]


def _with_id(file: FileEntry, id_: object) -> FileEntry:
    folder, slash, name = file.key.rpartition("/")
    stem, dot, rest = name.partition(".")
    return file._replace(key=f"{folder}{slash}{stem}~{id_}{dot}{rest}")


def objects_in(listed: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array, and of anything else none."""
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def size_of(found: Any) -> int | None:
    """A size in bytes; None for what is none, such as the -1 of a Dataverse that does not know it."""
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def multihash_of(stated: str) -> str:
    """The multihash of a digest with the name of its algorithm in front; "" for one that proves nothing."""
    known = checksum.parse(stated)
    return checksum.multihash(known.algorithm, known.digest) if known and known.usable else ""
