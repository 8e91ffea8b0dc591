"""Checks the structure of files of ten formats (TIFF, ZIP, HDF5, PNG, …) without their libraries.

A check finds truncated files and pointers that lead out of the file. It does not decode pixels or values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from . import archives, documents, images, kinds, netcdf, tiff
from .kinds import Kind
from .reader import IntrinsicFlaw

__all__ = ["IntrinsicFlaw", "flaw"]

SIGNATURE_BYTES = 16
"""First bytes of a file by which its format is recognised."""
Check = Callable[[BinaryIO], str | None]
_CHECKS: dict[Kind, Check] = {
    kinds.TIFF: tiff.check_tiff,
    kinds.ZIP: archives.check_zip,
    kinds.HDF5: netcdf.check_hdf5,
    kinds.NETCDF: netcdf.check_netcdf,
    kinds.JPEG: images.check_jpeg,
    kinds.PNG: images.check_png,
    kinds.JP2: images.check_jp2,
    kinds.PARQUET: documents.check_parquet,
    kinds.PDF: documents.check_pdf,
    kinds.GZIP: archives.check_gzip,
}


def flaw(file: BinaryIO, path: str, media_type: str | None = None) -> str | None:
    """What is wrong with the structure of a file, None if nothing is found.

    The result is an `IntrinsicFlaw` if truncation does not explain it.

    `file` is open for reading in binary mode and seekable; the caller closes it. `path` is its final name.

    1. A suffix that is not in the table of formats says nothing: no check.
    2. A file is checked by the format that its first bytes show, even if another one is declared.
    3. First bytes of no known format are a flaw if every declared format has a known signature. HDF5 is
       searched for its signature: a user block may come before it.
    """
    declared = kinds.declared(path, media_type)
    if not declared and kinds.has_suffix(path):
        return None
    file.seek(0)
    first = file.read(SIGNATURE_BYTES)
    if not first:
        return None if kinds.may_be_empty(path, media_type) else "it is empty"
    found = kinds.recognised(first)
    if found is not None:
        return _prefixed(found.name, _CHECKS[found](file))
    return _unrecognised(file, first, declared)


def _unrecognised(file: BinaryIO, first: bytes, declared: list[Kind]) -> str | None:
    if kinds.JSON in declared:
        only_json = len(declared) == declared.count(kinds.JSON)
        return _prefixed("JSON", documents.check_json(file)) if only_json else None
    if not declared or kinds.is_other(first) or any(kinds.agrees(kind, first) for kind in declared):
        return None
    if kinds.HDF5 in declared or kinds.NETCDF in declared:
        return _prefixed("HDF5", netcdf.check_hdf5(file))
    if kinds.ZIP in declared:
        return _prefixed("ZIP", archives.check_zip(file))
    if kinds.GRIB in declared:
        return None
    if kinds.PDF in declared:
        return _prefixed("PDF", documents.check_pdf(file))
    if any(kind.markup for kind in declared):
        return None
    found = f"it does not begin as {declared[0].name} does"
    return IntrinsicFlaw(found) if len(first) == SIGNATURE_BYTES else found


def _prefixed(name: str, found: str | None) -> str | None:
    """The finding with the name of the format; an `IntrinsicFlaw` stays one."""
    return type(found)(f"{name}: {found}") if found else None
