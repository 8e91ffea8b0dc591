"""What archives can do: as a SOURCE they write nothing outside of DEST, and as an asset they stay a file."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.engine import run
from support.mirrored import Mirrored
from support.stac_server import stac_item


def tar(*members, mode="w:gz"):
    """A tar of members: a name and its bytes, or a TarInfo alone."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info, data = (member, b"") if isinstance(member, tarfile.TarInfo) else named(*member)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def named(name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name, kind, target="", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


ITEM = b'{"type": "Feature", "id": "x", "collection": "c", "assets": {}}'
OUTSIDE = "/tmp/evil-of-an-mlhub-archive.json"
WHOLE = tar(("catalog.json", ITEM), ("c/x.json", ITEM))
ARCHIVES = {
    "climbs out": tar(("../evil.json", ITEM), (OUTSIDE, ITEM)),
    "links": tar(
        special("evil", tarfile.SYMTYPE, "/tmp"),
        ("evil/evil.json", ITEM),
        special("evil.hard", tarfile.LNKTYPE, "../../evil"),
        special("evil.pipe", tarfile.FIFOTYPE),
        special("evil.device", tarfile.CHRTYPE),
    ),
    "bomb": tar(("catalog.json", b" " * (8 << 20))),
    "cut off": WHOLE[:-40],
    "several in one": WHOLE + WHOLE,
    "something behind it": WHOLE + b"something else",
    "twice the same": tar(("evil.json", ITEM), ("evil.json", b"other"), ("EVIL.json", ITEM)),
    "odd rights": tar(special("evil", tarfile.REGTYPE, mode=0o6777, mtime=1 << 40, uid=0)),
    "long and odd names": tar(("evil/" * 900 + "x", ITEM), ("\udcff\udcfe", ITEM), ("evil\nname", ITEM)),
}
ZIPS = {
    "climbs out.zip": zipped(("../evil.json", ITEM), (OUTSIDE, ITEM), ("C:\\evil.json", ITEM)),
    "bomb.zip": zipped(("catalog.json", b" " * (8 << 20))),
}


AS_SOURCE = {
    "climbs out.tar.gz": 4,
    "links.tar.gz": 4,
    "bomb.tar.gz": 5,
    "cut off.tar.gz": 5,
    "several in one.tar.gz": 0,
    "something behind it.tar.gz": 4,
    "twice the same.tar.gz": 5,
    "odd rights.tar.gz": 0,
    "long and odd names.tar.gz": 4,
    "climbs out.zip": 4,
    "bomb.zip": 5,
}
"""The exit codes. Blanks that are called JSON may be right at the next request, so the code is 5."""
ON_THIS_MACHINE = {**AS_SOURCE, "bomb.tar.gz": 4, "twice the same.tar.gz": 4, "bomb.zip": 4}
"""Bytes of a file here are the same when they are read again."""


@pytest.mark.parametrize("name", AS_SOURCE)
def test_an_archive_as_a_source_writes_nothing_outside_of_dest(run_cli, site, dest, tmp_path, name):
    file = name.replace(" ", "-")
    body = ZIPS.get(name) or ARCHIVES[name.removesuffix(".tar.gz")]
    (tmp_path / file).write_bytes(body)
    for source, code in (
        (tmp_path / file, ON_THIS_MACHINE[name]),
        (site.put(f"/{file}", body), AS_SOURCE[name]),
    ):
        ended = run_cli("mirror", source, dest)
        assert ended.code == code and "Traceback" not in ended.err, ended.err
    outside = [path for path in unpacked(tmp_path) if not path.is_relative_to(dest)]
    assert outside == [] and not any(path.is_symlink() for path in unpacked(dest))


def unpacked(place):
    """What should not be there."""
    return [path for path in (*place.rglob("*"), Path(OUTSIDE)) if "evil" in path.name and path.exists()]


@pytest.mark.parametrize(("verify", "code", "broken"), [("auto", 0, set()), ("deep", 4, {"cut off"})])
async def test_an_archive_as_an_asset_stays_the_file_it_is(troubled, dest, verify, code, broken):
    site = await troubled.site()
    bodies = {**{f"{name}.tar.gz": body for name, body in ARCHIVES.items()}, **ZIPS}
    items = [
        stac_item(name.removesuffix(".tar.gz"), archive=site.put(f"/{number}-{name}".replace(" ", "-"), body))
        for number, (name, body) in enumerate(bodies.items())
    ]
    assert (await run(items, dest, verify=verify)).exit_code == code
    mirror = Mirrored(dest)
    mirror.check(code)
    assert set(mirror.failed) == broken
    for name, body in bodies.items():
        item = name.removesuffix(".tar.gz")
        assert mirror.bytes_of(item, "archive") == (None if item in broken else body)
    assert len(mirror.files) == len(bodies) - len(broken) and unpacked(dest.parent) == []
