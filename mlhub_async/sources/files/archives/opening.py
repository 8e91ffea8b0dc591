"""Opens an archive by its kind: its members get their URLs, and what is wrong with it is said."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse
from typing import NamedTuple, cast

from ....core import urls
from ....core.errors import CatalogDefect, CatalogError, Corrupt, SourceError, TransferError, Transient
from ....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from ....core.formats.archives.names import common_folder, is_junk
from ....core.model import Version
from ...access import unreadable
from ...items.streams import RawReader
from ..listing import FileEntry, rfc3339
from .addresses import ArchiveFile, base_of, member_url
from .ranges import DAMAGED_ARCHIVE, ArchiveBytes, RangesRefused
from .stream import PublishedBytes, check_size
from .tar.members import TarMembers
from .workspace import Workspace
from .zip.members import ZipMembers, read_directory
from .zip.read_ahead import ZipBytes
from .zip.spooled import spooled


class OpenedArchive(NamedTuple):
    """`files`: the members that are files of the data, by name, as those of a listing; `names_ending` gives
    the names that end so, in order, and `top` the one folder that all are in, "" where there is none.
    `flaws`: members that are refused, and why. `broken`: why it is not whole, if it is not; `rest_may_come`:
    the connection broke off, so another run may bring what is missing. `remark`: what people should know of
    how it is read. `version_of` gives that of the member at a URL, None where there is none."""

    files: Callable[[], Iterator[FileEntry]]
    names_ending: Callable[[str], Iterable[str]]
    top: Callable[[], str]
    version_of: Callable[[str], Version | None]
    flaws: list[tuple[str, str]]
    broken: CatalogError | None = None
    rest_may_come: bool = False
    remark: str = ""


async def open_zip(reader: RawReader, archive: ArchiveFile, workspace: Workspace) -> OpenedArchive:
    """Raises `CatalogError` for what is no whole ZIP, `SourceError` for what cannot be read at all."""
    url, data = archive.url, cast(ZipBytes, ArchiveBytes(archive.url))
    base, remark = base_of(url), ""
    try:
        try:
            directory = await read_directory(data, reader)
        except RangesRefused:
            data = await spooled(archive, reader, workspace)
            remark = f"{data.where}: the server sends no ranges, so every run fetches the whole archive"
            directory = await read_directory(data, reader)
        if isinstance(data, ArchiveBytes) and data.whole is not None:
            PublishedBytes(archive).check_all(data.whole)
        check_size(archive, data.total)
    except (ArchiveDefect, TransferError) as error:
        raise _unusable(_size_first(archive, data, error), url) from error

    def files() -> Iterator[FileEntry]:
        for name, _, _, _, size, _, _, modified, _, flaw, etag in directory.members():
            if not is_junk(name):
                yield FileEntry(name, size, member_url(base, name), etag, modified, "", "", "", flaw)

    def names_ending(end: str) -> Iterator[str]:
        return filterfalse(is_junk, directory.names_ending(end))

    def top() -> str:
        ends = (directory.names(), directory.names(backwards=True))
        return common_folder(*[next(filterfalse(is_junk, names), "") for names in ends])

    members = ZipMembers(data, directory, base)
    reader.mount(base, members)
    flaws = [one for one in directory.flaws if not is_junk(one[0])]
    return OpenedArchive(files, names_ending, top, members.version_of, flaws, remark=remark)


def _size_first(
    archive: ArchiveFile, data: ZipBytes, error: ArchiveDefect | TransferError
) -> ArchiveDefect | TransferError:
    """The error to tell: an archive of another size than is published is not looked at any further."""
    try:
        if data.total >= 0:
            check_size(archive, data.total)
    except Corrupt as other:
        return other
    return error


async def open_tar(reader: RawReader, archive: ArchiveFile, workspace: Workspace) -> OpenedArchive:
    """The same for a tar archive. What is whole of one that broke off can be had all the same."""
    url, base = archive.url, base_of(archive.url)
    broken, rest_may_come = None, False
    members = TarMembers(archive, base, reader, workspace)
    unpacked = members.unpacked
    workspace.on_close(lambda completed: unpacked.drop_data() if completed else unpacked.close())
    try:
        await members.open()
    except (ArchiveCut, Transient) as error:
        if next(unpacked.names(), None) is None:
            raise _unusable(error, url) from error
        message = error.message if isinstance(error, Transient) else f"{urls.redacted(url)} {error}"
        broken, rest_may_come = CatalogError(message, kind="truncated"), isinstance(error, Transient)
    except (ArchiveDefect, TransferError) as error:
        raise _unusable(error, url) from error

    def files() -> Iterator[FileEntry]:
        for name, member in unpacked.members():
            yield FileEntry(name, member.size, member_url(base, name), member.etag, rfc3339(member.modified))

    def names_ending(end: str) -> Iterator[str]:
        return (name for name in unpacked.names() if name.endswith(end))

    def top() -> str:
        first, last = next(unpacked.names(), ""), deque(unpacked.names(), 1)
        return common_folder(first, last[0] if last else "")

    reader.mount(base, members)
    remark = ""
    if not members.validator and broken is None:
        remark = f"{urls.redacted(url)}: the server sends no strong validator, so every run reads it again"
    flaws, version_of = unpacked.flaws, members.version_of
    return OpenedArchive(files, names_ending, top, version_of, flaws, broken, rest_may_come, remark)


def _unusable(error: ArchiveDefect | TransferError, url: str) -> CatalogError | SourceError:
    where = urls.redacted(url)
    if isinstance(error, TransferError):
        if isinstance(error, Corrupt) or error.kind == DAMAGED_ARCHIVE:
            return CatalogDefect(error.message, kind=error.kind)
        found = unreadable(error, url)
        return found if isinstance(found, CatalogError | SourceError) else SourceError(found.message)
    if isinstance(error, ArchiveCut):
        return CatalogError(f"{where} {error}", kind="truncated")
    return CatalogDefect(f"{where} {error}", kind=DAMAGED_ARCHIVE)
