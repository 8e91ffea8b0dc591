"""The table of file formats: their suffixes, media types and first bytes (magic numbers)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from .. import pattern_on_use

_MEDIA_TYPES = {
    ".tif": "image/tiff image/tif image/geotiff image/x-geotiff image/vnd.stac.geotiff application/geotiff",
    ".jp2": "image/jp2 image/jpeg2000 image/jpx",
    ".jpg": "image/jpeg image/jpg",
    ".png": "image/png image/vnd.png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".geojson": "application/geo+json application/vnd.geo+json",
    ".json": "application/json text/json",
    ".ndjson": "application/x-ndjson application/ndjson application/jsonl application/geo+json-seq",
    ".ipynb": "application/x-ipynb+json",
    ".xml": "application/xml text/xml",
    ".gml": "application/gml+xml",
    ".kml": "application/vnd.google-earth.kml+xml",
    ".kmz": "application/vnd.google-earth.kmz",
    ".html": "text/html application/xhtml+xml",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv application/csv",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml application/x-yaml text/yaml",
    ".pdf": "application/pdf",
    ".h5": "application/x-hdf5 application/x-hdf application/hdf5",
    ".hdf": "application/hdf application/x-hdf4",
    ".nc": "application/netcdf application/x-netcdf",
    ".grib2": "application/wmo-grib2 application/grib2",
    ".parquet": "application/vnd.apache.parquet application/x-parquet application/parquet",
    ".gpkg": "application/geopackage+sqlite3 application/geopackage+vnd.sqlite3",
    ".fgb": "application/vnd.flatgeobuf application/flatgeobuf",
    ".pmtiles": "application/vnd.pmtiles",
    ".laz": "application/vnd.laszip application/vnd.laszip+copc",
    ".las": "application/vnd.las",
    ".zip": "application/zip application/x-zip-compressed application/vnd.shp+zip application/vnd+zip",
    ".tar": "application/x-tar application/tar",
    ".gz": "application/gzip application/x-gzip",
    ".mp4": "video/mp4",
    ".heic": "image/heic image/heif",
    ".avif": "image/avif",
    ".jxl": "image/jxl",
    ".bmp": "image/bmp image/x-ms-bmp",
    ".ntf": "application/vnd.nitf image/nitf application/nitf",
    ".npy": "application/x-npy",
    ".sqlite": "application/vnd.sqlite3 application/x-sqlite3",
    ".arrow": "application/vnd.apache.arrow.file application/vnd.apache.arrow.stream",
}


class Markup(enum.Flag):
    """The kinds of text that a file of a format may be. PLAIN is what is none of the others."""

    NOTHING = 0
    JSON = enum.auto()
    XML = enum.auto()
    HTML = enum.auto()
    PLAIN = enum.auto()
    NOT_HTML = JSON | XML | PLAIN
    ANYTHING = JSON | XML | HTML | PLAIN


class Kind(NamedTuple):
    """A file format, or a group of formats that are treated alike.

    `magics` are its possible first bytes; empty: it has no signature. `markup` is the text that it may be.
    `late`: other bytes, a text too, may come before its signature.
    """

    name: str
    magics: tuple[bytes, ...] = ()
    markup: Markup = Markup.NOTHING
    late: bool = False


TIFF = Kind("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
ZIP = Kind("ZIP", (b"PK\3\4", b"PK\5\6", b"PK\7\x08"), late=True)
"""A program that unpacks it may come before the signature."""
HDF5 = Kind("HDF5", (b"\x89HDF\r\n\x1a\n",), late=True)
"""A user block of any content may come before the signature."""
NETCDF = Kind("NetCDF", (b"CDF\1", b"CDF\2", b"CDF\5"), late=True)
"""A file of this suffix may be HDF5."""
JPEG = Kind("JPEG", (b"\xff\xd8\xff",))
PNG = Kind("PNG", (b"\x89PNG\r\n\x1a\n",))
JP2 = Kind("JPEG 2000", (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"))
PARQUET = Kind("Parquet", (b"PAR1", b"PARE"))
PDF = Kind("PDF", (b"%PDF-",), late=True)
"""Readers look for the signature in the first KiB."""
GRIB = Kind("GRIB", (b"GRIB",), late=True)
"""A header of the telecommunication system may come before each message."""
GZIP = Kind("gzip", (b"\x1f\x8b",), Markup.NOT_HTML)
"""A server may have decompressed it in transit, as Google Cloud Storage does."""
JSON = Kind("JSON", (), Markup.JSON)
HDF4 = Kind("HDF4", (b"\x0e\x03\x13\x01",))
NITF = Kind("NITF", (b"NITF0", b"NSIF0"))
LAS = Kind("LAS", (b"LASF",))
GIF = Kind("GIF", (b"GIF87a", b"GIF89a"))
BMP = Kind("BMP", (b"BM",))
RIFF = Kind("RIFF", (b"RIFF",))
"""WebP, WAV and AVI."""
ISO_MEDIA = Kind("ISO media", (b"\0\0\0\x0cJXL \r\n\x87\n",))
"""MP4, HEIF, AVIF and JPEG XL. The first four bytes are the size of the first box, then comes "ftyp"."""
ARROW = Kind("Arrow", (b"ARROW1\0\0", b"FEA1", b"\xff\xff\xff\xff"))
"""A file, a Feather file of version 1, or a stream."""
ORC = Kind("ORC", (b"ORC",))
NPY = Kind("NumPy", (b"\x93NUMPY",))
SQLITE = Kind("SQLite", (b"SQLite format 3\0",))
DBF = Kind("dBase")
FLATGEOBUF = Kind("FlatGeobuf", (b"fgb\3fgb",))
PMTILES = Kind("PMTiles", (b"PMTiles",))
SHAPEFILE = Kind("shapefile", (b"\0\0\x27\x0a",))
XZ = Kind("xz", (b"\xfd7zXZ\0",))
BZIP2 = Kind("bzip2", (b"BZh",))
ZSTD = Kind("Zstandard", (b"\x28\xb5\x2f\xfd",))
SEVEN_ZIP = Kind("7z", (b"7z\xbc\xaf\x27\x1c",))
TAR = Kind("tar")
_MEDIA = Kind("image, sound or film")
_OTHER_MEDIA = Kind("another image, sound or film", (), Markup.PLAIN)
"""The format of an image, video or audio media type that is not in the table: it is no web page."""
_DATA = Kind("binary data")
_RAW = Kind("anything binary", (), Markup.NOT_HTML)
_TABLE = Kind("table", (), Markup.NOT_HTML)
_XML = Kind("XML", (), Markup.JSON | Markup.XML | Markup.HTML)
TEXT = Kind("text", (), Markup.ANYTHING)
PAGE = Kind("page, or what makes one", (), Markup.ANYTHING)
ANY_DATA = "anything but a page"
"""In the place of a media type: what a file of a directory may be that has no suffix, a chunk of an array."""

_PRINTABLE = (BMP, RIFF, GRIB, LAS, ORC, PMTILES, BZIP2, PARQUET, GIF, ARROW)
"""A text may begin as these do."""
_CHECKED = (TIFF, ZIP, HDF5, NETCDF, JPEG, PNG, JP2, PDF, GZIP, HDF4, NITF, NPY, SQLITE)
_CHECKED_TOO = (FLATGEOBUF, SHAPEFILE, XZ, ZSTD, SEVEN_ZIP, ISO_MEDIA, *_PRINTABLE)
PICTURES = frozenset({JPEG, PNG, GIF, RIFF, ISO_MEDIA, BMP})
"""What browsers show, and servers send in place of a picture that is missing."""
NO_PICTURES = frozenset({*_CHECKED, *_CHECKED_TOO, DBF, TAR, _DATA}) - PICTURES - {PDF}
_SUFFIXES = {
    TIFF: "tif tiff gtiff btf",
    ZIP: "zip kmz npz shz docx xlsx pptx odt ods",
    HDF5: "h5 hdf5 he5 nc4",
    NETCDF: "nc nc3 cdf",
    HDF4: "hdf hdf4",
    JPEG: "jpg jpeg jpe jfif mpo",
    PNG: "png apng",
    GIF: "gif",
    BMP: "bmp dib",
    RIFF: "webp wav avi",
    JP2: "jp2 j2k j2c jpx jpf jpc jph jhc",
    ISO_MEDIA: "mp4 mov m4v heic heif avif jxl",
    PARQUET: "parquet geoparquet",
    ARROW: "arrow feather",
    ORC: "orc",
    NPY: "npy",
    SQLITE: "gpkg mbtiles sqlite sqlite3",
    DBF: "dbf",
    FLATGEOBUF: "fgb",
    PMTILES: "pmtiles",
    SHAPEFILE: "shp shx",
    GRIB: "grib grib2 grb grb2",
    NITF: "ntf nitf nsf",
    LAS: "laz las",
    PDF: "pdf",
    GZIP: "gz tgz",
    XZ: "xz",
    BZIP2: "bz2",
    ZSTD: "zst",
    SEVEN_ZIP: "7z",
    TAR: "tar",
    _MEDIA: "ico webm mp3 ogg",
    _DATA: "onnx",
    _RAW: "bin img raw dat db pkl pth pt",
    _TABLE: "csv tsv",
    JSON: "json geojson topojson ipynb",
    _XML: "xml xsd xsl rss svg kml gpx vrt dim",
    PAGE: "html htm xhtml php asp aspx jsp",
    TEXT: "atom gml qml safe txt text md rst log asc prj wkt wld tfw"
    " yaml yml toml ini ndjson jsonl geojsonl py r js css tex"
    " hdr pgw jgw gfw bpw tifw tiffw eph att imd rpb rpc pvl lbl cpg qpj clr mtl meta cfg conf info list lst"
    " sha256 sha1 sha512 md5 bib ttl rdf sql jsonld czml gltf xyz pts dxf grd",
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
_SCIENCE_FORMATS = (HDF5, NETCDF, HDF4)
"""Formats that share suffixes: a .nc file is often HDF5."""


def of_suffix(path: str) -> Kind | None:
    """The format that the suffix of a path declares, None if it has no suffix or an unknown one."""
    stem, _, suffix = path.rpartition("/")[2].rpartition(".")
    return _BY_SUFFIX.get(suffix.lower()) if stem else None


def has_suffix(path: str) -> bool:
    """Whether the last segment of a path has a suffix, known or not. The dot of a hidden file is none."""
    return "." in path.rpartition("/")[2].lstrip(".")


def of_media_type(media_type: str | None) -> Kind | None:
    """The format that a media type declares, None if it is unknown. Parameters are ignored."""
    if not media_type:
        return None
    if media_type == ANY_DATA:
        return _RAW
    if suffix := media_suffix(media_type):
        return _BY_SUFFIX.get(suffix[1:])
    family = media_type.strip().partition("/")[0].lower()
    if family == "text":
        return TEXT
    return _OTHER_MEDIA if family in ("image", "video", "audio") else None


def declared(path: str, media_type: str | None) -> list[Kind]:
    """The formats that the suffix and the media type declare: none, one or two. Either may be right."""
    found = (of_suffix(path), of_media_type(media_type))
    return [kind for kind in found if kind is not None]


def may_be_empty(path: str, media_type: str | None) -> bool:
    """Whether a file of no bytes is valid as declared: text is, a TIFF is not."""
    found = declared(path, media_type)
    return not found or any(kind in (_RAW, _TABLE, _XML, TEXT, PAGE) for kind in found)


def recognised(first: bytes) -> Kind | None:
    """The format whose signature a file begins with, if its structure can be checked; else None."""
    if first[4:8] == b"ftyp":
        return ISO_MEDIA
    found = next((kind for kind in (*_CHECKED, *_CHECKED_TOO) if first.startswith(kind.magics)), None)
    if found in _PRINTABLE and first.translate(None, _BINARY) == first:
        return None
    return None if found in _SHORT and not _SHORT[found](first) else found


def _may_be_arrow(first: bytes) -> bool:
    """Behind the mark of a stream: the size of a message, and where in it its table begins. Grids of bytes
    and of numbers begin with that mark too, as -1 or white is what they have where they have no data."""
    size, table = (int.from_bytes(first[at : at + 4], "little") for at in (4, 8))
    of_stream = 0 < size < 1 << 31 and size % 8 == 0 and 4 <= table < min(size, 1 << 16)
    return of_stream or not first.startswith(b"\xff")


def _may_be_bmp(first: bytes) -> bool:
    """The size of the second header."""
    return int.from_bytes(first[14:16], "little") in (0, 12, 16, 40, 52, 56, 64, 108, 124)


_SHORT: Mapping[Kind | None, Callable[[bytes], bool]] = {
    ARROW: _may_be_arrow,
    BMP: _may_be_bmp,
    GZIP: lambda first: first[2:3] in (b"", b"\x08"),
}
"""Formats whose signature data without one may begin with: whether what follows it may be theirs."""
_BINARY = bytes({*range(9), *range(14, 32), *range(127, 256)})


def agrees(kind: Kind, first: bytes) -> bool:
    """Whether the first bytes of a file allow the declared format, or one that shares its suffixes."""
    family = _SCIENCE_FORMATS if kind in _SCIENCE_FORMATS else (kind,)
    return any(not one.magics or first.startswith(one.magics) for one in family)


_OTHER_SIGNATURE = pattern_on_use(
    rb"SIMPLE  =|EHFA_HEADER|%!PS|P[1-7]\s|OggS|PDS_VERSION|CCSD3Z|\xff\x0a", re.DOTALL
)


def is_other(first: bytes) -> bool:
    """Whether a file begins with the signature of a format whose structure is not checked."""
    return _OTHER_SIGNATURE.match(first) is not None


_SUFFIX_OF_MEDIA_TYPE = {kind: suffix for suffix, kinds in _MEDIA_TYPES.items() for kind in kinds.split()}


_SAME_SUFFIX = {".tiff": ".tif", ".jpeg": ".jpg", ".htm": ".html", ".hdf5": ".h5", ".geoparquet": ".parquet"}


@lru_cache(256)
def media_type_of(suffix: str) -> str:
    """The media type of files with a suffix such as ".tif"; "" if it is unknown."""
    suffix = suffix.lower()
    return _MEDIA_TYPES.get(_SAME_SUFFIX.get(suffix, suffix), "").partition(" ")[0]


def media_suffix(media_type: str | None) -> str:
    """The suffix for a media type, such as ".tif"; "" if it is unknown. Parameters are ignored."""
    if not media_type:
        return ""
    kind = media_type.partition(";")[0].strip().lower()
    return _SUFFIX_OF_MEDIA_TYPE.get(kind) or {"json": ".json", "xml": ".xml", "zip": ".zip"}.get(
        kind.rpartition("+")[2], ""
    )
