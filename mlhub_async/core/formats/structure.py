"""Checks the structure of files of many formats (TIFF, ZIP, HDF5, GRIB, …) without their libraries.

A check finds truncated files and pointers that lead out of the file. It does not decode pixels or values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from .. import pattern_on_use
from . import kinds
from .checks import archives, compressed, documents, grids, images, netcdf, tables, tiff, vectors
from .checks.reader import IntrinsicFlaw
from .kinds import Kind

SIGNATURE_BYTES = 16
"""First bytes of a file by which its format is recognised."""
Check = Callable[[BinaryIO], str | None]
_CHECKS: dict[Kind, Check] = {
    kinds.TIFF: tiff.check_tiff,
    kinds.ZIP: archives.check_zip,
    kinds.HDF5: netcdf.check_hdf5,
    kinds.NETCDF: netcdf.check_netcdf,
    kinds.HDF4: grids.check_hdf4,
    kinds.GRIB: grids.check_grib,
    kinds.NITF: grids.check_nitf,
    kinds.LAS: grids.check_las,
    kinds.JPEG: images.check_jpeg,
    kinds.PNG: images.check_png,
    kinds.GIF: images.check_gif,
    kinds.BMP: images.check_bmp,
    kinds.RIFF: images.check_riff,
    kinds.JP2: images.check_jp2,
    kinds.ISO_MEDIA: images.check_media,
    kinds.PARQUET: tables.check_parquet,
    kinds.ARROW: tables.check_arrow,
    kinds.ORC: tables.check_orc,
    kinds.NPY: tables.check_npy,
    kinds.SQLITE: tables.check_sqlite,
    kinds.DBF: tables.check_dbf,
    kinds.FLATGEOBUF: vectors.check_flatgeobuf,
    kinds.PMTILES: vectors.check_pmtiles,
    kinds.SHAPEFILE: vectors.check_shapefile,
    kinds.PDF: documents.check_pdf,
    kinds.GZIP: compressed.check_gzip,
    kinds.XZ: compressed.check_xz,
    kinds.BZIP2: compressed.check_bzip2,
    kinds.ZSTD: compressed.check_zstd,
    kinds.SEVEN_ZIP: archives.check_7z,
    kinds.TAR: archives.check_tar,
}
_OTHER_TIFF = frozenset({"ndpi", "lsm", "stk"})
"""Suffixes of formats that begin as TIFF does and then go their own way."""
_MEMBER_OF_SET = pattern_on_use(r"(?:-[a-z]|(?<!\d)\d{1,6})\.[^./]+$")
"""Names of the members of an HDF5 file in several: only the first has a superblock."""


def find_flaw(file: BinaryIO, path: str, media_type: str | None = None) -> str | None:
    """What `formats.flaw` returns.

    1. A file is checked by the format that its first bytes show, even if another one or none is declared.
    2. First bytes of no known format are a flaw if every declared format has a known signature. Where other
       bytes may come before the signature, it is searched for.
    3. A format without a signature (tar, dBase) is checked where it is declared.
    """
    declared = kinds.declared(path, media_type)
    if (media_type == kinds.ANY_DATA or ".zarr/" in path) and kinds.JSON not in declared:
        return None  # a chunk: its bytes are those of a codec, or of values, and may begin as anything does
    if not declared and path.rpartition(".")[2].lower() in _OTHER_TIFF:
        return None
    file.seek(0)
    first = file.read(SIGNATURE_BYTES)
    if not first:
        return None if kinds.may_be_empty(path, media_type) else "it is empty"
    found = kinds.recognised(first) or next((kind for kind in declared if _is_met(kind, first)), None)
    if found is not None:
        return _prefixed(found.name, _CHECKS[found](file))
    return _unrecognised(file, first, path, declared)


def _is_met(kind: Kind, first: bytes) -> bool:
    """Whether a declared format is the one to check: it has no signature, or that of the file."""
    return kind in _CHECKS and (not kind.magics or first.startswith(kind.magics))


def _unrecognised(file: BinaryIO, first: bytes, path: str, declared: list[Kind]) -> str | None:
    if kinds.JSON in declared:
        only_json = len(declared) == declared.count(kinds.JSON)
        return _prefixed("JSON", documents.check_json(file)) if only_json else None
    if not declared or kinds.is_other(first) or any(kinds.agrees(kind, first) for kind in declared):
        return None
    for kind in declared:
        if kind in (kinds.HDF5, kinds.NETCDF):
            return None if _MEMBER_OF_SET.search(path) else _prefixed("HDF5", netcdf.check_hdf5(file))
        if kind.late:
            return _prefixed(kind.name, _CHECKS[kind](file))
    if any(kind.markup for kind in declared):
        return None
    found = f"it does not begin as {declared[0].name} does"
    return IntrinsicFlaw(found) if len(first) == SIGNATURE_BYTES else found


def _prefixed(name: str, found: str | None) -> str | None:
    """The finding with the name of the format; an `IntrinsicFlaw` stays one."""
    return type(found)(f"{name}: {found}") if found else None
