"""Which suffix the files of a media type have, in all the spellings that catalogues use."""

from __future__ import annotations

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
}
_SUFFIXES = {kind: suffix for suffix, kinds in _MEDIA_TYPES.items() for kind in kinds.split()}


def media_suffix(media_type: str | None) -> str:
    """The extension for a media type with any parameters; "" if we know none."""
    if not media_type:
        return ""
    kind = media_type.partition(";")[0].strip().lower()
    return _SUFFIXES.get(kind) or {"json": ".json", "xml": ".xml", "zip": ".zip"}.get(
        kind.rpartition("+")[2], ""
    )
