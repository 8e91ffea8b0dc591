"""The vocabulary of listings: one file of a listing, and what a listing is to those that make items of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from ...core.model import JsonObject

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE", "ARCHIVE"})
"""Storage classes and access tiers whose objects have to be restored before anybody can read them."""


class FileEntry(NamedTuple):
    """One file of a listing. `key` is its whole name there, `url` where its bytes are.

    `checksum` is a multihash, `git_blob` the id that git gives to the content; "" where there is none. `etag`
    and `modified` (RFC 3339) tell versions apart and prove nothing.
    """

    key: str
    size: int | None
    url: str
    etag: str = ""
    modified: str = ""
    checksum: str = ""
    git_blob: str = ""
    tier: str = ""
    refused: str = ""
    """why it cannot be had, if the listing says so already"""

    @property
    def is_folder(self) -> bool:
        """Whether it only stands for a folder, as consoles and Hadoop make them."""
        return not self.size and self.key.endswith(("/", "_$folder$"))

    @property
    def unavailable(self) -> str:
        """Why it cannot be fetched, "" if nothing is known against it."""
        if self.tier.upper() in ARCHIVED:
            return f"it is archived ({self.tier}): restore the object first, then run again"
        return self.refused


def rfc3339(seconds: float) -> str:
    """A time in seconds since 1970 as RFC 3339 in UTC; "" for none, and for one that has no such form."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z") if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""


class FileListing(Protocol):
    """All files of one prefix, data set or record.

    `prefix` begins all keys; what follows it in a key is the path of the file. `where` names the listing for
    people, without secrets. `pages` may be called several times, and calls `begin` where nobody has. It
    raises `SourceError` where the root cannot be listed, `CatalogError` where the listing broke off. `about`
    has fields for the collection; it is complete after the first page. `pinned` says which
    version is read, where the name of the listing does not. `is_sorted`: keys that begin alike come one
    after another. `is_whole`: it is that of a whole bucket, data set or record, which may be empty.

    `version`, known after `begin`, is a name that all of the content determines, as it does the name of a
    commit; "" where there is none. The number of a version is no such name: a Dataverse lets administrators
    correct a version that is published, since 4.12.
    """

    where: str
    is_sorted: bool
    is_whole: bool

    @property
    def collection(self) -> str: ...

    @property
    def prefix(self) -> str: ...

    @property
    def about(self) -> JsonObject: ...

    @property
    def pinned(self) -> JsonObject: ...

    @property
    def version(self) -> str: ...

    async def begin(self) -> None:
        """Read what has to be known before any URL is. Raises as `pages` does for its first page."""
        ...

    def pages(self) -> AsyncGenerator[Sequence[FileEntry], None]: ...

    def url_of(self, key: str) -> str:
        """Where the file with this key would be; "" where it is known that there is none."""
        ...


class ListedVersion(Protocol):
    """See `location.ListedVersion`."""

    before: int
    now: int
    pinned: JsonObject


def version_number(listing: FileListing) -> int:
    """A number for the place and the content of a listing that has begun; 0 where nothing determines that."""
    name = "\0".join((listing.where, listing.prefix, listing.version))
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") | 1 if listing.version else 0
