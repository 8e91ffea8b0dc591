"""An MLHub on a scripted site: all endpoints that its two Python clients used, with a small LandCoverNet.

hub = MlhubSite(site)      # labels l1, l2 (water), l3 (no class); each has two source items
hub.root                   # for MLHUB_ROOT_URL
"""

from __future__ import annotations

from typing import Any

from support.archives import tarred
from support.server import Site, tif
from support.stac_server import Api, Json, stac_collection, stac_item

DATASET, DOI = "ref_landcovernet_v1", "10.34911/rdnt.d2ce8i"
LABELS, SOURCE = "ref_landcovernet_v1_labels", "ref_landcovernet_v1_source"
BANDS = ("B02", "B03")
CLASSES = {"l1": ["Wheat"], "l2": ["Water", "Wheat"], "l3": []}
KEY = "0" * 64


class MlhubSite:
    """Links of assets are `/download/TOKEN`, as MLHub had them, which redirect to `/blob/...`."""

    def __init__(self, site: Site, dates: int = 2) -> None:
        self.site, self.root = site, site.url("/mlhub/v1")
        self.labels = [self._label(name, dates) for name in CLASSES]
        self.sources = [self._source(name, date) for name in CLASSES for date in range(dates)]
        collections = [stac_collection(LABELS, **{"sci:doi": DOI}), stac_collection(SOURCE)]
        self.api = Api(site, [*self.labels, *self.sources], root="/mlhub/v1", collections=collections)
        types = {SOURCE: ["source_imagery"], LABELS: ["labels"]}
        listed = [{"id": name, "types": types[name]} for name in (SOURCE, LABELS, SOURCE)]
        self.dataset: Json = {
            "id": DATASET,
            "title": "LandCoverNet",
            "doi": DOI,
            "tags": ["land cover", "segmentation"],
            "collections": listed,
        }
        self._publish()

    def _publish(self) -> None:
        def json(path: str, body: Any) -> None:
            self.site.json(f"/mlhub/v1{path}", body)

        json("/datasets", [self.dataset, {"id": "floods", "tags": ["flood"]}])
        json(f"/datasets/{DATASET}", self.dataset)
        json(f"/datasets/doi/{DOI}", self.dataset)
        sizes = {"stac_catalog_size": 263582, "estimated_dataset_size": 77207762}
        json(f"/catalog/{DATASET}/info", {"dataset": DATASET, **sizes})
        self.archive = tarred({"labels/l1.tif": tif(200, 1)})
        about = {"collection": LABELS, "dataset": DATASET, "types": ["labels"], "size": len(self.archive)}
        json(f"/archive/{LABELS}/info", about)
        stored = self.site.put(f"/archives/{LABELS}.tar.gz", self.archive, content_type="application/x-tar")
        self.site.redirect(f"/mlhub/v1/archive/{LABELS}", stored, 303)
        model = stac_item("model-v1", None, properties={"ml-model:type": "ml-model"})
        json("/models", [model])
        json("/models/model-v1", model)

    def _label(self, name: str, dates: int) -> Json:
        item = stac_item(name, LABELS, properties={"labels": CLASSES[name], "label:type": "raster"})
        item["assets"] = {"labels": self._asset(f"{name}/labels"), "extent": self._asset(f"{name}/extent")}
        # http, not the scheme of the server: MLHub wrote its links so.
        url = f"{self.root}/collections/{SOURCE}/items"
        item["links"] = [
            {"rel": "source", "href": f"{url}/{name}_2018010{date + 1}", "type": "application/json"}
            for date in range(dates)
        ]
        return item

    def _source(self, name: str, date: int) -> Json:
        id, time = f"{name}_2018010{date + 1}", f"2018-01-0{date + 1}T00:00:00Z"
        item = stac_item(id, SOURCE, properties={"datetime": time, "gsd": 10})
        item["assets"] = {band: self._asset(f"{id}/{band}") for band in BANDS}
        item["links"] = [{"rel": "self", "href": f"{self.root}/collections/{SOURCE}/items/{id}"}]
        return item

    def _asset(self, name: str) -> Json:
        seed = sum(name.encode())
        stored = self.site.put(f"/blob/{name}.tif", tif(300, seed), content_type="image/tiff")
        token = f"gAAAAAB{name.replace('/', '-')}{'x' * 40}"
        href = self.site.redirect(f"/mlhub/v1/download/{token}", stored, 303)
        return {"href": href, "type": "image/tiff"}
