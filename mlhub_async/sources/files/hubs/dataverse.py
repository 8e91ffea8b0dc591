"""A data set of a Dataverse installation: its files with their digests.

https://guides.dataverse.org/en/latest/api/native-api.html. Tables are converted on arrival; their size and
digest in the listing are those of the file as it was uploaded, which is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ....core.errors import SourceError
from ....core.model import Document, JsonObject
from ..listing import FileEntry
from .record_listing import RecordListing, multihash_of, objects_in, size_of, told_apart


class DataverseListing(RecordListing):
    """One version, else the latest published one, with the folders of its files."""

    async def files_of(self, record: Document) -> Sequence[FileEntry]:
        data = record.body.get("data")
        version = data.get("latestVersion", data) if isinstance(data, dict) else None
        if not isinstance(version, dict) or "files" not in version:
            raise SourceError(f"{self.where} is no data set of a Dataverse", kind="not-a-record")
        license_of = version.get("license")
        updated = str(version.get("lastUpdateTime") or "")
        self.about = {
            "license": str(license_of.get("name") or "") if isinstance(license_of, dict) else "",
            "sci:doi": str(version.get("datasetPersistentId") or "").removeprefix("doi:"),
            "updated": updated,
        }
        split = urlsplit(self._url)
        root = f"{split.scheme}://{split.netloc}"
        self.pinned = _version(version)
        return told_apart(_file(one, root, updated) for one in objects_in(version.get("files")))


_SUFFIXES = {
    "application/x-spss-sav": ".sav",
    "application/x-spss-por": ".por",
    "application/x-spss-syntax": ".sps",
    "application/x-dvn-csvspss-zip": ".zip",
    "application/x-dvn-tabddi-zip": ".zip",
    "application/x-rlang-transport": ".RData",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "text/csv": ".csv",
    "text/comma-separated-values": ".csv",
    "text/tsv": ".tsv",
    "text/tab-separated-values": ".tsv",
}
"""By the media type of a file that was converted to a table: the suffix that it was uploaded with."""


def _original_name(name: str, media_type: str) -> str:
    """The name of an uploaded file where only that of its table is known, as from before Dataverse 5."""
    is_stata = media_type.startswith("application/x-stata")  # with or without a version behind it
    suffix = ".dta" if is_stata else _SUFFIXES.get(media_type.lower(), "")
    return name.removesuffix(".tab") + suffix if suffix and name.endswith(".tab") else name


def _version(about: dict[str, Any]) -> JsonObject:
    """The number of a version, such as 2.1; nothing for a draft."""
    major, minor = about.get("versionNumber"), about.get("versionMinorNumber")
    return {"version": f"{major}.{minor}"} if isinstance(major, int) and isinstance(minor, int) else {}


def _file(found: dict[str, Any], root: str, updated: str) -> tuple[FileEntry, object]:
    """The file and its id."""
    about = found.get("dataFile")
    about = about if isinstance(about, dict) else {}
    is_converted = bool(about.get("originalFileFormat"))
    name = str(found.get("label") or "")
    if is_converted:
        name = str(about.get("originalFileName") or _original_name(name, str(about["originalFileFormat"])))
    folder = str(found.get("directoryLabel") or "")
    stated = about.get("checksum")
    stated = stated if isinstance(stated, dict) else {}
    digest = str(stated.get("value") or about.get("md5") or "")
    size = about.get("originalFileSize") if is_converted else about.get("filesize")
    file = FileEntry(
        f"{folder}/{name}" if folder else name,
        size_of(size),
        f"{root}/api/access/datafile/{about.get('id')}{'?format=original' if is_converted else ''}",
        etag=digest or str(about.get("id", "")),
        modified=updated,
        checksum=multihash_of(f"{stated.get('type') or 'MD5'}:{digest}") if digest else "",
        refused="access to it is restricted: ask for it at its record" if found.get("restricted") else "",
    )
    return file, about.get("id")
