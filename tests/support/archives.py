"""Archives of a small catalogue, made by the standard library, and spoilt in the ways archives are."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping

from support.server import tif
from support.stac_server import stac_item

TOP = "kenya/"


def catalogue(items: int = 3, size: int = 3_000) -> dict[str, bytes]:
    """The files of a catalogue with relative hrefs, by name: a collection with items of two assets each."""
    files: dict[str, bytes] = {}
    links = []
    for number in range(items):
        name = f"i{number}"
        links.append({"rel": "item", "href": f"{name}/{name}.json"})
        item = stac_item(name, data="data.tif", label="label%20one.tif")
        files[f"{TOP}{name}/{name}.json"] = json.dumps(item).encode()
        files[f"{TOP}{name}/data.tif"] = tif(size, number)
        files[f"{TOP}{name}/label one.tif"] = tif(size // 2, 100 + number)
    collection = {
        **{"type": "Collection", "stac_version": "1.0.0", "id": "c1", "description": "d", "license": "other"},
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        "links": links,
    }
    files[f"{TOP}collection.json"] = json.dumps(collection).encode()
    return files


def zipped(
    files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, *, streamed: bool = False
) -> bytes:
    """A ZIP. `streamed`: as a program writes it that cannot seek, with data descriptors."""
    target = _Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


class _Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("no position")


def entry_of(archive: bytes, name: str) -> int:
    """Where the entry of a member begins in the central directory."""
    at = archive.find(b"PK\1\2")
    while archive[at + 46 : at + 46 + struct.unpack_from("<H", archive, at + 28)[0]] != name.encode():
        at = archive.index(b"PK\1\2", at + 4)
    return at


def patched(archive: bytes, name: str, field: int, form: str, value: int) -> bytes:
    """The archive with another value in a field of the directory's entry of a member."""
    changed = bytearray(archive)
    struct.pack_into(form, changed, entry_of(archive, name) + field, value)
    return bytes(changed)


def as_zip64(archive: bytes) -> bytes:
    """The same ZIP with the records of ZIP64, as writers of large ones make them."""
    at = archive.rfind(b"PK\5\6")
    count, size, offset = struct.unpack_from("<HII", archive, at + 10)
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, at, 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return archive[:at] + record + locator + end


FLAGS, METHOD, CRC, ATTRIBUTES, OFFSET = (8, "<H"), (10, "<H"), (16, "<I"), (38, "<I"), (42, "<I")


def tarred(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT, **special: bytes) -> bytes:
    """A tar. `special`: names of members of another type, with that type; they link to /etc/passwd."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, kind in special.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return target.getvalue()


def in_several_members(data: bytes, size: int = 4_000) -> bytes:
    """Gzip as bgzip and pigz write it: many members, one behind the other."""
    return b"".join(gzip.compress(data[at : at + size], mtime=0) for at in range(0, len(data), size))


def heads_of(archive: bytes) -> list[int]:
    """Where the heads of the members of a tar begin, and where its end does."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return [*(member.offset for member in opened), opened.offset]
