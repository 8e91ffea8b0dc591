"""Whether the Parquet files of a folder are stac-geoparquet: by their content, as their names say nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ....core import urls
from .rows import libraries

SUFFIXES = (".parquet", ".geoparquet")
NEEDED = frozenset({"id", "assets"})
"""The columns without which there are no items."""
_METADATA_KEY, _PLACE = b"stac-geoparquet", "geometry"
"""A file with the needed columns is STAC if its metadata has this key, or if it has this column."""
_END_BYTES, _MAGIC = 8, b"PAR1"
_PART_BYTES = 1 << 20
"""A footer begins with the names of columns and ends with the metadata: so much of both is searched."""


class ParquetFolder(NamedTuple):
    """What the Parquet files below a folder are. `remark`: a line for people, "" for nothing to say."""

    is_stac: bool
    remark: str


def parquet_below(folder: Path) -> ParquetFolder:
    """Look into the Parquet files below a folder. Raises `UsageError` if one may be STAC and pyarrow, which
    is needed to tell, is not installed."""
    found = {path: is_stac(path) for path in parquet_files(folder)}
    others = [path for path, known in found.items() if known is False]
    where = urls.term_safe(str(folder), 300)
    if not any(found.values()):
        remark = f"{where}: none of its {len(others)} Parquet files is stac-geoparquet: it is read as files"
        return ParquetFolder(False, remark if others else "")
    first = urls.term_safe(str(others[0].relative_to(folder)), 100) if others else ""
    remark = (
        f"{where} is read as stac-geoparquet: {len(others)} of its {len(found)} Parquet files "
        f"are none, such as {first}, and are left out"
    )
    return ParquetFolder(True, remark if others else "")


def stac_files(folder: Path) -> list[Path]:
    """The files below a folder that are stac-geoparquet, or that nobody can tell because they are damaged."""
    return [path for path in parquet_files(folder) if is_stac(path) is not False]


def parquet_files(folder: Path) -> list[Path]:
    """All Parquet files below a folder, hidden ones left out, sorted."""
    return sorted(Path(path) for path in _walk(folder))


def _walk(folder: Path) -> Iterator[str]:
    """`os.walk` calls itself on Python 3.11, and folders may lie in each other more deeply than it can."""
    folders = [os.fspath(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    folders.append(one.path)
                elif one.name.lower().endswith(SUFFIXES) and not one.name.startswith((".", "_")):
                    yield one.path


def is_stac(path: Path) -> bool | None:
    """Whether a file is stac-geoparquet; None for what is no whole Parquet file. Raises `UsageError`."""
    try:
        begin, end = _footer_parts(path)
    except OSError:
        return None
    if not begin:
        return None
    if not (_has(begin, *NEEDED) and (_has(begin, _PLACE) or _METADATA_KEY in end)):
        return False
    arrow, parquet, _ = libraries()
    try:
        with open(path, "rb") as opened, parquet.ParquetFile(opened) as file:  # see `write_geoparquet`
            names, metadata = set(file.schema_arrow.names), file.metadata.metadata or {}
    except (arrow.ArrowException, OSError, ValueError):
        return None
    return names >= NEEDED and (_METADATA_KEY in metadata or _PLACE in names)


def _footer_parts(path: Path) -> tuple[bytes, bytes]:
    """The first and the last bytes of the footer, which is Thrift in its compact form; b"" without one.
    Raises OSError."""
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END) - _END_BYTES
        file.seek(max(end, 0))
        last = file.read(_END_BYTES)
        size = int.from_bytes(last[:4], "little")
        if last[4:] != _MAGIC or not 0 < size <= end:
            return b"", b""
        file.seek(end - size)
        begin = file.read(min(size, _PART_BYTES))
        if size <= _PART_BYTES:
            return begin, begin
        file.seek(end - _PART_BYTES)
        return begin, file.read(_PART_BYTES)


def _has(footer: bytes, *names: str) -> bool:
    """Whether strings may be in a footer: each has its length before it."""
    return all(bytes([len(name)]) + name.encode() in footer for name in names)
