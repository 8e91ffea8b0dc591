"""The table in docs/formats.md: of every format, what a check finds in files that are cut.

    PYTHONPATH=tests python -m support.format_table

writes it anew. It is made of the samples: files of the programs that people use.
"""

from __future__ import annotations

import io
from pathlib import Path

from mlhub_async.core.formats import flaw
from support.samples import MADE_BY, PADDED, SAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
BLOCK_BYTES = 512
FORMATS = {
    "TIFF, BigTIFF, COG": (
        "strips lzw tiled big sparse motorola big-motorola pages imagej-pages subifds pyramid ome "
        "cog deflated-cog masked-cog big-cog",
        "pixels; values of private tags",
    ),
    "TIFF, stack with one directory": ("imagej.tif shaped.tif", "all images but the first one missing"),
    "JPEG": ("baseline progressive", "pixels"),
    "JPEG of several pictures (MPO)": ("pair.mpo", "pixels"),
    "PNG": ("plain.png palette.png", "pixels"),
    "JPEG 2000": ("boxes.jp2 gdal.jp2 codestream", "pixels"),
    "JPEG XL": ("boxes.jxl still.jxl", "anything in a bare codestream, which has no lengths"),
    "GIF": ("still.gif film.gif", "pixels"),
    "BMP": ("still.bmp palette.bmp", "pixels"),
    "WebP (RIFF)": ("lossy lossless", "pixels"),
    "AVIF, HEIF, MP4": ("still.avif", "whatever is inside the boxes"),
    "NetCDF": ("one.nc two.nc five.nc single.nc", "values; the padding of the last variable"),
    "HDF5, NetCDF-4": ("latest.h5 old.h5 userblock four.nc", "damage inside"),
    "HDF5, family of files": ("first-", "later members, which have no header; that one is missing"),
    "HDF5, split or multi": ("halves", "anything: addresses are those of all members together"),
    "HDF4": ("scene.hdf", "values"),
    "GRIB 1 and 2": ("message grid.grb2", "whole messages missing at the end"),
    "NITF": ("scene.ntf", "damage inside"),
    "LAS, LAZ, COPC": (
        "points.las points.laz extended",
        "the last bytes of a LAZ file without extended records",
    ),
    "Parquet": ("table.parquet zstd.parquet", "values"),
    "Arrow, Feather": ("table.arrow feather", "values"),
    "Arrow stream": ("stream.arrow", "whole messages missing at the end"),
    "ORC": ("orc", "values"),
    "NumPy": ("npy", "values; arrays of objects"),
    "SQLite, GeoPackage, MBTiles": ("table.sqlite gpkg", "rows"),
    "FlatGeobuf": ("fgb", "features; of a file without index and count, whole ones missing at the end"),
    "PMTiles": ("pmtiles", "tiles"),
    "Shapefile": ("points.shp points.shx points.dbf", "coordinates; that .shx or .dbf is missing"),
    "ZIP, npz, Zarr in ZIP": (
        "members.zip large.zip empty.zip installer.zip npz zarr",
        "the bytes of a member",
    ),
    "tar": (".tar", "the bytes of a member; blocks of zeros at the end"),
    "7z": ("7z", "the bytes of a member"),
    "gzip": (
        "csv.gz members.gz",
        "whole members missing at the end; nothing else: it is decompressed, with its CRC",
    ),
    "xz": (".xz", "damage inside"),
    "bzip2": (".bz2", "damage inside"),
    "Zstandard": (".zst", "whole frames missing at the end; damage inside"),
    "PDF": ("page.pdf linear.pdf updated.pdf", "a whole update missing at the end"),
    "JSON": ("json", "nothing: it is parsed, up to 16 MiB"),
    "ERDAS Imagine": ("scene.img", "anything: it does not tell its size"),
}
"""Of each format: parts of the names of its samples, and what cannot be found."""


def samples_of(parts: str) -> list[str]:
    return [
        name for name in SAMPLES if any(part in name for part in parts.split()) and _format_of(name) == parts
    ]


def _format_of(name: str) -> str:
    """The first format with a part that begins a sample's name, else with one that is in it."""
    every = [parts for parts, _ in FORMATS.values()]
    for test in (str.__eq__, str.startswith, str.__contains__):
        for parts in every:
            if any(test(name, part) for part in parts.split()):
                return parts
    return ""


def found(name: str, size: int) -> bool:
    return flaw(io.BytesIO(SAMPLES[name][:size]), f"c/i/{name}") is not None


def _cell(names: list[str], missing: list[int]) -> str:
    """Of how many files a cut is found that takes away so many bytes which mean something."""
    number = sum(found(name, len(SAMPLES[name]) - lost) for name, lost in zip(names, missing, strict=True))
    return {len(names): "found", 0: "not found"}.get(number, f"found in {number} of {len(names)}")


def row(title: str, parts: str, never: str) -> str:
    names = samples_of(parts)
    sizes, padding = [len(SAMPLES[name]) for name in names], [PADDED.get(name, 0) for name in names]
    half = _cell(names, [size - size // 2 for size in sizes])
    one = _cell(names, [extra + 1 for extra in padding])
    blocks = [extra + min(BLOCK_BYTES, size // 4) for size, extra in zip(sizes, padding, strict=True)]
    programs = ", ".join(sorted({MADE_BY[name] for name in names}))
    return f"| {title} | {programs} ({len(names)}) | {half} | {one} | {_cell(names, blocks)} | {never} |"


def table() -> str:
    head = "| format | written by (files) | half of it missing | one byte | a block | never found |\n"
    head += "|---|---|---|---|---|---|\n"
    return head + "".join(row(title, *about) + "\n" for title, about in FORMATS.items())


def page_with(new: str, page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + "\n" + new + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page_with(table(), PAGE.read_text()))
