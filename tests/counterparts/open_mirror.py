"""Opens one mirror with the programs that people read mirrors with, and prints what each of them found.

    pip install odc-stac stackstac rasterio pyogrio zarr tifffile
    python tests/counterparts/open_mirror.py

A catalogue of one item is served and mirrored with --enrich: it says nothing of the grid of its two bands.
Beside them are a mask, overviews and a world file, a shapefile, an ENVI raster, and a Zarr store.
"""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import odc.stac
import pyogrio
import pystac
import rasterio
import stackstac
import zarr
from rasterio.transform import from_origin

SIZE, PIXEL = 256, 10.0
WEST, NORTH, CODE = 500_000.0, 5_000_000.0, 32633
GRID = {"width": SIZE, "height": SIZE, "count": 1, "dtype": "uint16"}
VALUES = np.arange(SIZE * SIZE, dtype="uint16").reshape(SIZE, SIZE)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="mlhub-readers-") as folder:
        site, dest = Path(folder) / "site", Path(folder) / "mirror"
        site.mkdir()
        make_site(site)
        handler = functools.partial(Quiet, directory=str(site))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            source = f"http://127.0.0.1:{server.server_port}/items.json"
            words = ["mirror", source, str(dest), "--enrich", "-q"]
            subprocess.run([sys.executable, "-m", "mlhub_async", *words], check=True)
            server.shutdown()
        shutil.rmtree(site)
        item = next(pystac.Catalog.from_file(str(dest / "catalog.json")).get_items(recursive=True))
        for reader in (by_odc_stac, by_stackstac, by_rasterio, by_gdalinfo, by_pyogrio, by_zarr):
            print(f"{reader.__name__.removeprefix('by_')}: {reader(item)}")
    return 0


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing about its requests."""

    def log_message(self, *_: object) -> None:
        pass


def make_site(site: Path) -> None:
    """Files as their programs write them, and an item that names them all."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        for band in ("B04", "B08"):
            make_tiff(
                site / f"{band}.tif", crs=f"EPSG:{CODE}", transform=from_origin(WEST, NORTH, PIXEL, PIXEL)
            )
        make_tiff(site / "scene.tif")
        with rasterio.open(site / "scene.tif", "r+") as scene:
            scene.write_mask(VALUES % 2 == 0)
    with rasterio.Env(TIFF_USE_OVR="YES"), rasterio.open(site / "scene.tif", "r+") as scene:
        scene.build_overviews([2, 4])
    (site / "scene.tfw").write_text(f"{PIXEL}\n0\n0\n-{PIXEL}\n{WEST + 5}\n{NORTH - 5}\n")
    with rasterio.open(site / "plain.img", "w", driver="ENVI", **GRID) as raster:
        raster.write(VALUES, 1)
    points = b"\x01\x01\x00\x00\x00" + np.array([1.0, 2.0]).tobytes()
    pyogrio.raw.write(
        site / "fields.shp",
        geometry=np.array([points], dtype=object),
        field_data=[np.array([7], dtype="int32")],
        fields=["crop"],
        geometry_type="Point",
        crs="EPSG:4326",
        driver="ESRI Shapefile",
    )
    group = zarr.open_group(site / "cube.zarr", mode="w")
    group.create_array("t", shape=(SIZE, SIZE), chunks=(100, 100), dtype="uint16")[:100] = VALUES[:100]
    zarr.consolidate_metadata(group.store)
    features = [item_of(sorted(path.name for path in site.iterdir()))]
    (site / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def make_tiff(path: Path, **more: Any) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", tiled=True, blockxsize=64, blockysize=64, **GRID, **more
    ) as tiff:
        tiff.write(VALUES, 1)


def item_of(names: list[str]) -> dict[str, Any]:
    types = {".tif": "image/tiff; application=geotiff", ".zarr": "application/vnd+zarr"}
    assets = {
        name.removesuffix(".tif") if name[0] == "B" else name: {
            "href": f"./{name}",
            "roles": ["data"],
            **({"type": types[Path(name).suffix]} if Path(name).suffix in types else {}),
        }
        for name in names
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": "S2:A",
        "collection": "scenes",
        "geometry": {"type": "Point", "coordinates": [15.0, 45.1]},
        "bbox": [15.0, 45.1, 15.0, 45.1],
        "properties": {"datetime": "2020-01-15T00:00:00Z"},
        "links": [],
        "assets": assets,
    }


def by_odc_stac(item: pystac.Item) -> str:
    found = odc.stac.load([item], bands=["B04", "B08"])
    assert np.array_equal(found.B04.values[0], VALUES)
    return f"{dict(found.sizes)} EPSG:{found.odc.crs.epsg}, without crs= and resolution="


def by_stackstac(item: pystac.Item) -> str:
    item = item.make_asset_hrefs_absolute()  # it takes hrefs as they are, and does not know proj:code
    for asset in item.assets.values():
        if code := asset.extra_fields.get("proj:code"):
            asset.extra_fields["proj:epsg"] = int(code.removeprefix("EPSG:"))
    found = stackstac.stack([item], assets=["B04", "B08"], rescale=False)
    assert np.array_equal(found.sel(band="B04").values[0], VALUES)
    return f"{dict(found.sizes)} EPSG:{found.epsg.item()}, with proj:epsg from proj:code"


def by_rasterio(item: pystac.Item) -> str:
    with rasterio.open(local(item, "scene.tif")) as scene:
        assert scene.overviews(1) == [2, 4]
        assert np.array_equal(scene.dataset_mask() > 0, VALUES % 2 == 0)
        assert scene.transform == from_origin(WEST, NORTH, PIXEL, PIXEL)
    with rasterio.open(local(item, "plain.img")) as raster:
        assert raster.driver == "ENVI" and np.array_equal(raster.read(1), VALUES)
    return "scene.tif with mask, overviews and world file; plain.img as ENVI"


def by_gdalinfo(item: pystac.Item) -> str:
    if shutil.which("gdalinfo") is None:
        return "not installed (apt-get install gdal-bin)"
    ran = subprocess.run(["gdalinfo", local(item, "scene.tif")], capture_output=True, text=True, check=True)
    found = [line.strip() for line in ran.stdout.splitlines() if "Overviews" in line or "Mask Flags" in line]
    files = [name for name in ("scene.tfw", "scene.tif.msk", "scene.tif.ovr") if f"/{name}" in ran.stdout]
    assert found and len(files) == 3, ran.stdout
    return "; ".join([*found, f"files {', '.join(files)}"])


def by_pyogrio(item: pystac.Item) -> str:
    found = pyogrio.read_info(local(item, "fields.shp"))
    assert found["features"] == 1 and list(found["fields"]) == ["crop"] and found["crs"] == "EPSG:4326"
    return f"fields.shp: {found['features']} feature, {found['crs']}"


def by_zarr(item: pystac.Item) -> str:
    group = zarr.open_group(local(item, "cube.zarr"), mode="r")
    values = np.asarray(group["t"][...])  # type: ignore[index]
    assert np.array_equal(values[:100], VALUES[:100]) and not values[100:].any()
    return f"cube.zarr: {sorted(group.array_keys())}"


def local(item: pystac.Item, key: str) -> str:
    path = item.assets[key].get_absolute_href()
    assert path is not None
    return path


if __name__ == "__main__":
    sys.exit(main())
