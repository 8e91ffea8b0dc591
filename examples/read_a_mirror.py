"""Opens one mirror with the libraries of the field, and prints what each of them found.

python -m pip install pystac rasterio geopandas odc-stac stackstac
mlhub-async demo data && python examples/read_a_mirror.py data

A library that is not installed is said so. docs/read-a-mirror.md has these calls one by one.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pystac

BANDS = ["B04", "B08"]


def main(mirror):
    catalog = pystac.Catalog.from_file(f"{mirror}/catalog.json")
    label = next(item for item in catalog.get_items(recursive=True) if "labels" in item.assets)
    images = list(label.get_stac_objects("source"))
    print(f"pystac: {label.id} was drawn on {len(images)} images, found by its source links")
    image = images[0]
    for name, read in READERS.items():
        there = shutil.which("gdalinfo") if name == "gdal" else find_spec(name.split(".")[0])
        print(f"{name}: {read(label, image) if there else 'not installed'}")


def path_of(item, key):
    return item.assets[key].get_absolute_href()


def by_rasterio(label, image):
    import rasterio

    with rasterio.open(path_of(image, "B04")) as band, rasterio.open(path_of(label, "labels")) as classes:
        assert band.shape == classes.shape and band.transform == classes.transform
        return f"band and labels of {band.shape} pixels on one grid, {band.crs}"


def by_gdal(label, image):
    words = ["gdalinfo", path_of(label, "labels")]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    return ", ".join(line.strip() for line in lines if line.startswith(("Driver", "Size is")))


def by_geopandas(label, image):
    import geopandas

    found = geopandas.GeoDataFrame.from_features([one.to_dict() for one in (label, image)], crs="EPSG:4326")
    return f"{len(found)} footprints, bounds {[round(float(one), 3) for one in found.total_bounds]}"


def by_odc_stac(label, image):
    import odc.stac

    cube = odc.stac.load([image], bands=BANDS, **grid_of(image))
    return f"{dict(cube.sizes)}, mean of B08 {float(cube.B08.mean()):.0f}"


def by_stackstac(label, image):
    import stackstac

    image = image.make_asset_hrefs_absolute()
    cube = stackstac.stack([image], assets=BANDS, epsg=epsg_of(image), resolution=10, rescale=False)
    return f"{dict(cube.sizes)}"


def grid_of(image):
    """Nothing where the items have their grid (`mirror --enrich`); else what a file of theirs says."""
    if "proj:transform" in {**image.properties, **image.assets["B04"].extra_fields}:
        return {}
    return {"crs": epsg_of(image), "resolution": 10}


def epsg_of(image):
    import rasterio

    with rasterio.open(path_of(image, "B04")) as file:
        return file.crs.to_epsg()


READERS = {
    "rasterio": by_rasterio,
    "gdal": by_gdal,
    "geopandas": by_geopandas,
    "odc.stac": by_odc_stac,
    "stackstac": by_stackstac,
}

if __name__ == "__main__":
    main(sys.argv[1])
