"""Hides how files are built inside: what a format promises of itself is checked without its library."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from . import archives, documents, images, kinds, netcdf, tiff
from .kinds import Kind
from .reader import Broken, Strange

__all__ = ["Broken", "Strange", "flaw"]

_FIRST = 16
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
    """What is wrong with the structure of a file, None if nothing is found; `Strange` if no cut did it.

    1. A name that no table knows promises nothing. 2. A file is checked as what it is by its first bytes,
    even if it is declared as something else. 3. What begins like nothing that we know is wrong where
    all that is declared begins in a known way; HDF5 may begin with a block of the user's own.
    """
    declared = kinds.declared(path, media_type)
    if not declared and kinds.has_suffix(path):
        return None
    file.seek(0)
    first = file.read(_FIRST)
    if not first:
        return None if kinds.may_be_empty(path, media_type) else "it is empty"
    found = kinds.recognised(first)
    if found is not None:
        return _said(found.name, _CHECKS[found](file))
    return _unrecognised(file, first, declared)


def _unrecognised(file: BinaryIO, first: bytes, declared: list[Kind]) -> str | None:
    if kinds.JSON in declared:
        alone = len(declared) == declared.count(kinds.JSON)
        return _said("JSON", documents.check_json(file)) if alone else None
    if not declared or kinds.is_other(first) or any(kinds.agrees(kind, first) for kind in declared):
        return None
    if kinds.HDF5 in declared or kinds.NETCDF in declared:
        return _said("HDF5", netcdf.check_hdf5(file))
    if any(kind.room for kind in declared):
        return None
    words = f"it does not begin as {declared[0].name} does"
    return Strange(words) if len(first) == _FIRST else words


def _said(name: str, words: str | None) -> str | None:
    return type(words)(f"{name}: {words}") if words else None
