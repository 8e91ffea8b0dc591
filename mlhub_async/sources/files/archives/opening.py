"""Opens an archive by its kind: its members get their URLs, and what is wrong with it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from ....core import urls
from ....core.errors import CatalogDefect, CatalogError, SourceError, TransferError, Transient
from ....core.formats.archives.errors import ArchiveCut, ArchiveDefect
from ....core.formats.archives.names import is_junk
from ...access import unreadable
from ...items.streams import RawReader
from .addresses import base_of
from .ranges import ArchiveBytes, RangesRefused
from .tar.members import TarMembers
from .workspace import Workspace
from .zip.members import ZipMembers, read_directory
from .zip.read_ahead import ZipBytes
from .zip.spooled import spooled


class MemberFacts(NamedTuple):
    """What an archive says of a member: its size, its time (RFC 3339, or ""), its version, and why it cannot
    be had, if it cannot."""

    size: int
    modified: str
    etag: str
    refused: str = ""


class OpenedArchive(NamedTuple):
    """`names` of the members that are files of the data, sorted. `flaws`: those that are refused, and
    why. `broken`: why it is not whole, if it is not. `remark`: what people should know of how it is read."""

    names: Callable[[], Iterable[str]]
    facts: Callable[[str], MemberFacts]
    flaws: list[tuple[str, str]]
    broken: CatalogError | None = None
    remark: str = ""


async def open_zip(reader: RawReader, url: str, workspace: Workspace) -> OpenedArchive:
    """Raises `CatalogError` for what is no whole ZIP, `SourceError` for what cannot be read at all."""
    archive: ZipBytes = ArchiveBytes(url)
    base, remark = base_of(url), ""
    try:
        try:
            directory = await read_directory(archive, reader)
        except RangesRefused:
            archive = await spooled(url, reader, workspace)
            remark = f"{archive.where}: the server sends no ranges, so every run fetches the whole archive"
            directory = await read_directory(archive, reader)
    except (ArchiveDefect, TransferError) as error:
        raise _unusable(error, url) from error

    def facts(name: str) -> MemberFacts:
        member = directory.member(name)
        assert member is not None
        return MemberFacts(member.size, member.modified, member.etag, member.flaw)

    reader.mount(base, ZipMembers(archive, directory, base))
    flaws = [one for one in directory.flaws if not is_junk(one[0])]
    names = [name for name in directory.names() if not is_junk(name)]
    return OpenedArchive(lambda: names, facts, flaws, remark=remark)


async def open_tar(reader: RawReader, url: str, workspace: Workspace) -> OpenedArchive:
    """The same for a tar archive. What is whole of one that broke off can be had all the same."""
    base, broken = base_of(url), None
    members = TarMembers(url, base, reader, workspace)
    unpacked = members.unpacked
    workspace.on_close(lambda completed: unpacked.drop_data() if completed else unpacked.close())
    try:
        await members.open()
    except (ArchiveCut, Transient) as error:
        if next(unpacked.names(), None) is None:
            raise _unusable(error, url) from error
        message = error.message if isinstance(error, Transient) else f"{urls.redacted(url)} {error}"
        broken = CatalogError(message, kind="truncated")
    except (ArchiveDefect, TransferError) as error:
        raise _unusable(error, url) from error

    def facts(name: str) -> MemberFacts:
        member = unpacked.member(name)
        assert member is not None
        return MemberFacts(member.size, _rfc3339(member.modified), member.etag)

    reader.mount(base, members)
    remark = ""
    if not members.validator and broken is None:
        remark = f"{urls.redacted(url)}: the server sends no strong validator, so every run reads it again"
    return OpenedArchive(unpacked.names, facts, unpacked.flaws, broken, remark)


def _unusable(error: ArchiveDefect | TransferError, url: str) -> CatalogError | SourceError:
    where = urls.redacted(url)
    if isinstance(error, TransferError):
        found = unreadable(error, url)
        return found if isinstance(found, CatalogError | SourceError) else SourceError(found.message)
    if isinstance(error, ArchiveCut):
        return CatalogError(f"{where} {error}", kind="truncated")
    return CatalogDefect(f"{where} {error}", kind="damaged-archive")


def _rfc3339(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z") if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""
