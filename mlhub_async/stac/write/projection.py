"""Adds the fields of the projection extension that an item lacks, from the headers of its GeoTIFF files.

Readers such as odc-stac need `proj:code`, `proj:shape` and `proj:transform` to load a file without being told
its grid. Fields of https://github.com/stac-extensions/projection, version 2.0.0.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

from ...core import pattern_on_use
from ...core.errors import UsageError
from ...core.model import JsonObject, Record

EXTENSION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_ANY_VERSION = "https://stac-extensions.github.io/projection/"
USER_DEFINED = 32767
"""The code of a GeoTIFF whose coordinate system has none (GeoTIFF 1.1, section 7.1)."""
PIXEL_IS_POINT = 2


_TIFF = pattern_on_use(r".*\.(tiff?|gtiff)", re.IGNORECASE | re.DOTALL)


class Projection(NamedTuple):
    """The grid of a raster. `transform`: the six numbers of an affine transform, row by row."""

    code: str | None
    shape: tuple[int, int]
    """rows and columns"""
    transform: tuple[float, ...] | None

    def fields(self) -> JsonObject:
        transform = None if self.transform is None else list(self.transform)
        found = {"proj:code": self.code, "proj:shape": list(self.shape), "proj:transform": transform}
        return {name: value for name, value in found.items() if value is not None}


GridReader = Callable[[str], Awaitable[Projection | None]]
"""Reads the grid of the finished file at a path."""


async def projections_of(records: Mapping[str, Record], grid_of: GridReader) -> Mapping[str, Projection]:
    """The grids of those files that are TIFF by their names, by asset key."""
    paths = {key: record.path for key, record in records.items() if _TIFF.fullmatch(record.path)}
    grids = {key: await grid_of(path) for key, path in paths.items()}
    return {key: grid for key, grid in grids.items() if grid is not None}


def _reader() -> Any:
    """The module tifffile. Raises `UsageError` where it is not installed."""
    try:
        return importlib.import_module("tifffile")
    except ImportError:
        raise UsageError("--enrich needs tifffile: python -m pip install 'tifffile>=2024.8'") from None


def refuse_without_reader() -> None:
    """Raise `UsageError` where `--enrich` cannot work, before anything is fetched."""
    _reader()


def projection_of(file: BinaryIO) -> Projection | None:
    """The grid in the header of a GeoTIFF; None for a file that is none, or that has no georeference."""
    tifffile = _reader()
    try:
        with tifffile.TiffFile(file) as tiff:
            page, tags = tiff.pages[0], tiff.geotiff_metadata
            shape = int(page.imagelength), int(page.imagewidth)
    except Exception:  # whatever a damaged or unusual file makes of a parser: the item stays as it is
        return None
    if not tags:
        return None
    return Projection(_code(tags), shape, _transform(tags))


def _code(tags: Mapping[str, Any]) -> str | None:
    for name in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        code = tags.get(name)
        if isinstance(code, int) and 0 < code < USER_DEFINED:
            return f"EPSG:{int(code)}"
    return None


def _transform(tags: Mapping[str, Any]) -> tuple[float, ...] | None:
    """From a matrix, or from the scale and one tie point (GeoTIFF 1.1, section 7.3), then north-up.

    The transform is that of pixel corners: a raster whose pixels are points is half a pixel away.
    """
    matrix, scale, tie = (tags.get(f"Model{name}") for name in ("Transformation", "PixelScale", "Tiepoint"))
    if matrix is not None:
        (a, b, _, c), (d, e, _, f) = [list(map(float, row)) for row in matrix[:2]]
    elif scale is not None and tie is not None and len(tie) == 6:
        a, b, d, e = float(scale[0]), 0.0, 0.0, -float(scale[1])
        c, f = float(tie[3]) - float(tie[0]) * a, float(tie[4]) - float(tie[1]) * e
    else:
        return None
    if tags.get("GTRasterTypeGeoKey") == PIXEL_IS_POINT:
        c, f = c - (a + b) / 2, f - (d + e) / 2
    return a, b, c, d, e, f


def add_projections(body: JsonObject, found: Mapping[str, Projection]) -> None:
    """Add what is missing to the assets named in `found`.

    What the catalogue says stays, and where the header contradicts it nothing is added.
    """
    properties, assets = body.get("properties"), body.get("assets")
    common = properties if isinstance(properties, dict) else {}
    changed = False
    for key, projection in found.items():
        asset = assets.get(key) if isinstance(assets, dict) else None
        if isinstance(asset, dict):
            known = {**common, **asset}
            missing = {name: one for name, one in projection.fields().items() if known.get(name) is None}
            if missing and not _contradicts(known, projection):
                asset.update(_without_code(missing) if _has_code(known) else missing)
                changed = True
    listed = body.get("stac_extensions")
    declared = listed if isinstance(listed, list) else []
    if changed and not any(isinstance(one, str) and one.startswith(_ANY_VERSION) for one in declared):
        body["stac_extensions"] = [*declared, EXTENSION]


def _has_code(known: JsonObject) -> bool:
    """Before version 2 of the extension the code was `proj:epsg`."""
    return any(
        known.get(name) is not None for name in ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson")
    )


def _without_code(fields: JsonObject) -> JsonObject:
    return {name: value for name, value in fields.items() if name != "proj:code"}


def _contradicts(known: JsonObject, projection: Projection) -> bool:
    epsg = known.get("proj:epsg")
    code = known.get("proj:code") or (f"EPSG:{epsg}" if epsg is not None else None)
    shape = known.get("proj:shape")
    return (code not in (None, projection.code)) or (shape not in (None, list(projection.shape)))
