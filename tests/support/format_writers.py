"""Makes the samples of formats.json that are not there yet, by the programs that people use.

    pip install pillow pikepdf tifffile rasterio pyogrio shapely h5py netCDF4 pyarrow laspy[lazrs] pmtiles \
        zstandard zarr pyshp eccodes pyhdf py7zr imagecodecs
    python tests/support/format_writers.py [FOLDER]

With FOLDER it makes all of them there, and stores none. A writer that is not installed is named and left
out; so is a sample that is there already, as a new one would have other bytes. Files are small, and of noise,
so that a missing byte cannot be made up.
"""

from __future__ import annotations

import base64
import bz2
import io
import json
import lzma
import random
import sqlite3
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

STORE = Path(__file__).parent / "data" / "formats.json"
WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {}
"""The file's name: its program, and the function that writes it to a path or returns its bytes."""


def made_by(program: str, *names: str) -> Callable[[Any], Any]:
    def register(function: Any) -> Any:
        for name in names:
            WRITERS[name] = (program, function)
        return function

    return register


def noise(*shape: int, kind: str = "uint8", top: int = 256) -> Any:
    import numpy

    return numpy.random.default_rng(7).integers(0, top, shape).astype(kind)


@made_by(
    "Pillow", "still.gif", "still.bmp", "lossy.webp", "lossless.webp", "still.avif", "film.gif", "palette.bmp"
)
def pillow(path: Path) -> None:
    from PIL import Image

    one = Image.fromarray(noise(20, 21, 3))
    if path.stem in ("film", "palette"):
        one = one.convert("P")
    more: dict[str, Any] = (
        {"save_all": True, "append_images": [one.rotate(90)]} if path.stem == "film" else {}
    )
    one.save(path, lossless=path.stem == "lossless", **more)


@made_by("Pillow", "pair.mpo")
def mpo(path: Path) -> None:
    from PIL import Image

    one = Image.fromarray(noise(16, 16, 3))
    one.save(path, "MPO", save_all=True, append_images=[one.rotate(90)], quality=50)


@made_by("qpdf", "linear.pdf", "updated.pdf")
def pdf(path: Path) -> None:
    import pikepdf

    made = pikepdf.new()
    for n in range(2):
        made.add_blank_page().Contents = made.make_stream(noise(300 + n).tobytes())
    made.save(path, linearize=path.stem == "linear", static_id=True)
    if path.stem == "updated":  # as a program that signs does: objects, table and trailer are appended
        old = path.read_bytes()
        start = int(old.rpartition(b"startxref")[2].split()[0])
        new = b"9 0 obj\n<< /Note (%s) >>\nendobj\n" % noise(200).tobytes().hex().encode()
        table = b"xref\n9 1\n%010d 00000 n \ntrailer\n<< /Size 10 /Root 1 0 R /Prev %d >>\n" % (
            len(old),
            start,
        )
        path.write_bytes(old + new + table + b"startxref\n%d\n%%%%EOF\n" % (len(old) + len(new)))


@made_by("tifffile", "imagej.tif", "shaped.tif", "imagej-pages.tif", "ome.ome.tif", "pyramid.tif")
def stack(path: Path) -> None:
    import tifffile

    kind = path.name.partition(".")[0]
    if kind == "ome":
        tifffile.imwrite(path, noise(3, 12, 13), metadata={"axes": "ZYX"})
    elif kind == "pyramid":
        with tifffile.TiffWriter(path) as file:
            file.write(noise(32, 32), tile=(16, 16), subifds=1)
            file.write(noise(16, 16), tile=(16, 16), subfiletype=1)
    else:
        tifffile.imwrite(path, noise(5, 12, 13), imagej=kind != "shaped", truncate="pages" not in kind)


@made_by("GDAL", "deflated-cog.tif", "masked-cog.tif", "scene.ntf", "grid.grb2", "scene.img", "big-cog.tif")
def gdal(path: Path) -> None:
    import rasterio.shutil

    how: dict[str, Any] = {
        ".ntf": {"driver": "NITF"},
        ".grb2": {"driver": "GRIB"},
        ".img": {"driver": "HFA"},
    }.get(path.suffix, {"driver": "COG", "blocksize": 128, "compress": "deflate"})
    if path.stem.startswith("big"):
        how["bigtiff"] = "yes"
    place = rasterio.transform.from_bounds(1, 1, 2, 2, 20, 20)
    pixels = noise(1, 20, 20, top=9)
    with (
        rasterio.MemoryFile() as memory,
        memory.open(
            driver="GTiff", width=20, height=20, count=1, dtype="uint8", crs=4326, transform=place
        ) as one,
    ):
        one.write(pixels)
        if path.stem.startswith("masked"):
            one.write_mask(noise(20, 20, top=2) * 255)
        one.close()
        rasterio.shutil.copy(memory.name, path, **how)


@made_by("GDAL", "points.gpkg", "points.fgb", "unindexed.fgb", "points.shp", "points.dbf", "points.shx")
def ogr(path: Path) -> bytes:
    import pyogrio.raw
    import shapely

    number = 6
    places = shapely.to_wkb(shapely.points(noise(number, 2)))
    base = path.with_suffix({".dbf": ".shp", ".shx": ".shp"}.get(path.suffix, path.suffix))
    more = {"SPATIAL_INDEX": "NO"} if path.stem == "unindexed" else {}
    labels = noise(number, kind="int32")
    pyogrio.raw.write(base, places, [labels], ["label"], geometry_type="Point", crs="EPSG:4326", **more)
    return path.read_bytes()


@made_by("NumPy", "plain.npy", "records.npy", "chips.npz")
def numpy_file(path: Path) -> None:
    import numpy

    if path.suffix == ".npz":
        numpy.savez(path, images=noise(9, 9), labels=noise(9))
    else:
        fields = [("a", "<f4", (2,)), ("b", "<U3")]
        numpy.save(path, noise(9, 9, 3) if path.stem == "plain" else numpy.ones(20, fields))


@made_by(
    "pyarrow",
    "table.arrow",
    "stream.arrow",
    "old.feather",
    "new.feather",
    "table.orc",
    "zipped.orc",
    "zstd.parquet",
)
def arrow(path: Path) -> None:
    import pyarrow
    from pyarrow import feather, orc, parquet

    table = pyarrow.table({"a": noise(200, kind="int32"), "b": [str(n) for n in noise(200)]})
    if path.suffix == ".feather":
        feather.write_feather(table, path, version=1 if path.stem == "old" else 2)
    elif path.suffix == ".orc":
        orc.write_table(table, path, compression="zstd" if path.stem == "zipped" else "uncompressed")
    elif path.suffix == ".parquet":
        parquet.write_table(table, path, compression="zstd")
    else:
        new = pyarrow.ipc.new_stream if path.stem == "stream" else pyarrow.ipc.new_file
        with new(path, table.schema) as file:
            file.write(table)


@made_by("laspy", "points.las", "points.laz", "extended.las", "extended.laz")
def las(path: Path) -> None:
    import laspy

    new = path.stem == "extended"
    file = laspy.create(point_format=6 if new else 1, file_version="1.4" if new else "1.2")
    file.x, file.y, file.z = noise(3, 60, top=999, kind="float64")
    if new:
        file.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("copc", 1000, "", noise(90).tobytes())])
    file.write(str(path))


@made_by("pmtiles", "tiles.pmtiles")
def pmtiles(path: Path) -> None:
    from pmtiles.tile import Compression, TileType, zxy_to_tileid
    from pmtiles.writer import Writer

    with path.open("wb") as file:
        writer = Writer(file)
        for n in range(3):
            writer.write_tile(zxy_to_tileid(n, 0, 0), noise(200 + n).tobytes())
        about = {
            "tile_type": TileType.PNG,
            "tile_compression": Compression.NONE,
            "min_lon_e7": 0,
            "min_lat_e7": 0,
        }
        writer.finalize({**about, "max_lon_e7": 1, "max_lat_e7": 1}, {"name": "noise"})


@made_by("h5py", "first-00000.h5", "first-latest-00000.h5", "halves-m.h5")
def members(path: Path) -> bytes:
    import h5py

    driver = "split" if path.stem.startswith("halves") else "family"
    pattern = path.parent / ("halves.h5" if driver == "split" else path.name.replace("00000", "%05d"))
    more = {} if driver == "split" else {"memb_size": 2048}
    file = h5py.File(
        pattern, "w", driver=driver, libver="latest" if "latest" in path.stem else "earliest", **more
    )
    file["a"] = noise(4000)
    file.close()
    return (path.parent / "halves.h5-m.h5" if driver == "split" else path).read_bytes()


@made_by("zarr", "store.zarr.zip")
def zarr_store(path: Path) -> None:
    import zarr

    store = zarr.storage.ZipStore(path, mode="w")
    zarr.create_array(store, data=noise(12, 12), chunks=(6, 6))
    store.close()


@made_by("ecCodes", "message.grib", "message.grib2")
def eccodes_message(path: Path) -> None:
    import eccodes

    edition = 2 if path.suffix == ".grib2" else 1
    with path.open("wb") as file:
        for _ in range(3):
            message = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
            eccodes.codes_set(message, "bitsPerValue", 16)
            count = eccodes.codes_get(message, "numberOfValues")
            eccodes.codes_set_values(message, noise(count, kind="float64"))
            eccodes.codes_write(message, file)
            eccodes.codes_release(message)


@made_by("HDF4", "scene.hdf")
def hdf4(path: Path) -> None:
    from pyhdf.SD import SD, SDC

    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    data = file.create("band", SDC.UINT8, (9, 9))
    data[:] = noise(9, 9)
    data.endaccess()
    file.end()


@made_by("py7zr", "chips.7z")
def seven(path: Path) -> None:
    import py7zr

    with py7zr.SevenZipFile(path, "w") as file:
        file.writestr(noise(300).tobytes(), "chip.bin")


@made_by("libjxl", "still.jxl", "boxes.jxl")
def jxl(path: Path) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(noise(16, 16, 3), usecontainer=path.stem == "boxes"))


@made_by("zstandard", "table.csv.zst", "frames.csv.zst")
def zstd(path: Path) -> bytes:
    import zstandard

    pack = zstandard.ZstdCompressor(write_checksum=path.stem.startswith("table"))
    return pack.compress(noise(300).tobytes()) * (3 if path.stem.startswith("frames") else 1)


@made_by("Python", "table.csv.xz", "table.csv.bz2", "table.sqlite", "chips.tar", "pax.tar")
def python(path: Path) -> bytes:
    data = random.Random(7).randbytes(300)
    if path.suffix in (".xz", ".bz2"):
        return lzma.compress(data) if path.suffix == ".xz" else bz2.compress(data)
    if path.suffix == ".sqlite":
        base = sqlite3.connect(path)
        base.execute("PRAGMA page_size = 512")
        base.execute("CREATE TABLE chips (id INTEGER, chip BLOB)")
        base.executemany("INSERT INTO chips VALUES (?, ?)", [(n, data) for n in range(3)])
        base.commit()
        base.close()
        return path.read_bytes()
    file = io.BytesIO()
    form = tarfile.PAX_FORMAT if path.stem == "pax" else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for n in range(7):
            member = tarfile.TarInfo(f"chips/{n}.bin" if path.stem == "chips" else f"chips/größe-{n}.bin")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def made(name: str, folder: Path) -> bytes:
    """A file of this name, made just now. Raises ImportError where its program is not installed."""
    path = folder / name
    return WRITERS[name][1](path) or path.read_bytes()


def write_all(folder: Path, names: Iterable[str]) -> None:
    """Write the files into a folder, except those whose program is not installed."""
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            try:
                data = made(name, Path(work))
            except Exception as error:  # whatever a library says: the others are made
                print(
                    f"left out: {name} of {WRITERS[name][0]}: {type(error).__name__}: {error}",
                    file=sys.stderr,
                )
            else:
                (folder / name).write_bytes(data)


def store() -> None:
    """Add the samples that are not stored yet."""
    stored = json.loads(STORE.read_text())
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder), WRITERS.keys() - stored["files"].keys())
        for path in Path(folder).iterdir():
            stored["files"][path.name] = base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()
            stored["made_by"][path.name] = WRITERS[path.name][0]
    STORE.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_all(Path(sys.argv[1]), WRITERS)
    else:
        store()
